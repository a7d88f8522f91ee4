namespace ConcertBooking.Tests.Support;

/// <summary>Many calls in the same moment.</summary>
internal static class Rush
{
    /// <summary>Every call is prepared and waits at a gate; when all are there it opens.</summary>
    public static async Task<T[]> AllAtOnceAsync<TOf, T>(IReadOnlyCollection<TOf> of, Func<TOf, Task<T>> call)
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var calls = of.Select(async one =>
        {
            await gate.Task;
            return await call(one);
        }).ToArray();
        gate.SetResult();
        return await Task.WhenAll(calls);
    }

    /// <summary>The same for calls that only differ by their number, from 0.</summary>
    public static Task<T[]> AllAtOnceAsync<T>(int count, Func<int, Task<T>> call) =>
        AllAtOnceAsync([.. Enumerable.Range(0, count)], call);

    /// <summary>All at once, each as <see cref="Eventually.AnsweredAsync"/>: an idempotency key must not be made within the call.</summary>
    public static Task<Reply[]> AllAnsweredAsync<TOf>(IReadOnlyCollection<TOf> of, Func<TOf, Task<Reply>> call) =>
        AllAtOnceAsync(of, one => Eventually.AnsweredAsync(() => call(one)));

    /// <inheritdoc cref="AllAnsweredAsync{TOf}"/>
    public static Task<Reply[]> AllAnsweredAsync(int count, Func<int, Task<Reply>> call) =>
        AllAnsweredAsync([.. Enumerable.Range(0, count)], call);

    /// <summary>All at once, each as <see cref="Eventually.ServedAsync"/>.</summary>
    public static Task<Reply[]> AllServedAsync(int count, Func<int, Task<Reply>> call) =>
        AllAtOnceAsync(count, number => Eventually.ServedAsync(() => call(number)));

    /// <summary>New users admitted to the show, who call the given instances by turns.</summary>
    public static async Task<Visitor[]> AdmittedAsync(this Rig rig, Show show, int count, long points = 0, params Instance[] instances)
    {
        var visitors = new Visitor[count];
        await Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (index, _) =>
        {
            var visitor = await rig.NewVisitorAsync(show, points);
            visitor.Api = (instances.Length == 0 ? rig.A : instances[index % instances.Length]).Api;
            visitors[index] = visitor;
        });
        return visitors;
    }

    /// <summary>How often each answer came, e.g. <c>1 × 201, 999 × 409 seat_taken</c>.</summary>
    public static string Tally(this IEnumerable<Reply> replies) => string.Join(", ", replies
        .GroupBy(reply => reply.Code is { } code ? $"{reply.Status} {code}" : $"{reply.Status}")
        .OrderBy(group => group.Key, StringComparer.Ordinal)
        .Select(group => $"{group.Count()} × {group.Key}"));

    /// <summary>Fails unless exactly one of the answers is a success, each other one is that problem, and both kinds are whole.</summary>
    public static Reply ExpectOneWinner(this IReadOnlyCollection<Reply> replies, int status, string code)
    {
        if (replies.Count(static reply => reply.IsWon) != 1 || replies.Count(reply => reply.Code == code) != replies.Count - 1)
        {
            Assert.Fail($"Expected 1 × 201, {replies.Count - 1} × {status} {code} but got {replies.Tally()}");
        }

        foreach (var loser in replies.Where(static reply => !reply.IsWon))
        {
            loser.ExpectProblem(status, code);
        }

        return replies.Single(static reply => reply.IsWon);
    }
}
