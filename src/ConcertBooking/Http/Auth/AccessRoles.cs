using System.Text.Json;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace ConcertBooking.Http.Auth;

/// <summary>Reads the roles of an access token: <c>Auth__RoleClaim</c> names a claim (a string or an array) or the path to one.</summary>
internal sealed class AccessRoles(AuthSettings settings)
{
    private readonly string[] _path = settings.RoleClaim.Split('.');

    /// <summary>The user of a verified token.</summary>
    public User CreateUser(long userId, JsonWebToken token)
    {
        using var claims = JsonDocument.Parse(Base64UrlEncoder.DecodeBytes(token.EncodedPayload));
        var roles = Find(claims.RootElement);
        return new User(userId, IsAdmin: HasRole(roles, settings.AdminRole), IsCashier: HasRole(roles, settings.CashierRole));
    }

    /// <summary>A claim of exactly that name comes first: some issuers prefix theirs with a URL, which has dots.</summary>
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

    private static bool HasRole(JsonElement roles, string role) => roles.ValueKind switch
    {
        JsonValueKind.String => roles.ValueEquals(role),
        JsonValueKind.Array => roles.EnumerateArray().Any(one => one.ValueKind is JsonValueKind.String && one.ValueEquals(role)),
        _ => false,
    };
}
