using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using MySqlConnector;

namespace ConcertBooking.Http.Idempotency;

/// <summary>One use of an <c>Idempotency-Key</c>: by which user, for which call, with which body.</summary>
internal sealed record IdempotentCall(long UserId, string Call, string Key, byte[] BodyHash)
{
    private const int MaximumKeyLength = 255;

    /// <summary>The attempts of this request: more than one when the service had to repeat its transaction.</summary>
    private readonly List<Guid> _attempts = [];

    /// <summary>Reads the header.</summary>
    /// <param name="body">What the request means rather than its bytes, so that spacing does not matter.</param>
    public static bool TryRead(
        HttpContext context, long userId, string call, string body,
        [NotNullWhen(true)] out IdempotentCall? read, [NotNullWhen(false)] out Problem? problem)
    {
        (read, problem) = (null, null);
        var header = context.Request.Headers[IdempotencyHeaders.Key];
        if (header.Count == 0 || string.IsNullOrEmpty(header[0]))
        {
            problem = Problems.IdempotencyKeyMissing;
            return false;
        }

        var key = header[0]!;
        if (header.Count > 1 || key.Length > MaximumKeyLength || key.Any(static c => c is < ' ' or > '~'))
        {
            problem = Problem.Invalid(
                IdempotencyHeaders.Key, $"Must be one value of 1 to {MaximumKeyLength} printable ASCII characters.");
            return false;
        }

        read = new IdempotentCall(userId, call, key, SHA256.HashData(Encoding.UTF8.GetBytes(body)));
        return true;
    }

    /// <returns>The id of an attempt to make the call, which is also the id of its effect.</returns>
    public Guid NewAttempt()
    {
        var attemptId = Guid.CreateVersion7();
        _attempts.Add(attemptId);
        return attemptId;
    }

    /// <summary>Adds <see cref="IdempotencySql.Parameters"/> to a command.</summary>
    /// <returns>The id of this attempt.</returns>
    public Guid AddTo(MySqlCommand command)
    {
        var attemptId = NewAttempt();
        command.Parameters.AddWithValue("@user", UserId);
        command.Parameters.AddWithValue("@call", Call);
        command.Parameters.AddWithValue("@key", Key);
        command.Parameters.AddWithValue("@hash", BodyHash);
        command.Parameters.AddWithValue("@attempt", attemptId);
        return attemptId;
    }

    /// <summary>Whether the attempt is one of this request's, even if it was committed and only its answer was lost.</summary>
    public bool Made(Guid attemptId) => _attempts.Contains(attemptId);
}
