using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace ConcertBooking.Infrastructure;

public sealed record SignInRequest([property: Range(1, long.MaxValue)] long UserId, bool Admin = false);

public sealed record SignInResponse(string AccessToken);

/// <summary>Development only: an access token for whoever asks. Elsewhere the path does not exist.</summary>
internal static class SignIn
{
    private static readonly TimeSpan Life = TimeSpan.FromHours(12);

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/dev/sign-in", Handle)
            .WithName("SignIn").WithTags("Development").WithSummary("Get an access token (Development only)")
            .Produces<SignInResponse>()
            .WithBodyProblems();

    private static Ok<SignInResponse> Handle(SignInRequest request, Settings settings, TimeProvider time)
    {
        var now = time.GetUtcNow().UtcDateTime;
        var claims = new Dictionary<string, object> { [JwtRegisteredClaimNames.Sub] = request.UserId.ToString(CultureInfo.InvariantCulture) };
        if (request.Admin)
        {
            claims["role"] = "admin";
        }

        var token = new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
        {
            Claims = claims,
            Issuer = settings.AuthIssuer,
            Audience = settings.AuthAudience,
            IssuedAt = now,
            NotBefore = now,
            Expires = now + Life,
            SigningCredentials = new SigningCredentials(new SymmetricSecurityKey(settings.AuthSigningKey), SecurityAlgorithms.HmacSha256),
        });
        return TypedResults.Ok(new SignInResponse(token));
    }
}

[JsonSerializable(typeof(SignInRequest))]
[JsonSerializable(typeof(SignInResponse))]
internal sealed partial class SignInJson : JsonSerializerContext;
