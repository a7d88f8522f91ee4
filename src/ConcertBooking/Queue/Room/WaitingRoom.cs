using System.Collections.Concurrent;
using System.Diagnostics;
using StackExchange.Redis;

namespace ConcertBooking.Queue.Room;

/// <summary>
/// The waiting room: its calls are scripts of <see cref="WaitingRoomLua"/>, batched per queue, so that a crowd costs Redis
/// and this instance few round trips. Calls that hold and pay have batches of their own, so that they do not wait behind a
/// crowd that enters and polls.
/// </summary>
internal sealed class WaitingRoom(
    WaitingRoomScripts scripts, Queues queues, Settings settings, RedisClock clock, Metrics metrics, UsedPasses usedPasses)
{
    /// <summary>How long a seat's lock keeps other users of the same seat from MySQL.</summary>
    private static readonly TimeSpan SeatLockLifetime = TimeSpan.FromMilliseconds(500);

    /// <summary>Calls of one count that reach its limits: they admit up to a million users, the next sweep the rest.</summary>
    private const int MaximumCallsPerCount = 2_000;

    /// <summary>Commands in one script: twenty take Redis half a millisecond, and it blocks everything else meanwhile.</summary>
    private const int MaximumBatchSize = 20;

    /// <summary>
    /// The seats' locks while Redis cannot be reached: the users whose holds are in progress in this process. A thousand users
    /// of one seat then cost MySQL one transaction at a time instead of the whole pool.
    /// </summary>
    private readonly ConcurrentDictionary<RedisKey, long> _localLocks = new();

    /// <summary>
    /// The last known counts of each queue. An empty queue that had users shows that Redis lost its data, and a queue where
    /// nobody waits needs no admission.
    /// </summary>
    private readonly ConcurrentDictionary<string, QueueCounts> _counts = new(StringComparer.Ordinal);

    /// <summary>A queue's two batchers: one to enter and poll; one to hold, pay and leave, which the last payment does.</summary>
    private readonly ConcurrentDictionary<(string Queue, bool IsBuying), RequestBatcher<QueueCommand, QueueCommandResult>> _batchers =
        new();

    /// <param name="Seat">The seat to lock, of a <see cref="QueueOperation.Hold"/>.</param>
    private readonly record struct QueueCommand(
        QueueOperation Operation, long UserId, long Ticket, long IssuedAt, long AdmittedUntil, RedisKey? Seat);

    /// <param name="Status">A <see cref="PlaceStatus"/>, or of check and hold a <see cref="PassStatus"/>.</param>
    /// <param name="Place">Where the operation returns one.</param>
    private readonly record struct QueueCommandResult(int Status, Place Place);

    /// <summary>Whether users wait, as far as this instance knows.</summary>
    public bool HasWaiting(string queue) => _counts.TryGetValue(queue, out var counts) && counts.Waiting > 0;

    /// <summary>Whether the queue has users, as far as this instance knows.</summary>
    public bool HasUsers(string queue) => _counts.TryGetValue(queue, out var counts) && counts is not { Waiting: 0, Active: 0 };

    public async Task<Place> EnterAsync(string queue, long userId) =>
        (await SendAsync(queue, isBuying: false, new QueueCommand(QueueOperation.Enter, userId, 0, 0, 0, null))).Place;

    public async Task<Place> LookAsync(QueueToken token) => (await SendAsync(QueueOperation.Look, token)).Place;

    /// <summary>Gives the place up and admits the next user.</summary>
    /// <returns>False when there was no place.</returns>
    public async Task<bool> LeaveAsync(QueueToken token) =>
        (await SendAsync(QueueOperation.Leave, token)).Place.Status is PlaceStatus.Active;

    /// <summary>The places of several waiting users of one queue, in one call, which counts as a poll by each of them.</summary>
    public async Task<Place[]> WatchAsync(string queue, IReadOnlyList<QueueToken> tokens)
    {
        var reply = await EvalAsync(
            WaitingRoomLua.Watch, queues.OfToken(queue),
            [.. tokens.SelectMany(static token => new RedisValue[] { token.UserId, token.Ticket, token.IssuedAt })]);
        var (now, pace) = ((long)reply[0], (long)reply[2] / 1e6);
        var places = new Place[tokens.Count];
        for (var index = 0; index < places.Length; index++)
        {
            var at = 3 + (index * 3);
            places[index] = new Place(
                (PlaceStatus)(int)reply[at], PlaceOrigin.Known, tokens[index].Ticket, (long)reply[at + 1], (long)reply[at + 2], pace, now);
        }

        return places;
    }

    /// <summary>Whether the token's user is admitted. While Redis cannot be reached, the pass itself decides until its end.</summary>
    public Task<PassStatus> CheckAsync(QueueToken token) => CheckAsync(token, null);

    /// <summary>The same, and takes the seat's short lock; <see cref="UnlockAsync"/> releases it.</summary>
    public Task<PassStatus> CheckAndLockAsync(QueueToken token, long scheduleId, int seatNo) =>
        CheckAsync(token, WaitingRoomScripts.SeatKey(token.Queue, scheduleId, seatNo));

    private async Task<PassStatus> CheckAsync(QueueToken token, RedisKey? seat)
    {
        try
        {
            var result = await SendAsync(seat is null ? QueueOperation.Check : QueueOperation.Hold, token, seat);
            return (PassStatus)result.Status;
        }
        catch (RedisUnavailableException)
        {
            return token.AdmittedUntil == 0 ? PassStatus.NotActive
                : token.AdmittedUntil <= clock.NowMilliseconds ? PassStatus.Gone
                : seat is { } key && _localLocks.GetOrAdd(key, token.UserId) != token.UserId ? PassStatus.SeatBusy
                : PassStatus.Active;
        }
    }

    /// <summary>Releases the seat's short lock, or passes it to the seat's owner until it expires.</summary>
    public async Task UnlockAsync(QueueToken token, long scheduleId, int seatNo, long? owner)
    {
        var seat = WaitingRoomScripts.SeatKey(token.Queue, scheduleId, seatNo);
        _localLocks.TryRemove(new(seat, token.UserId));
        if (owner != token.UserId)
        {
            await scripts.EvalBestEffortAsync(
                WaitingRoomLua.Unlock, seat,
                [token.UserId, owner ?? RedisValue.EmptyString, (long)SeatLockLifetime.TotalMilliseconds]);
        }
    }

    /// <summary>Releases any lock of a seat that has no owner any more.</summary>
    public Task FreeAsync(string queue, long scheduleId, int seatNo) =>
        scripts.EvalBestEffortAsync(WaitingRoomLua.Free, WaitingRoomScripts.SeatKey(queue, scheduleId, seatNo), []);

    /// <summary>Removes ended places, admits users to free ones, applies newer settings, and counts.</summary>
    public async Task<QueueCounts> CountAsync(QueueSettings queue)
    {
        RedisResult[] reply;
        var calls = 0;
        do
        {
            reply = await EvalAsync(WaitingRoomLua.Count, queue, []);
        }
        while ((int)reply[7] == 1 && ++calls < MaximumCallsPerCount);

        var counts = new QueueCounts(
            (long)reply[2], (long)reply[3], (int)reply[4], (int)reply[5], (int)reply[6], (long)reply[8] / 1e6, (long)reply[9],
            (long)reply[0]);
        metrics.Queue(queue.Name, counts.Waiting, counts.Active);
        return _counts[queue.Name] = counts;
    }

    /// <summary>Buyers have a pass. A waiting user's call to hold or pay is most likely refused, so it is batched with polls.</summary>
    private Task<QueueCommandResult> SendAsync(QueueOperation operation, QueueToken token, RedisKey? seat = null) => SendAsync(
        token.Queue, isBuying: operation is not QueueOperation.Look && token.AdmittedUntil > 0,
        new QueueCommand(operation, token.UserId, token.Ticket, token.IssuedAt, token.AdmittedUntil, seat));

    private async Task<QueueCommandResult> SendAsync(string queue, bool isBuying, QueueCommand command)
    {
        using var span = Instrumentation.Source.StartActivity(RedisClient.SpanName, ActivityKind.Client);
        var batcher = _batchers.GetOrAdd(
            (queue, isBuying), static (key, room) => new(commands => room.SendBatchAsync(key.Queue, commands), MaximumBatchSize), this);
        try
        {
            var result = await batcher.EnqueueAsync(command);
            if (result.Place.Origin is not PlaceOrigin.Restored || command.Operation is QueueOperation.Leave
                || !await usedPasses.IsUsedUpAsync(command.UserId, queue, command.IssuedAt == 0 ? result.Place.Ticket : command.IssuedAt))
            {
                return result;
            }

            await batcher.EnqueueAsync(
                command with { Operation = QueueOperation.Leave, IssuedAt = result.Place.Now, AdmittedUntil = 0, Seat = null });
            return command.Operation is QueueOperation.Enter ? await batcher.EnqueueAsync(command) : default;
        }
        catch (RedisUnavailableException)
        {
            span?.SetStatus(ActivityStatusCode.Error);
            throw;
        }
    }

    private async Task<IReadOnlyList<QueueCommandResult>> SendBatchAsync(string queue, IReadOnlyList<QueueCommand> commands)
    {
        var arguments = new List<RedisValue>(2 + (commands.Count * 5))
        {
            settings.QueueMaxWaiting,
            (long)SeatLockLifetime.TotalMilliseconds,
        };
        var seats = new List<RedisKey>();
        foreach (var command in commands)
        {
            arguments.AddRange(
                WaitingRoomLua.NameOf(command.Operation), command.UserId, command.Ticket, command.IssuedAt, command.AdmittedUntil);
            if (command.Seat is { } seat)
            {
                seats.Add(seat);
            }
        }

        var reply = await EvalAsync(WaitingRoomLua.RunCommands, queues.OfToken(queue), arguments, seats);
        var (now, pace) = ((long)reply[0], (long)reply[2] / 1e6);
        var results = new QueueCommandResult[commands.Count];
        for (var index = 0; index < results.Length; index++)
        {
            var at = 3 + (index * 5);
            var status = (int)reply[at];
            var place = new Place(
                (PlaceStatus)status, (PlaceOrigin)(int)reply[at + 1],
                (long)reply[at + 2], (long)reply[at + 3], (long)reply[at + 4], pace, now + index);
            results[index] = new QueueCommandResult(status, place);
            if (commands[index].Operation is QueueOperation.Enter or QueueOperation.Look)
            {
                UpdateCounts(queue, place);
            }
        }

        return results;
    }

    private Task<RedisResult[]> EvalAsync(
        RedisScript script, QueueSettings queue, IReadOnlyCollection<RedisValue> arguments, IReadOnlyCollection<RedisKey>? seats = null) =>
        scripts.EvalAsync(script, queue, isNew: queue.IsNew && !HasUsers(queue.Name), arguments, seats);

    /// <summary>A returned place shows that the queue has users, until it is counted next.</summary>
    private void UpdateCounts(string queue, Place place)
    {
        if (place.Status is PlaceStatus.Waiting or PlaceStatus.Active && !HasWaiting(queue))
        {
            var counts = _counts.GetValueOrDefault(queue);
            _counts[queue] = place.Status is PlaceStatus.Waiting
                ? counts with { Waiting = 1 }
                : counts with { Active = Math.Max(1, counts.Active) };
        }
    }
}
