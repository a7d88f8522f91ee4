using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace ConcertBooking.Http.Auth;

/// <summary>Signs access tokens with our own key, as this service's <see cref="AccessTokens"/> reads them.</summary>
internal static class AccessTokenSigner
{
    private static readonly string Header = Base64Url.EncodeToString("""{"alg":"HS256","typ":"JWT"}"""u8);

    /// <param name="settings">With a signing key.</param>
    /// <param name="userId">Becomes <c>sub</c>.</param>
    /// <param name="role">As the issuer would call it; null for none.</param>
    /// <param name="now">The token's beginning.</param>
    /// <param name="life">Until <c>exp</c>.</param>
    public static string Sign(AuthSettings settings, long userId, string? role, DateTimeOffset now, TimeSpan life)
    {
        var claims = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(claims))
        {
            json.WriteStartObject();
            json.WriteString("sub", userId.ToString(CultureInfo.InvariantCulture));
            WriteOptional(json, settings.RoleClaim, role);
            WriteOptional(json, "iss", settings.Issuer);
            WriteOptional(json, "aud", settings.Audience);
            json.WriteNumber("iat", now.ToUnixTimeSeconds());
            json.WriteNumber("nbf", now.ToUnixTimeSeconds());
            json.WriteNumber("exp", (now + life).ToUnixTimeSeconds());
            json.WriteEndObject();
        }

        var signed = $"{Header}.{Base64Url.EncodeToString(claims.WrittenSpan)}";
        return $"{signed}.{Base64Url.EncodeToString(HMACSHA256.HashData(settings.SigningKey, Encoding.ASCII.GetBytes(signed)))}";
    }

    private static void WriteOptional(Utf8JsonWriter json, string name, string? value)
    {
        if (value is not null)
        {
            json.WriteString(name, value);
        }
    }
}
