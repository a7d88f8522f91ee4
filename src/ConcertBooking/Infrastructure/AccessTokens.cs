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

    private readonly JsonWebTokenHandler _handler = new() { MapInboundClaims = false };
    private readonly TokenValidationParameters _parameters;

    public AccessTokens(Settings settings)
    {
        _parameters = new TokenValidationParameters
        {
            RequireExpirationTime = true,
            RequireSignedTokens = true,
            ClockSkew = TimeSpan.FromSeconds(30),
            ValidateIssuer = settings.AuthIssuer is not null || settings.AuthAuthority is not null,
            ValidIssuer = settings.AuthIssuer,
            ValidateAudience = settings.AuthAudience is not null,
            ValidAudience = settings.AuthAudience,
        };
        if (settings.AuthAuthority is { } authority)
        {
            _parameters.ConfigurationManager = new ConfigurationManager<OpenIdConnectConfiguration>(
                $"{authority.TrimEnd('/')}/.well-known/openid-configuration",
                new OpenIdConnectConfigurationRetriever(),
                new HttpDocumentRetriever { RequireHttps = !settings.Development });
        }
        else
        {
            // With a shared secret only its own algorithm.
            _parameters.IssuerSigningKey = new SymmetricSecurityKey(settings.AuthSigningKey);
            _parameters.ValidAlgorithms = [SecurityAlgorithms.HmacSha256];
        }
    }

    /// <summary>The user that the request's token names, or null when there is no valid one.</summary>
    public async ValueTask<User?> Read(HttpContext context)
    {
        var header = context.Request.Headers.Authorization;
        if (header.Count != 1 || !header[0]!.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        var result = await _handler.ValidateTokenAsync(header[0]![Scheme.Length..].Trim(), _parameters);
        return result is { IsValid: true, SecurityToken: JsonWebToken token }
            && long.TryParse(token.Subject, NumberStyles.None, CultureInfo.InvariantCulture, out var userId) && userId > 0
            ? new User(userId, token.Claims.Any(static claim => claim is { Type: "role", Value: "admin" }))
            : null;
    }
}

/// <summary>Who is calling, by the access token.</summary>
internal sealed record User(long Id, bool IsAdmin);
