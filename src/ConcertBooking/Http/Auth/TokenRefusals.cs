using System.Collections.Concurrent;
using Microsoft.IdentityModel.Tokens;

namespace ConcertBooking.Http.Auth;

/// <summary>
/// Logs why access tokens are refused: clients only hear 401, and an operator who connects an issuer has to know. Each reason
/// once a minute, and nothing of the token, which may be good elsewhere.
/// </summary>
internal sealed partial class TokenRefusals(TimeProvider time, ILogger<TokenRefusals> logger)
{
    private readonly ConcurrentDictionary<string, Reminder> _reminders = new(StringComparer.Ordinal);

    private sealed class Reminder(TimeProvider time)
    {
        private readonly LogThrottle _reminder = new(time);
        private long _suppressed;

        /// <returns>How many were not logged since the last that was; null when it is too soon for another.</returns>
        public long? Count()
        {
            lock (_reminder)
            {
                if (!_reminder.IsDue())
                {
                    _suppressed++;
                    return null;
                }

                var suppressed = _suppressed;
                _suppressed = 0;
                return suppressed;
            }
        }
    }

    /// <param name="reason">One of a few: it is remembered.</param>
    public void Report(string reason)
    {
        if (_reminders.GetOrAdd(reason, static (_, clock) => new Reminder(clock), time).Count() is { } suppressed)
        {
            LogRefused(reason, suppressed);
        }
    }

    /// <summary>What a failed validation means, in words of our own: the library's may quote the token.</summary>
    public static string ReasonOf(Exception? failure) => failure switch
    {
        SecurityTokenExpiredException => "it has expired (exp)",
        SecurityTokenNotYetValidException => "it is not valid yet (nbf)",
        SecurityTokenNoExpirationException => "it has no exp",
        SecurityTokenInvalidLifetimeException => "its nbf is after its exp",
        SecurityTokenInvalidAudienceException => "its aud is not Auth__Audience",
        SecurityTokenInvalidIssuerException => "its iss is neither Auth__Issuer nor the name that Auth__Authority publishes",
        SecurityTokenInvalidAlgorithmException => "its alg is not allowed here",
        SecurityTokenInvalidSignatureException => "it is not signed with a key that counts here, or in a way that does not",
        _ => "it cannot be read",
    };

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Refused an access token: {Reason} ({Suppressed} more for that reason since it was last logged)")]
    private partial void LogRefused(string reason, long suppressed);
}
