using System.Collections.Concurrent;
using Microsoft.IdentityModel.Tokens;

namespace ConcertBooking.Http.Auth;

/// <summary>
/// Logs why access tokens are refused: clients only get 401, and an operator who connects an issuer needs the reason. Each
/// reason once a minute, and nothing of the token, which may be valid elsewhere.
/// </summary>
internal sealed partial class TokenRefusals(TimeProvider time, ILogger<TokenRefusals> logger)
{
    private readonly ConcurrentDictionary<string, ReasonThrottle> _throttles = new(StringComparer.Ordinal);

    private sealed class ReasonThrottle(TimeProvider time)
    {
        private readonly LogThrottle _throttle = new(time);
        private long _suppressed;

        /// <returns>How many were suppressed since the last one that was logged; null when this one is suppressed too.</returns>
        public long? TryLog()
        {
            lock (_throttle)
            {
                if (!_throttle.IsDue())
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

    /// <param name="reason">One of a few fixed texts, since each is kept.</param>
    public void Report(string reason)
    {
        if (_throttles.GetOrAdd(reason, static (_, clock) => new ReasonThrottle(clock), time).TryLog() is { } suppressed)
        {
            LogRefused(reason, suppressed);
        }
    }

    /// <summary>Describes a failed validation in our own words: the library's message may quote the token.</summary>
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
