using System.Collections.Concurrent;
using System.Net.Sockets;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Chaos;

/// <summary>What a caller knows of a call: it happened, it did not, or nobody can tell (cut, timed out, 5xx).</summary>
internal enum Outcome
{
    Ok,
    Refused,
    Unknown,
}

/// <summary>One sending of a call that changes something.</summary>
/// <param name="Call">hold, pay, release or charge.</param>
/// <param name="UserId">Who.</param>
/// <param name="Subject">
/// What: <c>schedule/seat</c> or <c>schedule/seat+seat</c> of a hold, the booking of a payment or release, the amount of a charge.
/// </param>
/// <param name="Key">The idempotency key of a payment or charge.</param>
/// <param name="Outcome">What the caller knows.</param>
/// <param name="Reply">The answer, if one came.</param>
internal sealed record Attempt(string Call, long UserId, string Subject, string? Key, Outcome Outcome, Reply? Reply);

/// <summary>Every call that changes something, with its outcome, in the order of the answers.</summary>
internal sealed class Journal
{
    /// <summary>Longer than the service may ever take.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    /// <summary>The refusals that are documented for these calls when the caller does nothing wrong.</summary>
    private static readonly Dictionary<string, string[]> Refusals = new()
    {
        ["hold"] =
        [
            "403 queue_token_not_active", "409 seat_taken", "409 hold_limit_reached", "409 purchase_limit_reached",
            "410 queue_token_expired",
        ],
        ["pay"] =
        [
            "403 queue_token_not_active", "409 already_paid", "409 idempotency_key_in_use", "410 hold_expired", "410 queue_token_expired",
        ],
        ["release"] = ["409 already_paid", "410 hold_expired"],
        ["charge"] = ["409 idempotency_key_in_use"],
    };

    private readonly ConcurrentQueue<Attempt> _attempts = new();
    private readonly ConcurrentQueue<string> _surprises = new();

    public IReadOnlyCollection<Attempt> Attempts => _attempts;

    /// <summary>Answers that no fault excuses, such as a 500 or a 503 without Retry-After.</summary>
    public IReadOnlyCollection<string> Surprises => _surprises;

    public async Task<Attempt> TryAsync(string call, long userId, string subject, string? key, Func<Task<Reply>> send)
    {
        Reply? reply = null;
        try
        {
            reply = await send().WaitAsync(Patience);
        }
        catch (TimeoutException)
        {
            _surprises.Enqueue($"No answer to {call} {subject} of user {userId} in {Patience.TotalSeconds:0} s.");
        }
        catch (Exception exception)
            when (exception is HttpRequestException or IOException or SocketException or OperationCanceledException)
        {
            // Cut: that is what Unknown is for. HttpClient lets a SocketException through when the peer is gone at once.
        }

        var attempt = new Attempt(call, userId, subject, key, OutcomeOf(reply), reply);
        if (reply is not null && !IsExpected(call, reply))
        {
            _surprises.Enqueue($"Not a documented answer to {call} {subject} of user {userId}:\n{reply}");
        }

        _attempts.Enqueue(attempt);
        return attempt;
    }

    public int Count(string call, Outcome outcome) => _attempts.Count(attempt => attempt.Call == call && attempt.Outcome == outcome);

    /// <summary>How often each call ended how.</summary>
    public string Tally() => string.Join(", ", _attempts
        .GroupBy(attempt => $"{attempt.Call} {attempt.Outcome}")
        .OrderBy(group => group.Key, StringComparer.Ordinal)
        .Select(group => $"{group.Count()} × {group.Key}"));

    private static Outcome OutcomeOf(Reply? reply) => reply?.Status switch
    {
        >= 200 and < 300 => Outcome.Ok,
        >= 400 and < 500 => Outcome.Refused,
        _ => Outcome.Unknown,
    };

    private static bool IsExpected(string call, Reply reply) => reply.Status switch
    {
        200 or 201 or 204 => true,
        503 => reply.Code == "database_unavailable" && reply.Header("Retry-After") is not null,
        _ => Refusals[call].Contains($"{reply.Status} {reply.Code}"),
    };
}
