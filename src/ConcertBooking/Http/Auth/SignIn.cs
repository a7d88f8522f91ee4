using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.HttpResults;

namespace ConcertBooking.Http.Auth;

public sealed record SignInRequest([property: Range(1, long.MaxValue)] long UserId, bool Admin = false);

public sealed record SignInResponse(string AccessToken);

/// <summary>Development only: issues an access token for any user. Elsewhere the path does not exist.</summary>
internal static class SignIn
{
    private static readonly TimeSpan Lifetime = TimeSpan.FromHours(12);

    public static void Map(IEndpointRouteBuilder routes)
    {
        var settings = routes.ServiceProvider.GetRequiredService<Settings>();
        if (settings.Development && settings.Auth.Authority is null)
        {
            routes.MapPost("/dev/sign-in", Handle)
                .WithName("SignIn").WithTags("Development").WithSummary("Get an access token (Development only)")
            .WithDescription("Anybody may sign in as any user. Outside Development access tokens come from the issuer.")
            .WithRequestExample(static () => new SignInRequest(7))
            .WithExample(static () => new SignInResponse("eyJhbGciOi…"))
                .Produces<SignInResponse>()
                .WithBodyProblems();
        }
    }

    private static Ok<SignInResponse> Handle(SignInRequest request, Settings settings, TimeProvider time)
    {
        var role = request.Admin ? settings.Auth.AdminRole : null;
        return TypedResults.Ok(new SignInResponse(
            AccessTokenSigner.Sign(settings.Auth, request.UserId, role, time.GetUtcNow(), Lifetime)));
    }
}

[JsonSerializable(typeof(SignInRequest))]
[JsonSerializable(typeof(SignInResponse))]
internal sealed partial class SignInJson : JsonSerializerContext;
