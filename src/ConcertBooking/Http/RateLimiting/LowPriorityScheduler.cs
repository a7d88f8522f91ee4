using System.Collections.Concurrent;
using System.Diagnostics;

namespace ConcertBooking.Http.RateLimiting;

/// <summary>
/// Lets those who hold and pay, and may, go first at the processors. What everybody else is ready to do waits in a line of its
/// own here, and only the first few pieces of it are with the thread pool. So a payment, which goes through the pool
/// about ten times, waits there for those few, however many are asking.
/// </summary>
internal sealed class LowPriorityScheduler : SynchronizationContext, IThreadPoolWorkItem
{
    /// <summary>
    /// For this long pieces are done one after the other, before the pool's other work has its turn: about eight, most
    /// take 30 µs. With one alone, a read of half a processor's service costs half as much again. A time and not a
    /// number, since a piece may be long: a long access token takes 0.4 ms to verify.
    /// </summary>
    private static readonly TimeSpan Slice = TimeSpan.FromMicroseconds(250);

    private static readonly int MaximumConcurrency = Environment.ProcessorCount;

    private readonly ConcurrentQueue<(SendOrPostCallback Work, object? State)> _line = [];
    private int _working;

    /// <summary>Marks an endpoint that waits in no line, if its caller's credential is good.</summary>
    public sealed class HighPriority;

    /// <summary>Answers the request in the line: it has a turn now, and another one after everything it waits for.</summary>
    public async Task RunAsync(HttpContext context, RequestDelegate next)
    {
        SetSynchronizationContext(this); // for this method alone: the caller of an async method gets its own back
        await Task.Yield();
        try
        {
            await next(context);
        }
        finally
        {
            SetSynchronizationContext(null); // so that the server goes on at once, on this thread
        }
    }

    public override void Post(SendOrPostCallback work, object? state)
    {
        _line.Enqueue((work, state));
        StartWorking();
    }

    private void StartWorking()
    {
        int working;
        do
        {
            working = Volatile.Read(ref _working);
            if (working == MaximumConcurrency)
            {
                return;
            }
        }
        while (Interlocked.CompareExchange(ref _working, working + 1, working) != working);

        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void IThreadPoolWorkItem.Execute()
    {
        var began = Stopwatch.GetTimestamp();
        do
        {
            if (!_line.TryDequeue(out var next))
            {
                Interlocked.Decrement(ref _working);
                if (!_line.IsEmpty) // somebody came in between and thought that work was going on
                {
                    StartWorking();
                }

                return;
            }

            SetSynchronizationContext(this);
            next.Work(next.State);
        }
        while (Stopwatch.GetElapsedTime(began) < Slice);

        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }
}

internal static class LowPrioritySchedulerRoutes
{
    /// <summary>Whoever calls it with a good credential waits in no line: health, and who has a place or a seat.</summary>
    public static TBuilder WithHighPriority<TBuilder>(this TBuilder route) where TBuilder : IEndpointConventionBuilder =>
        route.WithMetadata(new LowPriorityScheduler.HighPriority());

    public static void UseLowPriorityScheduler(this WebApplication app)
    {
        var scheduler = new LowPriorityScheduler();
        var priority = app.Services.GetRequiredService<RequestPriority>();
        app.Use((context, next) => priority.IsHighPriority(context) ? next(context) : scheduler.RunAsync(context, next));
    }
}
