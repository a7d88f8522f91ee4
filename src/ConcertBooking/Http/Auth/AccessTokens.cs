using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace ConcertBooking.Http.Auth;

/// <summary>
/// Reads the JWT of the <c>Authorization</c> header: HS256 with our own key, or signed by one of the keys that the
/// configured authority publishes.
/// </summary>
internal sealed class AccessTokens
{
    private const string Scheme = "Bearer ";

    private static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(30);

    /// <summary>As much as nginx takes of one header by default. A long token costs more than all else that a look does.</summary>
    private const int MaximumLength = 8 * 1024;

    private readonly JsonWebTokenHandler _handler = new() { MapInboundClaims = false };
    private readonly TokenValidationParameters _parameters;

    private readonly VerifiedTokens _verified;

    /// <summary>Not in the issuer's mode: it may withdraw a key at any time.</summary>
    private readonly bool _verifiedIsEnough;

    /// <summary>Null where the key is our own.</summary>
    private readonly IssuerKeys? _issuer;

    /// <summary>Null where users have only the ids that tokens name.</summary>
    private readonly UserIdentities? _identities;
    private readonly AccessRoles _roles;
    private readonly TokenRefusals _refusals;

    public AccessTokens(
        Settings settings, TimeProvider time, TokenRefusals refusals, IssuerKeys? issuer = null, UserIdentities? identities = null)
    {
        (_issuer, _identities, _refusals, _roles) = (issuer, identities, refusals, new AccessRoles(settings.Auth));
        _verified = new VerifiedTokens(time, ClockSkew);
        _verifiedIsEnough = issuer is null;
        _parameters = new TokenValidationParameters
        {
            RequireExpirationTime = true,
            RequireSignedTokens = true,
            ClockSkew = ClockSkew,
            ValidateIssuer = settings.Auth.Issuer is not null || issuer is not null,
            ValidIssuer = settings.Auth.Issuer,
            ValidateAudience = settings.Auth.Audience is not null,
            ValidAudience = settings.Auth.Audience,
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
            _parameters.IssuerSigningKeys = [.. new[] { settings.Auth.SigningKey, settings.Auth.PreviousSigningKey }
                .OfType<byte[]>().Select(static key => new SymmetricSecurityKey(key))];
            _parameters.ValidAlgorithms = [SecurityAlgorithms.HmacSha256];
        }
    }

    /// <summary>Whether the request's token was verified lately, which says whom to serve first and nothing more.</summary>
    public bool WasVerified(HttpContext context) => Text(context) is { IsEmpty: false } text && _verified.Find(text) is not null;

    /// <summary>
    /// The token without the whitespace around it: otherwise one user could fill the cache with many forms of one token.
    /// </summary>
    /// <returns>Empty when there is none. No copy: a crowd of long ones would be a crowd of copies.</returns>
    private static ReadOnlySpan<char> Text(HttpContext context)
    {
        var headers = context.Request.Headers.Authorization;
        return headers.Count == 1 && headers[0] is { } header && header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            ? header.AsSpan(Scheme.Length).Trim()
            : default;
    }

    /// <summary>The user that the request's token names, or the problem: there is no valid one, or nobody can say yet.</summary>
    /// <exception cref="DatabaseUnavailableException">The issuer's subject has not been seen here, and MySQL does not answer.</exception>
    public async ValueTask<(User? User, Problem? Problem)> ReadAsync(HttpContext context)
    {
        var sent = Text(context);
        if (sent.IsEmpty)
        {
            return (null, Problems.Unauthorized);
        }

        if (sent.Length > MaximumLength)
        {
            return Refuse($"it is longer than {MaximumLength} characters");
        }

        if (_verifiedIsEnough && _verified.Find(sent) is { } known)
        {
            return (known, null);
        }

        var text = sent.ToString();
        if (!_handler.CanReadToken(text))
        {
            return Refuse("it is no signed JWT");
        }

        if (await ValidateAsync(text, context.RequestAborted) is not { } result)
        {
            return (null, Problems.IssuerUnavailable);
        }

        if (result is not { IsValid: true, SecurityToken: JsonWebToken token })
        {
            return Refuse(TokenRefusals.ReasonOf(result.Exception));
        }

        if (HasCriticalExtensions(token))
        {
            return Refuse("its header has crit, and no extension is understood");
        }

        if (!IsSubject(token.Subject, out var userId))
        {
            return Refuse(_identities is null
                ? "its sub is no positive integer (with Auth__Authority any subject would do)"
                : $"its sub is missing or longer than {UserIdentities.MaximumSubjectLength} characters");
        }

        var user = _roles.UserOf(_identities is null ? userId : await _identities.IdOfAsync(token.Issuer, token.Subject), token);
        _verified.Add(text, user, token.ValidTo);
        return (user, null);
    }

    private (User? User, Problem? Problem) Refuse(string reason)
    {
        _refusals.Report(reason);
        return (null, Problems.Unauthorized);
    }

    /// <summary>Whether a user can be made of it; an issuer's may be anything, and its id is not known yet.</summary>
    private bool IsSubject([NotNullWhen(true)] string? subject, out long userId)
    {
        userId = 0;
        return _identities is not null
            ? subject is { Length: <= UserIdentities.MaximumSubjectLength } && !string.IsNullOrWhiteSpace(subject)
            : long.TryParse(subject, NumberStyles.None, CultureInfo.InvariantCulture, out userId) && userId > 0;
    }

    /// <summary>Null when the keys that it would need cannot be had: whether the token is valid, nobody can say.</summary>
    private async ValueTask<TokenValidationResult?> ValidateAsync(string text, CancellationToken cancellationToken)
    {
        if (_issuer is null)
        {
            return await _handler.ValidateTokenAsync(text, _parameters);
        }

        if (await _issuer.GetAsync(cancellationToken) is not { } keys)
        {
            return null;
        }

        var result = await _handler.ValidateTokenAsync(text, With(keys));
        if (result.Exception is not SecurityTokenInvalidSignatureException)
        {
            return result;
        }

        // Perhaps by a key that is new.
        var newer = await _issuer.GetNewerAsync(keys, cancellationToken);
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
