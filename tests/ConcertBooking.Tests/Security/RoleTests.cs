using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Security;

/// <summary>Where issuers put roles and what they call them, and what is logged of tokens that are refused.</summary>
public sealed class RoleTests : SharedRigTests
{
    [Test]
    [Arguments("realm_access.roles", """{"realm_access":{"roles":["offline","booking-admin"]}}""", "booking-admin", true)]
    [Arguments("realm_access.roles", """{"realm_access":{"roles":"booking-admin"}}""", "booking-admin", true)]
    [Arguments("realm_access.roles", """{"realm_access":{"roles":["admin"]}}""", "booking-admin", false)]
    [Arguments("realm_access.roles", """{"realm_access":["booking-admin"],"role":"booking-admin"}""", "booking-admin", false)]
    [Arguments("realm_access.roles", """{"realm_access":{"roles":{"booking-admin":true}}}""", "booking-admin", false)]
    [Arguments("roles", """{"roles":["user","admin"]}""", null, true)]
    [Arguments("roles", """{"roles":[1,null,{"x":"admin"}],"role":"admin"}""", null, false)]
    [Arguments("https://shop.example/roles", """{"https://shop.example/roles":["admin"]}""", null, true)]
    [Arguments(null, """{"role":["admin","user"]}""", null, true)]
    [Arguments(null, """{"role":"administrator"}""", null, false)]
    public async Task AdminRole_WhereTheIssuerPutsIt_OpensTheDoor(string? claim, string claims, string? role, bool opens)
    {
        using var key = IssuerKey.Rsa("r1");
        await using var issuer = new Issuer(key);
        await using var service = await issuer.StartServiceAsync(Rig, ("Auth__RoleClaim", claim), ("Auth__AdminRole", role));

        var reply = await service.Api.GetAsync("/v1/admin/queues/main", Bearer(key.Sign(issuer.Claims(more: $",{claims[1..^1]}"))));

        if (opens)
        {
            reply.Expect(200);
        }
        else
        {
            reply.ExpectProblem(403, "forbidden");
        }
    }

    [Test]
    public async Task CashierRole_Named_ChargesOthers()
    {
        using var key = IssuerKey.Rsa("r1");
        await using var issuer = new Issuer(key);
        await using var service = await issuer.StartServiceAsync(Rig, ("Auth__CashierRole", "till"), ("Points__SelfCharge", "false"));
        Visitor Caller(string role) =>
            new(service.Api, 0, key.Sign(issuer.Claims(subject: $"{Guid.NewGuid()}", more: $",\"role\":\"{role}\"")));

        (await Caller("till").ChargeForAsync(UserIds.Next(), 5)).Expect(201);
        (await Caller("cashier").ChargeForAsync(UserIds.Next(), 5)).ExpectProblem(403, "forbidden");
    }

    /// <summary>Tokens that the service signs itself follow the same settings.</summary>
    [Test]
    public async Task SignIn_WithTheRoleElsewhere_MakesAnAdmin()
    {
        await using var service = await Rig.StartAsync(new Dictionary<string, string?>
        {
            ["ASPNETCORE_ENVIRONMENT"] = "Development",
            ["Auth__RoleClaim"] = "realm_access.roles",
            ["Auth__AdminRole"] = "boss",
        });

        var token = (await service.Api.SendAsync(HttpMethod.Post, "/dev/sign-in", """{"userId":7,"admin":true}"""))
            .Expect(200).Value("accessToken");

        (await service.Api.GetAsync("/v1/admin/queues/main", Bearer(token))).Expect(200);
    }

    /// <summary>Once a minute for each reason, however many ask, and nothing of the token.</summary>
    [Test]
    public async Task Token_Refused_LogsTheReasonAndNotTheToken()
    {
        await using var service = await Rig.StartAsync(new Dictionary<string, string?> { ["Auth__Audience"] = "booking" });
        var (subject, expiry) = (Guid.NewGuid(), AccessTokens.InSeconds(60));
        (string Claims, string Reason)[] refused =
        [
            ($$"""{"sub":"{{subject}}","aud":"booking","exp":{{expiry}}}""", "its sub is no positive integer"),
            ($$"""{"sub":"7","aud":"elsewhere","exp":{{expiry}}}""", "its aud is not Auth__Audience"),
            ($$"""{"sub":"7","aud":"booking","exp":{{AccessTokens.InSeconds(-90)}}}""", "it has expired"),
            ("""{"sub":"7","aud":"booking"}""", "it has no exp"),
        ];
        var tokens = refused.Select(one => AccessTokens.Sign(Rig.SigningKey, AccessTokens.Hs256, one.Claims))
            .Append(AccessTokens.Sign(Rig.NewKey(), AccessTokens.Hs256, refused[0].Claims)).ToArray();

        foreach (var token in tokens.Concat(tokens).Concat(tokens))
        {
            (await service.Api.GetAsync("/v1/points", Bearer(token))).ExpectProblem(401, "unauthorized");
        }

        (await service.Api.GetAsync("/v1/points")).ExpectProblem(401, "unauthorized");

        foreach (var reason in refused.Select(static one => one.Reason).Append("it is not signed with a key that counts here"))
        {
            await Eventually.TrueAsync(() => Lines(reason).Length == 1, what: reason);
        }

        await Assert.That(Lines("Refused an access token")).Count().IsEqualTo(5);
        foreach (var part in tokens.SelectMany(static token => token.Split('.')[1..]).Append($"{subject}"))
        {
            await Assert.That(Lines(part)).IsEmpty();
        }

        string[] Lines(string text) => [.. service.Process.Output.Where(line => line.Contains(text, StringComparison.Ordinal))];
    }

    private static (string, string) Bearer(string token) => ("Authorization", $"Bearer {token}");
}
