using System.Globalization;
using System.Text.Json;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace ConcertBooking.Infrastructure;

/// <summary>
/// Reads the JWT of the <c>Authorization</c> header: HS256 with our own key, or signed by one of the keys that the
/// configured authority publishes.
/// </summary>
internal sealed class AccessTokens
{
    private const string Scheme = "Bearer ";

    private static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(30);

    private readonly JsonWebTokenHandler _handler = new() { MapInboundClaims = false };
    private readonly TokenValidationParameters _parameters;

    private readonly VerifiedTokens _verified;

    /// <summary>Not in the issuer's mode: it may withdraw a key at any time.</summary>
    private readonly bool _verifiedIsEnough;

    /// <summary>Null where the key is our own.</summary>
    private readonly IssuerKeys? _issuer;

    public AccessTokens(Settings settings, TimeProvider time, IssuerKeys? issuer = null)
    {
        _issuer = issuer;
        _verified = new VerifiedTokens(time, ClockSkew);
        _verifiedIsEnough = issuer is null;
        _parameters = new TokenValidationParameters
        {
            RequireExpirationTime = true,
            RequireSignedTokens = true,
            ClockSkew = ClockSkew,
            ValidateIssuer = settings.AuthIssuer is not null || issuer is not null,
            ValidIssuer = settings.AuthIssuer,
            ValidateAudience = settings.AuthAudience is not null,
            ValidAudience = settings.AuthAudience,
        };
        if (issuer is not null)
        {
            // A published key is no shared secret: only signatures that need its private half.
            _parameters.ValidAlgorithms =
            [
                SecurityAlgorithms.RsaSha256, SecurityAlgorithms.RsaSha384, SecurityAlgorithms.RsaSha512,
                SecurityAlgorithms.RsaSsaPssSha256, SecurityAlgorithms.RsaSsaPssSha384, SecurityAlgorithms.RsaSsaPssSha512,
                SecurityAlgorithms.EcdsaSha256, SecurityAlgorithms.EcdsaSha384, SecurityAlgorithms.EcdsaSha512,
            ];
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

    /// <summary>The user that the request's token names, or the problem: there is no valid one, or nobody can say yet.</summary>
    public async ValueTask<(User? User, Problem? Problem)> Read(HttpContext context)
    {
        if (Text(context) is not { } text)
        {
            return (null, Problems.Unauthorized);
        }

        if (_verifiedIsEnough && _verified.Find(text) is { } known)
        {
            return (known, null);
        }

        if (!_handler.CanReadToken(text))
        {
            return (null, Problems.Unauthorized);
        }

        if (await Validate(text, context.RequestAborted) is not { } result)
        {
            return (null, Problems.IssuerUnavailable);
        }

        if (result is not { IsValid: true, SecurityToken: JsonWebToken token } || HasCriticalExtensions(token)
            || !long.TryParse(token.Subject, NumberStyles.None, CultureInfo.InvariantCulture, out var userId) || userId <= 0)
        {
            return (null, Problems.Unauthorized);
        }

        var user = new User(
            userId,
            IsAdmin: token.Claims.Any(static claim => claim is { Type: "role", Value: "admin" }),
            IsCashier: token.Claims.Any(static claim => claim is { Type: "role", Value: "cashier" }));
        _verified.Add(text, user, token.ValidTo);
        return (user, null);
    }

    /// <summary>Null when the keys that it would need cannot be had: whether the token is valid, nobody can say.</summary>
    private async ValueTask<TokenValidationResult?> Validate(string text, CancellationToken cancellationToken)
    {
        if (_issuer is null)
        {
            return await _handler.ValidateTokenAsync(text, _parameters);
        }

        if (await _issuer.Get(cancellationToken) is not { } keys)
        {
            return null;
        }

        var result = await _handler.ValidateTokenAsync(text, With(keys));
        if (result.Exception is not SecurityTokenInvalidSignatureException)
        {
            return result;
        }

        // Perhaps by a key that is new.
        var newer = await _issuer.GetNewer(keys, cancellationToken);
        return newer is null ? null
            : newer == keys ? result
            : await _handler.ValidateTokenAsync(text, With(newer));
    }

    private TokenValidationParameters With(PublishedKeys keys)
    {
        var parameters = _parameters.Clone();
        parameters.IssuerSigningKeys = keys.Keys;
        parameters.ValidIssuers = [keys.Issuer];
        return parameters;
    }

    /// <summary>
    /// <c>crit</c> names header members without which the token must not be taken (RFC 7515, 4.1.11), for instance one
    /// that binds it to a sender. None is understood here, and the library does not look.
    /// </summary>
    private static bool HasCriticalExtensions(JsonWebToken token)
    {
        using var header = JsonDocument.Parse(Base64UrlEncoder.DecodeBytes(token.EncodedHeader));
        return header.RootElement.TryGetProperty("crit", out _);
    }
}

/// <summary>Who is calling, by the access token.</summary>
internal sealed record User(long Id, bool IsAdmin, bool IsCashier);
