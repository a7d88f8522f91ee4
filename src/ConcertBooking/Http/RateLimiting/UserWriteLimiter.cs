using System.Threading.RateLimiting;

namespace ConcertBooking.Http.RateLimiting;

/// <summary>
/// Two writes of a user at a time: hold, release, pay and charge lock the user's row, so any more of them would only wait
/// for each other, each with a connection of the pool. They wait here instead, before a connection is taken.
/// </summary>
internal sealed class UserWriteLimiter : IDisposable
{
    /// <summary>Two, not one: a repeat with a key that is still running is answered at once.</summary>
    private const int MaximumConcurrency = 2;

    /// <summary>As long as a shared call is waited for.</summary>
    private static readonly TimeSpan WaitLimit = TimeSpan.FromSeconds(5);

    private readonly PartitionedRateLimiter<long> _limiter = PartitionedRateLimiter.Create<long, long>(user =>
        System.Threading.RateLimiting.RateLimitPartition.GetConcurrencyLimiter(
            user, _ => new ConcurrencyLimiterOptions { PermitLimit = MaximumConcurrency, QueueLimit = int.MaxValue }));

    /// <summary>Marks an endpoint that writes on the caller's behalf.</summary>
    internal sealed class UserWrite;

    /// <returns>The user's turn, to be disposed after the write; null when it did not come in time.</returns>
    public async Task<RateLimitLease?> AcquireAsync(long userId, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(WaitLimit);
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
    /// <summary>Marks the route's call as a write of its caller.</summary>
    public static RouteHandlerBuilder LimitedPerUser(this RouteHandlerBuilder route) =>
        route.WithMetadata(new UserWriteLimiter.UserWrite()).WithProblems(Problems.TooManyRequests);

    /// <summary>Stands behind the check of credentials, which says whose write it is.</summary>
    public static void UseUserWriteLimiter(this WebApplication app)
    {
        var limiter = app.Services.GetRequiredService<UserWriteLimiter>();
        app.Use((context, next) =>
            context.GetEndpoint()?.Metadata.GetMetadata<UserWriteLimiter.UserWrite>() is null
                ? next(context)
                : InTurnAsync(limiter, context, next));
    }

    private static async Task InTurnAsync(UserWriteLimiter limiter, HttpContext context, RequestDelegate next)
    {
        using var turn = await limiter.AcquireAsync(context.CallerId(), context.RequestAborted);
        await (turn is null ? Problems.TooManyRequests.ExecuteAsync(context) : next(context));
    }
}
