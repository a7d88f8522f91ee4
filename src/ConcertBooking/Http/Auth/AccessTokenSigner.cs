using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace ConcertBooking.Http.Auth;

/// <summary>Issues access tokens (JWT, HS256) signed with our own key, for <see cref="AccessTokens"/>.</summary>
internal static class AccessTokenSigner
{
    private static readonly string Header = Base64Url.EncodeToString("""{"alg":"HS256","typ":"JWT"}"""u8);

    /// <param name="settings">With a signing key.</param>
    /// <param name="userId">Becomes <c>sub</c>.</param>
    /// <param name="role">The value of the role claim; null for none.</param>
    /// <param name="now">Becomes <c>iat</c> and <c>nbf</c>.</param>
    /// <param name="lifetime">From <paramref name="now"/> to <c>exp</c>.</param>
    public static string Sign(AuthSettings settings, long userId, string? role, DateTimeOffset now, TimeSpan lifetime)
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
            json.WriteNumber("exp", (now + lifetime).ToUnixTimeSeconds());
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
