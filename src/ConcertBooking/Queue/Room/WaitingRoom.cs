using System.Collections.Concurrent;
using System.Diagnostics;
using StackExchange.Redis;

namespace ConcertBooking.Queue.Room;

/// <summary>
/// The waiting room: its calls are scripts of <see cref="WaitingRoomLua"/>. Visitors of a queue share them, so that a
/// crowd costs Redis and this instance few round trips; those who hold and pay are not among those who enter and look,
/// so that no crowd stands before them.
/// </summary>
internal sealed class WaitingRoom(RedisClient redis, Queues queues, Settings settings, RedisClock clock, AdmissionController admission, Metrics metrics, UsedPasses usedPasses)
{
    /// <summary>How long those who come after the one who has the seat, or is about to, are spared MySQL.</summary>
    private static readonly TimeSpan SeatLockLife = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// The seats' short locks while Redis is away: the users whose holds are under way in this process. A thousand who
    /// want one seat then cost MySQL one transaction at a time and not the whole pool.
    /// </summary>
    private readonly ConcurrentDictionary<RedisKey, long> _localLocks = new();

    /// <summary>
    /// What this instance knows of each queue's people. Who knew somebody in a queue that turns out to be empty knows
    /// that Redis lost its data, and a queue without a line has no place to hand on.
    /// </summary>
    private readonly ConcurrentDictionary<string, QueueCounts> _people = new(StringComparer.Ordinal);

    /// <summary>The latest moment of each queue's data that this instance was told: data that ends before it has lost something.</summary>
    private readonly ConcurrentDictionary<string, long> _clocks = new(StringComparer.Ordinal);

    /// <summary>Calls of one count that hit its limits: a million places are handed out, and then it is the next sweep's turn.</summary>
    private const int CallsOfACount = 2_000;

    /// <summary>Visitors of one script; with twenty it takes Redis half a millisecond, for which everybody else waits.</summary>
    private const int MaximumBatchSize = 20;

    /// <summary>A queue's batcher: those who enter and look, and those who hold, pay and leave, as the last payment does.</summary>
    private readonly ConcurrentDictionary<(string Queue, bool Buying), RequestBatcher<QueueCommand, QueueCommandResult>> _batchers = new();

    /// <param name="Seat">The seat to lock, of a <see cref="QueueOperation.Hold"/>.</param>
    private readonly record struct QueueCommand(QueueOperation Operation, long UserId, long Ticket, long IssuedAt, long AdmittedUntil, RedisKey? Seat);

    /// <param name="Status">A <see cref="PlaceStatus"/>, or of check and hold a <see cref="PassStatus"/>.</param>
    /// <param name="Place">Where the operation returns one.</param>
    private readonly record struct QueueCommandResult(int Status, Place Place);

    public bool HasLine(string queue) => _people.TryGetValue(queue, out var people) && people.Waiting > 0;

    /// <summary>Whether somebody is there, as far as this instance knows.</summary>
    public bool HasPeople(string queue) => _people.TryGetValue(queue, out var people) && people is not { Waiting: 0, Active: 0 };

    public async Task<Place> EnterAsync(string queue, long userId) =>
        (await SendAsync(queue, buying: false, new QueueCommand(QueueOperation.Enter, userId, 0, 0, 0, null))).Place;

    public async Task<Place> LookAsync(QueueToken token) => (await SendAsync(QueueOperation.Look, token)).Place;

    /// <summary>Gives the place up and hands it on.</summary>
    /// <returns>False when there was none any more.</returns>
    public async Task<bool> LeaveAsync(QueueToken token) => (await SendAsync(QueueOperation.Leave, token)).Place.Status is PlaceStatus.Active;

    /// <summary>The places of several waiting users of one queue, in one call; it counts as asking of each of them.</summary>
    public async Task<Place[]> WatchAsync(string queue, IReadOnlyList<QueueToken> tokens)
    {
        var reply = await EvalAsync(
            WaitingRoomLua.Watch, queues.OfToken(queue), [.. tokens.SelectMany(static token => new RedisValue[] { token.UserId, token.Ticket, token.IssuedAt })]);
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

    /// <summary>
    /// Whether the token's user is admitted. When Redis cannot say, the pass speaks for itself until its end.
    /// </summary>
    public Task<PassStatus> CheckAsync(QueueToken token) => CheckAsync(token, null);

    /// <summary>The same, and takes the seat's short lock; <see cref="UnlockAsync"/> gives it back.</summary>
    public Task<PassStatus> CheckAndLockAsync(QueueToken token, long scheduleId, int seatNo) => CheckAsync(token, SeatKey(token.Queue, scheduleId, seatNo));

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

    /// <summary>Frees the seat's short lock, unless the seat has an owner: then it is the owner's from now on, until it ends by itself.</summary>
    public async Task UnlockAsync(QueueToken token, long scheduleId, int seatNo, long? owner)
    {
        var seat = SeatKey(token.Queue, scheduleId, seatNo);
        _localLocks.TryRemove(new(seat, token.UserId));
        if (owner != token.UserId)
        {
            await EvalBestEffortAsync(WaitingRoomLua.Unlock, seat, [token.UserId, owner ?? RedisValue.EmptyString, (long)SeatLockLife.TotalMilliseconds]);
        }
    }

    /// <summary>Ends whatever lock a seat has, because nobody has the seat any more.</summary>
    public Task FreeAsync(string queue, long scheduleId, int seatNo) => EvalBestEffortAsync(WaitingRoomLua.Free, SeatKey(queue, scheduleId, seatNo), []);

    /// <summary>What is not worth a refusal when Redis is away.</summary>
    private async Task EvalBestEffortAsync(RedisScript script, RedisKey seat, RedisValue[] arguments)
    {
        try
        {
            await redis.EvalAsync(script, [seat], arguments);
        }
        catch (RedisUnavailableException)
        {
            // It ends by itself.
        }
    }

    /// <summary>Drops what is past, hands on what is free, adopts newer settings, and counts.</summary>
    public async Task<QueueCounts> CountAsync(QueueSettings queue)
    {
        RedisResult[] reply;
        var calls = 0;
        do
        {
            reply = await EvalAsync(WaitingRoomLua.Count, queue, []);
        }
        while ((int)reply[7] == 1 && ++calls < CallsOfACount);

        var counts = new QueueCounts((long)reply[2], (long)reply[3], (int)reply[4], (int)reply[5], (int)reply[6]);
        metrics.Queue(queue.Name, counts.Waiting, counts.Active);
        return _people[queue.Name] = counts;
    }

    /// <summary>Buyers have a pass; with the token of somebody who waits a call to hold or pay is most likely refused, and is among those who look.</summary>
    private Task<QueueCommandResult> SendAsync(QueueOperation operation, QueueToken token, RedisKey? seat = null) => SendAsync(
        token.Queue, buying: operation is not QueueOperation.Look && token.AdmittedUntil > 0, new QueueCommand(operation, token.UserId, token.Ticket, token.IssuedAt, token.AdmittedUntil, seat));

    private async Task<QueueCommandResult> SendAsync(string queue, bool buying, QueueCommand command)
    {
        using var span = Instrumentation.Source.StartActivity(RedisClient.SpanName, ActivityKind.Client);
        var batcher = _batchers.GetOrAdd(
            (queue, buying), static (key, room) => new(commands => room.SendBatchAsync(key.Queue, commands), MaximumBatchSize), this);
        try
        {
            var result = await batcher.EnqueueAsync(command);
            if (result.Place.Origin is not PlaceOrigin.Restored || command.Operation is QueueOperation.Leave
                || !await usedPasses.IsUsedUpAsync(command.UserId, queue, command.IssuedAt == 0 ? result.Place.Ticket : command.IssuedAt))
            {
                return result;
            }

            await batcher.EnqueueAsync(command with { Operation = QueueOperation.Leave, IssuedAt = result.Place.Now, AdmittedUntil = 0, Seat = null });
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
        var arguments = new List<RedisValue>(2 + (commands.Count * 5)) { settings.QueueMaxWaiting, (long)SeatLockLife.TotalMilliseconds };
        var seats = new List<RedisKey>();
        foreach (var command in commands)
        {
            arguments.AddRange(WaitingRoomLua.NameOf(command.Operation), command.UserId, command.Ticket, command.IssuedAt, command.AdmittedUntil);
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
                (PlaceStatus)status, (PlaceOrigin)(int)reply[at + 1], (long)reply[at + 2], (long)reply[at + 3], (long)reply[at + 4], pace, now + index);
            results[index] = new QueueCommandResult(status, place);
            if (commands[index].Operation is QueueOperation.Enter or QueueOperation.Look)
            {
                UpdateCounts(queue, place);
            }
        }

        return results;
    }

    private async Task<RedisResult[]> EvalAsync(
        RedisScript script, QueueSettings queue, IReadOnlyCollection<RedisValue> arguments, IReadOnlyCollection<RedisKey>? seats = null)
    {
        var reply = (RedisResult[])(await redis.EvalAsync(
            script,
            [.. Keys(queue.Name), .. seats ?? []],
            [
                queue.MaxActive, (long)queue.Active.TotalMilliseconds, queue.Version, queue.AdmitPerSecond,
                (long)settings.QueueIdle.TotalMilliseconds, (long)settings.QueueSettle.TotalMilliseconds,
                _clocks.GetValueOrDefault(queue.Name), admission.Share, queue.Name, queue.IsNew && !HasPeople(queue.Name) ? 1 : 0,
                .. arguments,
            ]))!;
        var now = (long)reply[0];
        clock.Update(now);
        _clocks.AddOrUpdate(queue.Name, static (_, now) => now, static (_, known, now) => Math.Max(known, now), now);
        foreach (var waited in (long[])reply[1]!)
        {
            metrics.Admitted(TimeSpan.FromMilliseconds(waited));
        }

        return reply;
    }

    /// <summary>Whoever has a place is somebody in that queue, until it is next counted.</summary>
    private void UpdateCounts(string queue, Place place)
    {
        if (place.Status is PlaceStatus.Waiting or PlaceStatus.Active && !HasLine(queue))
        {
            var people = _people.GetValueOrDefault(queue);
            _people[queue] = place.Status is PlaceStatus.Waiting ? people with { Waiting = 1 } : people with { Active = Math.Max(1, people.Active) };
        }
    }

    private static RedisKey[] Keys(string queue) =>
        [$"{{q:{queue}}}:waiting", $"{{q:{queue}}}:active", $"{{q:{queue}}}:seen", $"{{q:{queue}}}:gone", $"{{q:{queue}}}:meta",
            $"{{q:{queue}}}:doubted", $"{{q:{queue}}}:shown"];

    private static RedisKey SeatKey(string queue, long scheduleId, int seatNo) => $"{{q:{queue}}}:seat:{scheduleId}:{seatNo}";
}
