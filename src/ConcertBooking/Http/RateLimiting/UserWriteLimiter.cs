using System.Runtime.InteropServices;

namespace ConcertBooking.Http.RateLimiting;

/// <summary>
/// Concurrency limiter per user: hold, release, pay and charge lock the user's row, so more than two at a time would only wait
/// for each other, each with a connection of the pool. They wait here instead, before a connection is taken. It keeps nothing of
/// a user who has no request under way, so its cost does not grow with the number of users.
/// </summary>
internal sealed class UserWriteLimiter
{
    /// <summary>Two, not one: a repeat with an idempotency key whose request is still running is answered at once.</summary>
    private const int MaximumConcurrency = 2;

    /// <summary>The same as the queue timeout of <see cref="RequestBatcher{TRequest, TResponse}"/>.</summary>
    private static readonly TimeSpan QueueTimeout = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly Dictionary<long, UserWrites> _users = [];

    /// <summary>Marks an endpoint that writes on the caller's behalf.</summary>
    internal sealed class UserWrite;

    /// <summary>The writes of one user that run or wait; the lease of each that runs.</summary>
    private sealed class UserWrites(UserWriteLimiter limiter, long userId) : IDisposable
    {
        public long UserId => userId;

        public int Count { get; set; }

        public SemaphoreSlim Permits { get; } = new(MaximumConcurrency);

        public void Dispose()
        {
            Permits.Release();
            limiter.Leave(this);
        }
    }

    /// <returns>The lease, to be disposed after the write; null when it was not acquired in time.</returns>
    /// <exception cref="OperationCanceledException">The client has gone meanwhile.</exception>
    public async Task<IDisposable?> AcquireAsync(long userId, CancellationToken cancellationToken)
    {
        var writes = Join(userId);
        var acquired = false;
        try
        {
            acquired = await writes.Permits.WaitAsync(QueueTimeout, cancellationToken);
        }
        finally
        {
            if (!acquired)
            {
                Leave(writes);
            }
        }

        return acquired ? writes : null;
    }

    private UserWrites Join(long userId)
    {
        lock (_lock)
        {
            ref var writes = ref CollectionsMarshal.GetValueRefOrAddDefault(_users, userId, out _);
            writes ??= new UserWrites(this, userId);
            writes.Count++;
            return writes;
        }
    }

    private void Leave(UserWrites writes)
    {
        lock (_lock)
        {
            if (--writes.Count == 0)
            {
                _users.Remove(writes.UserId);
            }
        }
    }
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
