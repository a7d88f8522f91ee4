using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace ConcertBooking.Http.Auth;

/// <summary>
/// Validates the JWT of the <c>Authorization</c> header: HS256 with our own key, or signed by one of the keys that the
/// configured authority publishes.
/// </summary>
internal sealed class AccessTokens
{
    private const string Scheme = "Bearer ";

    private static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(30);

    /// <summary>The default limit of nginx for one header. Validating a long token would cost more than the rest of a request.</summary>
    private const int MaximumLength = 8 * 1024;

    private readonly JsonWebTokenHandler _handler = new() { MapInboundClaims = false };
    private readonly TokenValidationParameters _parameters;

    private readonly VerifiedTokens _verified;

    /// <summary>Not with an issuer, which may withdraw a key at any time.</summary>
    private readonly bool _usesCache;

    /// <summary>Null where the key is our own.</summary>
    private readonly IssuerKeys? _issuer;

    /// <summary>Null where user ids come from the tokens themselves.</summary>
    private readonly UserIdentities? _identities;
    private readonly AccessRoles _roles;
    private readonly TokenRefusals _refusals;

    public AccessTokens(
        Settings settings, TimeProvider time, TokenRefusals refusals, IssuerKeys? issuer = null, UserIdentities? identities = null)
    {
        (_issuer, _identities, _refusals, _roles) = (issuer, identities, refusals, new AccessRoles(settings.Auth));
        _verified = new VerifiedTokens(time, ClockSkew);
        _usesCache = issuer is null;
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
            // The keys are public: only asymmetric signatures.
            _parameters.ValidAlgorithms =
            [
                SecurityAlgorithms.RsaSha256, SecurityAlgorithms.RsaSha384, SecurityAlgorithms.RsaSha512,
                SecurityAlgorithms.RsaSsaPssSha256, SecurityAlgorithms.RsaSsaPssSha384, SecurityAlgorithms.RsaSsaPssSha512,
                SecurityAlgorithms.EcdsaSha256, SecurityAlgorithms.EcdsaSha384, SecurityAlgorithms.EcdsaSha512,
            ];
        }
        else
        {
            // A shared secret: only its own algorithm. The key before the last rotation still verifies.
            _parameters.IssuerSigningKeys = [.. new[] { settings.Auth.SigningKey, settings.Auth.PreviousSigningKey }
                .OfType<byte[]>().Select(static key => new SymmetricSecurityKey(key))];
            _parameters.ValidAlgorithms = [SecurityAlgorithms.HmacSha256];
        }
    }

    /// <summary>Whether the request's token was verified recently; for prioritization only.</summary>
    public bool WasVerified(HttpContext context) => BearerToken(context) is { IsEmpty: false } text && _verified.Find(text) is not null;

    /// <summary>
    /// The token without the whitespace around it: otherwise one user could fill the cache with many forms of one token.
    /// </summary>
    /// <returns>Empty when there is none. Not copied: many long tokens would be as many copies.</returns>
    private static ReadOnlySpan<char> BearerToken(HttpContext context)
    {
        var headers = context.Request.Headers.Authorization;
        return headers.Count == 1 && headers[0] is { } header && header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            ? header.AsSpan(Scheme.Length).Trim()
            : default;
    }

    /// <summary>The user of the request's token, or the problem: it is invalid, or cannot be validated now.</summary>
    /// <exception cref="DatabaseUnavailableException">The subject's id is not cached, and MySQL cannot be reached.</exception>
    public async ValueTask<(User? User, Problem? Problem)> ReadAsync(HttpContext context)
    {
        var sent = BearerToken(context);
        if (sent.IsEmpty)
        {
            return (null, Problems.Unauthorized);
        }

        if (sent.Length > MaximumLength)
        {
            return Refuse($"it is longer than {MaximumLength} characters");
        }

        if (_usesCache && _verified.Find(sent) is { } known)
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

        var user = _roles.CreateUser(_identities is null ? userId : await _identities.IdOfAsync(token.Issuer, token.Subject), token);
        _verified.Add(text, user, token.ValidTo);
        return (user, null);
    }

    private (User? User, Problem? Problem) Refuse(string reason)
    {
        _refusals.Report(reason);
        return (null, Problems.Unauthorized);
    }

    /// <summary>Whether the subject is valid; an issuer's may be any string, whose user id is not known yet.</summary>
    private bool IsSubject([NotNullWhen(true)] string? subject, out long userId)
    {
        userId = 0;
        return _identities is not null
            ? subject is { Length: <= UserIdentities.MaximumSubjectLength } && !string.IsNullOrWhiteSpace(subject)
            : long.TryParse(subject, NumberStyles.None, CultureInfo.InvariantCulture, out userId) && userId > 0;
    }

    /// <returns>Null when the keys are unavailable, so that the token cannot be validated.</returns>
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

        var result = await _handler.ValidateTokenAsync(text, ParametersFor(keys));
        if (result.Exception is not SecurityTokenInvalidSignatureException)
        {
            return result;
        }

        // Perhaps signed with a new key.
        var newer = await _issuer.GetNewerAsync(keys, cancellationToken);
        return newer is null ? null
            : newer == keys ? result
            : await _handler.ValidateTokenAsync(text, ParametersFor(newer));
    }

    private TokenValidationParameters ParametersFor(PublishedKeys keys)
    {
        var parameters = _parameters.Clone();
        parameters.IssuerSigningKeys = keys.Keys;
        parameters.ValidIssuers = [keys.Issuer];
        return parameters;
    }

    /// <summary>
    /// <c>crit</c> names header members that a recipient must understand (RFC 7515, 4.1.11), for instance one that binds the
    /// token to a sender. None is supported here, and the library does not check.
    /// </summary>
    private static bool HasCriticalExtensions(JsonWebToken token)
    {
        using var header = JsonDocument.Parse(Base64UrlEncoder.DecodeBytes(token.EncodedHeader));
        return header.RootElement.TryGetProperty("crit", out _);
    }
}

/// <summary>The authenticated user of a request.</summary>
internal sealed record User(long Id, bool IsAdmin, bool IsCashier);
