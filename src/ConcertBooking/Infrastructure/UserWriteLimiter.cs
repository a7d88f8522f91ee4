using System.Threading.RateLimiting;

namespace ConcertBooking.Infrastructure;

/// <summary>
/// Two writes of a user at a time: hold, release, pay and charge lock the user's row, so any more of them would only wait
/// for each other, each with a connection of the pool. They wait here instead, before a connection is taken.
/// </summary>
internal static class UserWriteLimiter
{
    /// <summary>Two, not one: a repeat with a key that is still running is answered at once.</summary>
    private const int AtOnce = 2;

    /// <summary>As long as a shared call is waited for.</summary>
    private static readonly TimeSpan WaitLimit = TimeSpan.FromSeconds(5);

    /// <summary>Marks an endpoint that writes on the user's behalf.</summary>
    private sealed class UserWrite;

    /// <summary>Marks the route's call as a write of its user.</summary>
    public static RouteHandlerBuilder LimitedPerUser(this RouteHandlerBuilder route) =>
        route.WithMetadata(new UserWrite()).WithProblems(Problems.TooManyRequests);

    /// <summary>Stands behind the check of credentials, which says whose write it is.</summary>
    public static void UseUserWriteLimiter(this WebApplication app)
    {
        var limiter = PartitionedRateLimiter.Create<long, long>(static user => RateLimitPartition.GetConcurrencyLimiter(
            user, static _ => new ConcurrencyLimiterOptions { PermitLimit = AtOnce, QueueLimit = int.MaxValue }));
        app.Lifetime.ApplicationStopped.Register(limiter.Dispose);
        app.Use((context, next) => context.GetEndpoint()?.Metadata.GetMetadata<UserWrite>() is null ? next(context) : InTurnAsync(limiter, context, next));
    }

    private static async Task InTurnAsync(PartitionedRateLimiter<long> limiter, HttpContext context, RequestDelegate next)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        limit.CancelAfter(WaitLimit);
        RateLimitLease lease;
        try
        {
            lease = await limiter.AcquireAsync(context.CallerId(), cancellationToken: limit.Token);
        }
        catch (OperationCanceledException)
        {
            await Problems.TooManyRequests.ExecuteAsync(context);
            return;
        }

        using (lease)
        {
            await next(context);
        }
    }
}
