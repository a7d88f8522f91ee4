using System.Globalization;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;

namespace ConcertBooking.Infrastructure;

/// <summary>
/// Reads the JWT of the <c>Authorization</c> header: HS256 with our own key, or signed by one of the keys that the
/// configured authority publishes, which are fetched again when an unknown one appears.
/// </summary>
internal sealed class AccessTokens
{
    private const string Scheme = "Bearer ";

    private static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(30);

    /// <summary>How soon after an unknown key the issuer is asked again: strangers' tokens must not become a flood there.</summary>
    private static readonly TimeSpan KeysAskedAgain = TimeSpan.FromSeconds(5);

    /// <summary>How long a key that the issuer has withdrawn may go on opening doors.</summary>
    private static readonly TimeSpan KeysKept = TimeSpan.FromMinutes(5);

    private readonly JsonWebTokenHandler _handler = new() { MapInboundClaims = false };
    private readonly TokenValidationParameters _parameters;

    private readonly VerifiedTokens _verified;

    /// <summary>Not in the issuer's mode: it may withdraw a key at any time.</summary>
    private readonly bool _verifiedIsEnough;

    public AccessTokens(Settings settings, TimeProvider time)
    {
        _verified = new VerifiedTokens(time, ClockSkew);
        _verifiedIsEnough = settings.AuthAuthority is null;
        _parameters = new TokenValidationParameters
        {
            RequireExpirationTime = true,
            RequireSignedTokens = true,
            ClockSkew = ClockSkew,
            ValidateIssuer = settings.AuthIssuer is not null || settings.AuthAuthority is not null,
            ValidIssuer = settings.AuthIssuer,
            ValidateAudience = settings.AuthAudience is not null,
            ValidAudience = settings.AuthAudience,
        };
        if (settings.AuthAuthority is { } authority)
        {
            // A published key is no shared secret: only signatures that need its private half.
            _parameters.ValidAlgorithms =
            [
                SecurityAlgorithms.RsaSha256, SecurityAlgorithms.RsaSha384, SecurityAlgorithms.RsaSha512,
                SecurityAlgorithms.RsaSsaPssSha256, SecurityAlgorithms.RsaSsaPssSha384, SecurityAlgorithms.RsaSsaPssSha512,
                SecurityAlgorithms.EcdsaSha256, SecurityAlgorithms.EcdsaSha384, SecurityAlgorithms.EcdsaSha512,
            ];
            _parameters.ConfigurationManager = new ConfigurationManager<OpenIdConnectConfiguration>(
                $"{authority.TrimEnd('/')}/.well-known/openid-configuration",
                new OpenIdConnectConfigurationRetriever(),
                new HttpDocumentRetriever(new HttpClient { Timeout = TimeSpan.FromSeconds(5) }) { RequireHttps = !settings.Development })
            {
                RefreshInterval = KeysAskedAgain,
                AutomaticRefreshInterval = KeysKept,

                // The last known good keys would let a withdrawn one in for another hour.
                UseLastKnownGoodConfiguration = false,
            };
        }
        else
        {
            // With a shared secret only its own algorithm. The key before the last rotation still reads.
            _parameters.IssuerSigningKeys = [.. new[] { settings.AuthSigningKey, settings.Security.AuthPreviousSigningKey }
                .OfType<byte[]>().Select(static key => new SymmetricSecurityKey(key))];
            _parameters.ValidAlgorithms = [SecurityAlgorithms.HmacSha256];
        }
    }

    /// <summary>Whether the request's token was verified lately, which says whom to serve first and nothing more.</summary>
    public bool WasVerified(HttpContext context) => Text(context) is { } text && _verified.Find(text) is not null;

    /// <summary>The token as it was signed: without what was put around it, or one user could fill the memory with as many forms of one.</summary>
    private static string? Text(HttpContext context)
    {
        var headers = context.Request.Headers.Authorization;
        return headers.Count == 1 && headers[0] is { } header && header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            ? header[Scheme.Length..].Trim()
            : null;
    }

    /// <summary>The user that the request's token names, or null when there is no valid one.</summary>
    public async ValueTask<User?> Read(HttpContext context)
    {
        if (Text(context) is not { } text)
        {
            return null;
        }

        if (_verifiedIsEnough && _verified.Find(text) is { } known)
        {
            return known;
        }

        var result = await _handler.ValidateTokenAsync(text, _parameters);
        if (result is not { IsValid: true, SecurityToken: JsonWebToken token }
            || !long.TryParse(token.Subject, NumberStyles.None, CultureInfo.InvariantCulture, out var userId) || userId <= 0)
        {
            return null;
        }

        var user = new User(userId, token.Claims.Any(static claim => claim is { Type: "role", Value: "admin" }));
        _verified.Add(text, user, token.ValidTo);
        return user;
    }
}

/// <summary>Who is calling, by the access token.</summary>
internal sealed record User(long Id, bool IsAdmin);
