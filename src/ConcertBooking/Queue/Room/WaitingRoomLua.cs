using ConcertBooking.Queue.Tokens;

namespace ConcertBooking.Queue.Room;

/// <summary>What a caller wants of the waiting room.</summary>
internal enum QueueOperation
{
    Enter,
    Look,
    Leave,

    /// <summary>Is the caller admitted?</summary>
    Check,

    /// <summary>The same, and the short lock of a seat.</summary>
    Hold,
}

/// <summary>
/// The waiting room's scripts: one call for all who ask at the same moment, all keys of a queue under one hash tag, and
/// each, like the channel, with the prefix of this installation before it.
/// <code>
/// {q:main}:waiting  zset  user → ticket number (µs since 1970, rising)
/// {q:main}:active   zset  user → end of admission (ms); whatever is past is dropped by the next call that looks
/// {q:main}:seen     zset  waiting user → last asked (ms), on a clock that stands still while nobody can ask
/// {q:main}:gone     zset  user → when the place was given up (µs); tokens issued before are void, and none outlives its mark
/// {q:main}:doubted  zset  what was active before a part of the data was lost, until its tokens had time to be shown
/// {q:main}:shown    zset  active user whose place came back by a token → when that was issued (µs)
/// {q:main}:meta     hash  settings (maxActive, activeMs, rate, version), last ticket, birth of this data, pace;
///                          clock: this data's newest moment (µs); skew: how far it is ahead of TIME (µs);
///                          deaf: how long nobody could ask (ms); run: the server that wrote last;
///                          loss: from when to when what was issued is not in this data (µs), when that was (ms, as seen), and
///                          where the data that was left ended (µs);
///                          settle: until when (ms) nobody is admitted, because passes are still coming back;
///                          credit: admissions that the rate allows; share: how far instances in trouble throttle;
///                          grace: how many were active when the limit was lowered; longest: how long tokens live that
///                          older settings gave, and until when
/// {q:main}:seat:S:N string user who has the seat, or is about to; for half a second
/// </code>
/// </summary>
internal static class WaitingRoomLua
{
    /// <summary>The channel on which each admission from a line is told: the queue's name and the users, by spaces.</summary>
    public const string AdmittedChannel = "concert-booking:admitted";

    private static readonly string[] Names = [.. Enum.GetNames<QueueOperation>().Select(static name => name.ToLowerInvariant())];

    /// <summary>The script's name of the operation.</summary>
    public static string NameOf(QueueOperation operation) => Names[(int)operation];

    /// <summary>The scripts' names of what they return.</summary>
    private static readonly string Vocabulary = $"""
        local GONE, WAITING, ACTIVE, FULL = {(int)PlaceStatus.Gone}, {(int)PlaceStatus.Waiting}, {(int)PlaceStatus.Active}, {(int)PlaceStatus.Full}
        local NOT_ACTIVE, SEAT_BUSY = {(int)PassStatus.NotActive}, {(int)PassStatus.SeatBusy}
        local KNOWN, NEW, RESTORED = {(int)PlaceOrigin.Known}, {(int)PlaceOrigin.New}, {(int)PlaceOrigin.Restored}

        """;

    private static readonly string Recognising = Vocabulary + WaitingRoomPrelude.Text + WaitingRoomTokens.Recognise;

    /// <summary>
    /// Runs the commands of several callers in order, each as if it had called alone, a microsecond after the one before. ARGV:
    /// the most that may wait, the life of a seat's lock in ms; then of each: operation, user, ticket, time of issue, end of
    /// admission; at most twenty. Returns {now, waits of those admitted by this call in ms, pace in millionths}, then of each:
    /// status, 1 if new or 2 if back after a loss (as <c>recognise</c> has it), ticket, end, position.
    /// <list type="bullet">
    /// <item>enter: a user has one place however often it enters; a new one goes to the end of the line.</item>
    /// <item>look, leave: a place's own. It is gone, or was before it was left, with status 0.</item>
    /// <item>check: whether the user is admitted.</item>
    /// <item>hold: the same, and the short lock of the next seat of KEYS. It only answers losers cheaply: it lives for a
    /// moment, never waits, and lets its own user through, because MySQL decides. Status 3: somebody else has it.</item>
    /// </list>
    /// </summary>
    public static readonly RedisScript RunCommands = new(Recognising + """
        local maxWaiting, lockMs, seats = tonumber(ARGV[11]), ARGV[12], 7

        local function place(user, origin, ticket)
          local ends = endOf(user)
          if ends then return ACTIVE, origin, ticket, ends, 0 end
          local score = redis.call('ZSCORE', waiting, user)
          return WAITING, origin, tonumber(score), 0, redis.call('ZRANK', waiting, user) + 1
        end
        -- Who is back after a loss gets the data's end for a ticket: no token says since when a payment may have been made.
        local function enter(user)
          local origin, ticket = KNOWN, 0
          local admitted = endOf(user)
          if not admitted and now < settle and undoubt(user, 0, dataEnd) then
            origin, ticket = RESTORED, dataEnd
          elseif not admitted then
            local score = redis.call('ZSCORE', waiting, user)
            if score then
              ticket = tonumber(score)
            else
              if redis.call('ZCARD', waiting) >= maxWaiting then
                admit('')
                return FULL, KNOWN, 0, 0, 0
              end
              origin, ticket = NEW, math.max(last + 1, nowUs)
              last = ticket
              redis.call('HSET', meta, 'last', ticket)
              redis.call('ZADD', waiting, ticket, user)
            end
            redis.call('ZADD', seen, heard, user)
          end
          admit(origin == NEW and user or '')
          return place(user, origin, ticket)
        end
        local function look(user, had, ticket)
          admit('')
          if had then return place(user, had, ticket) end
          return GONE, KNOWN, 0, 0, 0
        end
        local function leave(user, had)
          if had then forget(user) end
          admit('')
          return had and ACTIVE or GONE, KNOWN, 0, 0, 0
        end
        local function check(user, had)
          if not had then return GONE, KNOWN, 0, 0, 0 end
          if not endOf(user) then
            admit('')
            if not endOf(user) then return NOT_ACTIVE, KNOWN, 0, 0, 0 end
          end
          return ACTIVE, had, 0, 0, 0
        end
        local function hold(user, had)
          seats = seats + 1
          local status, origin = check(user, had)
          local seat = KEYS[seats]
          if status == ACTIVE and not redis.call('SET', seat, user, 'NX', 'PX', lockMs) and redis.call('GET', seat) ~= user then
            status = SEAT_BUSY
          end
          return status, origin, 0, 0, 0
        end

        local operations = {enter = enter, look = look, leave = leave, check = check, hold = hold}
        local answers = {nowUs, waits, 0}
        for i = 13, #ARGV, 5 do
          local operation, user, ticket = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
          local had = operation ~= 'enter' and recognise(user, ticket, tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]))
          local at = #answers
          answers[at + 1], answers[at + 2], answers[at + 3], answers[at + 4], answers[at + 5] = operations[operation](user, had, ticket)
          nowUs = nowUs + 1
        end
        answers[3] = math.floor(currentPace() * 1000000)
        return answers
        """);

    /// <summary>The places of many, who thereby have asked. ARGV: user, ticket and time of issue of each; status, end and position of each are told.</summary>
    public static readonly RedisScript Watch = new(Recognising + """
        local still = {}
        for i = 11, #ARGV, 3 do still[i] = recognise(ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), 0) end
        admit('')
        local answers = {nowUs, waits, math.floor(currentPace() * 1000000)}
        for i = 11, #ARGV, 3 do
          local ends = still[i] and endOf(ARGV[i])
          local rank = still[i] and not ends and redis.call('ZRANK', waiting, ARGV[i])
          local at = #answers
          answers[at + 1] = ends and ACTIVE or rank and WAITING or GONE
          answers[at + 2] = tonumber(ends or 0)
          answers[at + 3] = rank and rank + 1 or 0
        end
        return answers
        """);

    /// <summary>Told: as above, then who waits and is active, the settings, and 1 if a limit was hit: then the next call goes on.</summary>
    public static readonly RedisScript Count = new(WaitingRoomPrelude.Text + """
        local keepMs = math.max(idleMs, activeMs, now < longestUntil and longest or 0)
        local old = redis.call('ZRANGEBYSCORE', gone, '-inf', nowUs - 1000 * keepMs, 'LIMIT', 0, limit)
        if #old > 0 then redis.call('ZREMRANGEBYRANK', gone, 0, #old - 1) end
        if #old == limit then more = 1 end
        admit('')
        local quiet = #silent == limit and redis.call('ZCOUNT', seen, '-inf', heard - idleMs) or 0
        return {nowUs, waits, math.max(0, redis.call('ZCARD', waiting) - quiet), countActive(), maxActive, activeMs / 1000, rate, more}
        """);

    /// <summary>Ends a user's lock, or leaves what is to come of it to the seat's owner. ARGV: user, owner or nothing, life in ms.</summary>
    public static readonly RedisScript Unlock = new("""
        if redis.call('GET', KEYS[1]) ~= ARGV[1] then return end
        if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
        """);

    public static readonly RedisScript Free = new("redis.call('DEL', KEYS[1])");
}
