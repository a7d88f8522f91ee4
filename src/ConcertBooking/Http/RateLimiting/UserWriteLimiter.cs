using System.Threading.RateLimiting;

namespace ConcertBooking.Http.RateLimiting;

/// <summary>
/// Concurrency limiter per user: hold, release, pay and charge lock the user's row, so more than two at a time would only wait
/// for each other, each with a connection of the pool. They wait here instead, before a connection is taken.
/// </summary>
internal sealed class UserWriteLimiter : IDisposable
{
    /// <summary>Two, not one: a repeat with an idempotency key whose request is still running is answered at once.</summary>
    private const int MaximumConcurrency = 2;

    /// <summary>The same as the queue timeout of <see cref="RequestBatcher{TRequest, TResponse}"/>.</summary>
    private static readonly TimeSpan QueueTimeout = TimeSpan.FromSeconds(5);

    private readonly PartitionedRateLimiter<long> _limiter = PartitionedRateLimiter.Create<long, long>(user =>
        RateLimitPartition.GetConcurrencyLimiter(
            user, _ => new ConcurrencyLimiterOptions { PermitLimit = MaximumConcurrency, QueueLimit = int.MaxValue }));

    /// <summary>Marks an endpoint that writes on the caller's behalf.</summary>
    internal sealed class UserWrite;

    /// <returns>The lease, to be disposed after the write; null when it was not acquired in time.</returns>
    public async Task<RateLimitLease?> AcquireAsync(long userId, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(QueueTimeout);
        try
        {
            return await _limiter.AcquireAsync(userId, cancellationToken: limit.Token);
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }

    public void Dispose() => _limiter.Dispose();
}

internal static class UserWriteLimiterRoutes
{
    /// <summary>Marks the route as a write of its caller.</summary>
    public static RouteHandlerBuilder LimitedPerUser(this RouteHandlerBuilder route) =>
        route.WithMetadata(new UserWriteLimiter.UserWrite()).WithProblems(Problems.TooManyRequests);

    /// <summary>Runs after authentication, which identifies the user.</summary>
    public static void UseUserWriteLimiter(this WebApplication app)
    {
        var limiter = app.Services.GetRequiredService<UserWriteLimiter>();
        app.Use((context, next) =>
            context.GetEndpoint()?.Metadata.GetMetadata<UserWriteLimiter.UserWrite>() is null
                ? next(context)
                : LimitAsync(limiter, context, next));
    }

    private static async Task LimitAsync(UserWriteLimiter limiter, HttpContext context, RequestDelegate next)
    {
        using var lease = await limiter.AcquireAsync(context.CallerId(), context.RequestAborted);
        await (lease is null ? Problems.TooManyRequests.ExecuteAsync(context) : next(context));
    }
}
