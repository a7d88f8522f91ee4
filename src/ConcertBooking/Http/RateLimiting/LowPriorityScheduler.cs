using System.Collections.Concurrent;
using System.Diagnostics;

namespace ConcertBooking.Http.RateLimiting;

/// <summary>
/// Low-priority scheduler: runs the continuations of requests without priority from a queue of its own, of which only a few
/// work items are in the thread pool at a time. A payment, which goes through the pool about ten times, waits there for those
/// few, however many requests there are. docs/decisions/0001 has the figures.
/// </summary>
internal sealed class LowPriorityScheduler : SynchronizationContext, IThreadPoolWorkItem
{
    /// <summary>
    /// How long a work item runs continuations before it goes to the end of the pool's queue: about eight, most take 30 µs.
    /// With one each, a read at half a processor costs half as much again. A time and not a number, since one may be long: a
    /// long access token takes 0.4 ms to verify.
    /// </summary>
    private static readonly TimeSpan Slice = TimeSpan.FromMicroseconds(250);

    private static readonly int MaximumConcurrency = Environment.ProcessorCount;

    private readonly ConcurrentQueue<(SendOrPostCallback Work, object? State)> _queue = [];
    private int _working;

    /// <summary>Endpoint metadata: runs at once if the caller's credential is known to be good.</summary>
    public sealed class HighPriority;

    /// <summary>Runs the request from the queue: now, and again after everything that it awaits.</summary>
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
        _queue.Enqueue((work, state));
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
            if (!_queue.TryDequeue(out var next))
            {
                Interlocked.Decrement(ref _working);
                if (!_queue.IsEmpty) // posted in between, when this work item still counted as running
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
    /// <summary>Marks calls of users who have a place or a seat, and health checks, to run before others.</summary>
    public static TBuilder WithHighPriority<TBuilder>(this TBuilder route) where TBuilder : IEndpointConventionBuilder =>
        route.WithMetadata(new LowPriorityScheduler.HighPriority());

    public static void UseLowPriorityScheduler(this WebApplication app)
    {
        var scheduler = new LowPriorityScheduler();
        var priority = app.Services.GetRequiredService<RequestPriority>();
        app.Use((context, next) => priority.IsHighPriority(context) ? next(context) : scheduler.RunAsync(context, next));
    }
}
