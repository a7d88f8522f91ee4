using System.Text.Json.Serialization;
using ConcertBooking.Queue;
using ConcertBooking.Queue.Room;

namespace ConcertBooking.Admin;

/// <param name="Queue">Its name.</param>
/// <param name="Waiting">How many wait.</param>
/// <param name="Active">How many are admitted.</param>
/// <param name="MaxActive">Maximum number of admitted users.</param>
/// <param name="ActiveSeconds">Duration of an admission.</param>
/// <param name="AdmitPerSecond">Maximum admissions per second; 0: no limit.</param>
/// <param name="Admitted">
/// Users admitted since the queue's data began. Two answers give the admissions per second between their <c>countedAt</c>.
/// </param>
/// <param name="EtaSeconds">The wait of who enters now, from the measured pace; 0: none, null while unknown.</param>
/// <param name="CountedAt">When these numbers were true, by the clock of the queue.</param>
public sealed record QueueItem(
    string Queue, long Waiting, long Active, int MaxActive, int ActiveSeconds, int AdmitPerSecond, long Admitted, long? EtaSeconds,
    DateTime CountedAt)
{
    internal static QueueItem Example =>
        new("main", 1_250, 50, 50, 600, 10, 12_400, 125, new DateTime(2026, 12, 1, 10, 0, 0, DateTimeKind.Utc));

    internal static QueueItem Of(QueueSettings queue, in QueueCounts counts) => new(
        queue.Name, counts.Waiting, counts.Active, counts.MaxActive, counts.ActiveSeconds, counts.AdmitPerSecond, counts.Admitted,
        counts is { Waiting: 0 } && counts.Active < counts.MaxActive ? 0 : PlaceAnswer.Eta(counts.Waiting + 1, counts.Pace),
        DateTime.UnixEpoch.AddMicroseconds(counts.Now));
}

public sealed record QueueList(IReadOnlyList<QueueItem> Items, string? NextCursor);

/// <summary>All queues by name, each counted for this request, for those who watch a sale.</summary>
internal static class ListQueues
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/admin/queues", HandleAsync)
            .WithName("ListQueues").WithTags("Admin").WithSummary("Watch the queues")
            .WithDescription(
                "All queues by name, with their settings and how many wait and are admitted at this moment. `admitted` counts on: the "
                + "difference of two answers is what was admitted between their `countedAt`.")
            .WithExample(static () => new QueueList([QueueItem.Example], null))
            .WithPaging()
            .WithAdmin()
            .Produces<QueueList>()
            .WithProblems(Problems.QueueUnavailable);

    private static async Task<IResult> HandleAsync(
        Queues queues, WaitingRoom room, int? limit, string? cursor, CancellationToken cancellationToken)
    {
        if (Paging.Limit(limit) is not { } size)
        {
            return Paging.LimitProblem;
        }

        // The cursor is the last name of the page before.
        if (!string.IsNullOrEmpty(cursor) && !Queues.IsName(cursor))
        {
            return Paging.CursorProblem;
        }

        await queues.TryRefreshAsync(cancellationToken);
        var page = queues.Known.Where(queue => string.CompareOrdinal(queue.Name, cursor) > 0)
            .OrderBy(static queue => queue.Name, StringComparer.Ordinal).Take(size + 1).ToList();
        var items = new QueueItem[Math.Min(size, page.Count)];
        await EachQueue.RunAsync(
            Enumerable.Range(0, items.Length), async index => items[index] = QueueItem.Of(page[index], await room.CountAsync(page[index])));
        return TypedResults.Ok(new QueueList(items, page.Count > size ? items[^1].Queue : null));
    }
}

[JsonSerializable(typeof(QueueList))]
internal sealed partial class ListQueuesJson : JsonSerializerContext;
