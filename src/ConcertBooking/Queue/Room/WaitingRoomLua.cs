using ConcertBooking.Queue.Tokens;

namespace ConcertBooking.Queue.Room;

/// <summary>A command of a batch.</summary>
internal enum QueueOperation
{
    Enter,
    Look,
    Leave,

    /// <summary>Whether the user is admitted.</summary>
    Check,

    /// <summary>The same, and the short lock of a seat.</summary>
    Hold,
}

/// <summary>
/// The Lua scripts of the waiting room. All keys of a queue share a hash tag; keys and channel have this installation's
/// prefix before them.
/// <code>
/// {q:main}:waiting  zset  user → ticket number (µs since 1970, rising)
/// {q:main}:active   zset  user → end of admission (ms); ended admissions are removed by the next call
/// {q:main}:seen     zset  waiting user → last poll (ms), on a clock that stops while no client can poll
/// {q:main}:gone     zset  user → when the place ended (µs); revokes tokens issued before, and outlives them
/// {q:main}:doubted  zset  the active users before a loss of data, until their tokens had time to be presented
/// {q:main}:shown    zset  active user restored by a token → when the token was issued (µs)
/// {q:main}:meta     hash  settings (maxActive, activeMs, rate, version), last ticket, creation of this data, pace;
///                          admitted: how many were admitted since then;
///                          clock: newest time of this data (µs); skew: how far it is ahead of TIME (µs);
///                          deaf: how long no client could poll (ms); run: the Redis server that wrote last;
///                          loss: from and to when issued tokens are missing in this data (µs), when the loss was noticed
///                          (ms, on the clock of seen), and the end of the data that remained (µs);
///                          settle: until when (ms) no user is admitted, because passes are still being presented;
///                          credit: tokens of the rate limit's bucket; share: throttling by overloaded instances;
///                          grace: how many were active when the limit was lowered; longest: the longest lifetime of
///                          tokens from older settings, and until when they live
/// {q:main}:seat:S:N string user who has the seat or is holding it; for half a second
/// </code>
/// </summary>
internal static class WaitingRoomLua
{
    /// <summary>Pub/sub channel of admissions: the queue's name and the admitted users, separated by spaces.</summary>
    public const string AdmittedChannel = "concert-booking:admitted";

    private static readonly string[] Names = [.. Enum.GetNames<QueueOperation>().Select(static name => name.ToLowerInvariant())];

    /// <summary>The operation's name in the script.</summary>
    public static string NameOf(QueueOperation operation) => Names[(int)operation];

    /// <summary>The constants that the scripts return, from their C# enums.</summary>
    private static readonly string Constants = $"""
        local GONE, WAITING = {(int)PlaceStatus.Gone}, {(int)PlaceStatus.Waiting}
        local ACTIVE, FULL = {(int)PlaceStatus.Active}, {(int)PlaceStatus.Full}
        local NOT_ACTIVE, SEAT_BUSY = {(int)PassStatus.NotActive}, {(int)PassStatus.SeatBusy}
        local KNOWN, NEW, RESTORED = {(int)PlaceOrigin.Known}, {(int)PlaceOrigin.New}, {(int)PlaceOrigin.Restored}

        """;

    /// <summary>A user's status, end of admission (ms) and position.</summary>
    private const string PlaceOf = """
        local function placeOf(user)
          local ends = endOf(user)
          if ends then return ACTIVE, ends, 0 end
          local rank = redis.call('ZRANK', waiting, user)
          if rank then return WAITING, 0, rank + 1 end
          return GONE, 0, 0
        end

        """;

    /// <summary>What the scripts that take tokens begin with.</summary>
    private static readonly string TokenPrelude = Constants + WaitingRoomPrelude.Text + WaitingRoomTokens.Recognise + PlaceOf;

    /// <summary>
    /// Runs up to twenty commands in order, each as if it were called alone, a microsecond after the one before. ARGV: how many
    /// may wait, the lifetime of a seat's lock in ms; then for each command: operation, user, ticket, time of issue, end of
    /// admission. Returns {now, waiting times in ms of users admitted by this call, pace in millionths}, then for each command:
    /// status, a <see cref="PlaceOrigin"/>, ticket, end, position.
    /// <list type="bullet">
    /// <item>enter: a user has one place however often it enters; a new one joins the end of the queue.</item>
    /// <item>look, leave: of a token's place. Status 0 if it has ended, or had ended before it was left.</item>
    /// <item>check: whether the user is admitted.</item>
    /// <item>hold: the same, and the short lock of the next seat of KEYS. The lock only refuses other users cheaply: it expires
    /// soon, never waits, and is reentrant for its user, because MySQL decides. Status 3: another user has it.</item>
    /// </list>
    /// </summary>
    public static readonly RedisScript RunCommands = new(TokenPrelude + """
        local maxWaiting, lockMs, seats = tonumber(ARGV[11]), ARGV[12], 7

        local function place(user, origin, ticket)
          local status, ends, position = placeOf(user)
          if status == WAITING then ticket = tonumber(redis.call('ZSCORE', waiting, user)) end
          return status, origin, ticket, ends, position
        end
        -- A user restored without a token gets the end of the remaining data as ticket: payments since then may use it up.
        local function enter(user)
          local origin, ticket = KNOWN, 0
          local admitted = endOf(user)
          if not admitted and now < settle and restoreDoubted(user, 0, dataEnd) then
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
          answers[at + 1], answers[at + 2], answers[at + 3], answers[at + 4], answers[at + 5] =
            operations[operation](user, had, ticket)
          nowUs = nowUs + 1
        end
        answers[3] = math.floor(currentPace() * 1000000)
        return answers
        """);

    /// <summary>
    /// The places of several users, which counts as a poll by each. ARGV: user, ticket and time of issue of each. Returns, after
    /// the same three values as <see cref="RunCommands"/>, status, end and position of each.
    /// </summary>
    public static readonly RedisScript Watch = new(TokenPrelude + """
        local recognised = {}
        for i = 11, #ARGV, 3 do recognised[i] = recognise(ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), 0) end
        admit('')
        local answers = {nowUs, waits, math.floor(currentPace() * 1000000)}
        for i = 11, #ARGV, 3 do
          local status, ends, position = GONE, 0, 0
          if recognised[i] then status, ends, position = placeOf(ARGV[i]) end
          local at = #answers
          answers[at + 1], answers[at + 2], answers[at + 3] = status, ends, position
        end
        return answers
        """);

    /// <summary>
    /// Returns now and waiting times as above, how many wait and are active, the settings, 1 if a limit was reached (then the next
    /// call continues), the pace in millionths, and how many were ever admitted.
    /// </summary>
    public static readonly RedisScript Count = new(WaitingRoomPrelude.Text + """
        local keepMs = math.max(idleMs, activeMs, now < longestUntil and longest or 0)
        local old = redis.call('ZRANGEBYSCORE', gone, '-inf', nowUs - 1000 * keepMs, 'LIMIT', 0, limit)
        if #old > 0 then redis.call('ZREMRANGEBYRANK', gone, 0, #old - 1) end
        if #old == limit then more = 1 end
        admit('')
        local quiet = #silent == limit and redis.call('ZCOUNT', seen, '-inf', heard - idleMs) or 0
        local waitingCount = math.max(0, redis.call('ZCARD', waiting) - quiet)
        local admitted = tonumber(redis.call('HGET', meta, 'admitted') or 0)
        return {nowUs, waits, waitingCount, countActive(), maxActive, activeMs / 1000, rate, more,
          math.floor(currentPace() * 1000000), admitted}
        """);

    /// <summary>Releases a user's lock, or passes it to the seat's owner. ARGV: user, owner or empty, lifetime in ms.</summary>
    public static readonly RedisScript Unlock = new("""
        if redis.call('GET', KEYS[1]) ~= ARGV[1] then return end
        if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
        """);

    public static readonly RedisScript Free = new("redis.call('DEL', KEYS[1])");
}
