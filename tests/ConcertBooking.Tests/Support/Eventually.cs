using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace ConcertBooking.Tests.Support;

/// <summary>Asks until the answer is the one that must come, and fails when its time is over.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(25);

    /// <summary>How long a test waits for what must come, where nothing promises a time: more than any machine needs.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    /// <summary>The two seconds after which a request that waits for MySQL is answered 503.</summary>
    public static readonly TimeSpan OneRequest = TimeSpan.FromSeconds(2);

    /// <summary>The same with room for what the service does afterwards.</summary>
    public static readonly TimeSpan HalfARequest = OneRequest / 2;

    private const int Tries = 10;

    /// <summary>A time that the service promises, with room for a machine that gives it a part of one core.</summary>
    public static TimeSpan Promised(double seconds) => 5 * TimeSpan.FromSeconds(seconds);

    /// <param name="ask">Asks once.</param>
    /// <param name="until">What must come.</param>
    /// <param name="within">Null where nothing promises a time.</param>
    /// <param name="what">What is waited for, in words.</param>
    /// <param name="report">What to show beside the last answer when it did not come.</param>
    public static async Task<T> GetAsync<T>(
        Func<Task<T>> ask, Func<T, bool> until, TimeSpan? within = null, [CallerArgumentExpression(nameof(until))] string what = "",
        Func<Task<string>>? report = null)
    {
        var limit = within ?? Patience;
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            var asked = Stopwatch.GetElapsedTime(started);
            var answer = await ask();
            if (until(answer))
            {
                return answer;
            }

            if (asked > limit)
            {
                Assert.Fail(
                    $"Not within {limit.TotalSeconds:0.###} s: {what}. The last answer:\n{answer}{(report is null ? "" : await report())}");
            }

            await Task.Delay(Interval);
        }
    }

    /// <summary>
    /// The same request again after a 503, as its Retry-After asks of clients: a crowd on a slow machine may not all be
    /// answered within the two seconds of one request.
    /// </summary>
    public static Task<Reply> AnsweredAsync(Func<Task<Reply>> request) =>
        GetAsync(request, static reply => reply.Status != 503);

    /// <summary>
    /// The same request again after the waiting room could not be reached: on a busy machine Redis may not answer within its
    /// quarter of a second, and may have done what it was asked for all the same.
    /// </summary>
    public static Task<Reply> ReachedAsync(Func<Task<Reply>> request) =>
        GetAsync(request, static reply => reply is not { Status: 503, Code: "queue_unavailable" });

    /// <summary>
    /// A request that only a slow machine can keep from its answer: sent again after a 503 for which it waited. A 503 that comes at
    /// once is the answer.
    /// </summary>
    public static async Task<Reply> ServedAsync(Func<Task<Reply>> request)
    {
        for (var tries = 1; ; tries++)
        {
            var clock = Stopwatch.StartNew();
            var reply = await request();
            if (reply.Status != 503 || clock.Elapsed < HalfARequest || tries == Tries)
            {
                return reply;
            }
        }
    }

    /// <summary>
    /// Plays a scene for which the service gives a time, such as the two seconds that a request waits for a lock. Where the machine
    /// let the test come too late, the scene showed nothing and is played again, from its beginning; what fails in time fails.
    /// </summary>
    /// <param name="given">By the service.</param>
    /// <param name="scene">Starts the clock before the service does, and stops it when it has done what must be done in time.</param>
    public static async Task InTimeAsync(TimeSpan given, Func<Stopwatch, Task> scene)
    {
        for (var tries = 1; ; tries++)
        {
            var clock = new Stopwatch();
            try
            {
                await scene(clock);
                return;
            }
            catch (Exception exception) when (clock.Elapsed > given && tries < Tries)
            {
                Console.WriteLine($"Too late by {(clock.Elapsed - given).TotalSeconds:0.0} s, played again: {exception.Message}");
            }
        }
    }

    public static Task TrueAsync(
        Func<Task<bool>> condition, TimeSpan? within = null, [CallerArgumentExpression(nameof(condition))] string what = "") =>
        GetAsync(condition, static met => met, within, what);

    public static Task TrueAsync(
        Func<bool> condition, TimeSpan? within = null, [CallerArgumentExpression(nameof(condition))] string what = "") =>
        GetAsync(() => Task.FromResult(condition()), static met => met, within, what);
}
