using System.Globalization;
using System.Security.Claims;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Authorization;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace ConcertBooking.Infrastructure;

/// <summary>Access tokens: HS256 with our key, or whatever the configured authority publishes.</summary>
internal static class Auth
{
    public const string AdminPolicy = "admin";

    public static IServiceCollection AddAuth(this IServiceCollection services, Settings settings)
    {
        services.AddAuthentication(JwtBearerDefaults.AuthenticationScheme).AddJwtBearer(options =>
        {
            options.MapInboundClaims = false;
            options.RequireHttpsMetadata = !settings.Development;
            options.Authority = settings.AuthAuthority;
            options.TokenValidationParameters = new TokenValidationParameters
            {
                RequireExpirationTime = true,
                RequireSignedTokens = true,
                ClockSkew = TimeSpan.FromSeconds(30),
                NameClaimType = JwtRegisteredClaimNames.Sub,
                RoleClaimType = "role",
                ValidateIssuer = settings.AuthIssuer is not null || settings.AuthAuthority is not null,
                ValidIssuer = settings.AuthIssuer,
                ValidateAudience = settings.AuthAudience is not null,
                ValidAudience = settings.AuthAudience,
                ValidateIssuerSigningKey = true,
                IssuerSigningKey = settings.AuthAuthority is null ? new SymmetricSecurityKey(settings.AuthSigningKey) : null,
                // With a shared secret only its own algorithm; an authority's keys are asymmetric.
                ValidAlgorithms = settings.AuthAuthority is null ? [SecurityAlgorithms.HmacSha256] : null,
            };
            options.Events = new JwtBearerEvents
            {
                OnTokenValidated = static context =>
                {
                    if (!TryUserId(context.Principal!, out _))
                    {
                        context.Fail("sub is not a positive integer");
                    }

                    return Task.CompletedTask;
                },
            };
        });
        services.AddAuthorizationBuilder()
            .SetDefaultPolicy(new AuthorizationPolicyBuilder().RequireAuthenticatedUser().Build())
            .AddPolicy(AdminPolicy, policy => policy.RequireAuthenticatedUser().RequireRole("admin"));
        return services;
    }

    /// <summary>The caller of a route that requires an access token.</summary>
    public static long UserId(this ClaimsPrincipal principal) =>
        TryUserId(principal, out var userId) ? userId : throw new InvalidOperationException("The route does not require an access token.");

    private static bool TryUserId(ClaimsPrincipal principal, out long userId) =>
        long.TryParse(principal.FindFirstValue(JwtRegisteredClaimNames.Sub), NumberStyles.None, CultureInfo.InvariantCulture, out userId) && userId > 0;
}
