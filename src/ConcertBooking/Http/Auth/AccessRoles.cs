using System.Text.Json;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace ConcertBooking.Http.Auth;

/// <summary>Reads roles where the issuer puts them: <c>Auth__RoleClaim</c> is a claim, a text or a list, or the path to one.</summary>
internal sealed class AccessRoles(AuthSettings settings)
{
    private readonly string[] _path = settings.RoleClaim.Split('.');

    /// <summary>The user of a verified token.</summary>
    public User UserOf(long userId, JsonWebToken token)
    {
        using var claims = JsonDocument.Parse(Base64UrlEncoder.DecodeBytes(token.EncodedPayload));
        var roles = Find(claims.RootElement);
        return new User(userId, IsAdmin: Names(roles, settings.AdminRole), IsCashier: Names(roles, settings.CashierRole));
    }

    /// <summary>A claim of that very name comes first: some issuers put an address before theirs, which has dots.</summary>
    private JsonElement Find(JsonElement claims)
    {
        if (claims.TryGetProperty(settings.RoleClaim, out var claim))
        {
            return claim;
        }

        claim = claims;
        foreach (var part in _path)
        {
            if (claim.ValueKind is not JsonValueKind.Object || !claim.TryGetProperty(part, out claim))
            {
                return default;
            }
        }

        return claim;
    }

    private static bool Names(JsonElement roles, string role) => roles.ValueKind switch
    {
        JsonValueKind.String => roles.ValueEquals(role),
        JsonValueKind.Array => roles.EnumerateArray().Any(one => one.ValueKind is JsonValueKind.String && one.ValueEquals(role)),
        _ => false,
    };
}
