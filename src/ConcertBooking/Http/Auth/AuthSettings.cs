namespace ConcertBooking.Http.Auth;

/// <summary>The settings of authentication: the issuer or key of access tokens, and role names; part of <see cref="Settings"/>.</summary>
internal sealed class AuthSettings
{
    /// <summary>Empty with an authority, which publishes its own keys.</summary>
    public required byte[] SigningKey { get; init; }

    /// <summary>The key before the last rotation, used only for verification; null: there is none.</summary>
    public required byte[]? PreviousSigningKey { get; init; }

    public required string? Authority { get; init; }
    public required string? Issuer { get; init; }
    public required string? Audience { get; init; }

    /// <summary>The claim that names roles, or the path to it: <c>realm_access.roles</c>.</summary>
    public required string RoleClaim { get; init; }
    public required string AdminRole { get; init; }
    public required string CashierRole { get; init; }

    /// <exception cref="SettingException">The first setting that is missing or malformed.</exception>
    public static AuthSettings Load(Settings.Reader read, bool development)
    {
        var authority = read.OptionalUri("Auth:Authority");
        if (authority is not null && !development && !authority.StartsWith("https:", StringComparison.OrdinalIgnoreCase))
        {
            throw new SettingException("Auth__Authority", "must be an https address: keys fetched without TLS could be anybody's");
        }

        var audience = read.Optional("Auth:Audience");
        if (authority is not null && audience is null)
        {
            throw new SettingException(
                "Auth__Audience", "is missing; with Auth__Authority it says which of the issuer's tokens are for this service");
        }

        return new AuthSettings
        {
            SigningKey = authority is null ? read.Key("Auth:SigningKey", development) : [],
            PreviousSigningKey = read.OptionalKey("Auth:PreviousSigningKey"),
            Authority = authority,
            Issuer = read.Optional("Auth:Issuer"),
            Audience = audience,
            RoleClaim = read.Text("Auth:RoleClaim", "role"),
            AdminRole = read.Text("Auth:AdminRole", "admin"),
            CashierRole = read.Text("Auth:CashierRole", "cashier"),
        };
    }
}
