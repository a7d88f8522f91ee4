using System.Text.Json;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Hosting;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Commands;

/// <summary><c>concert-booking token</c>: the way to the first admin.</summary>
public sealed class TokenTests : SharedRigTests
{
    [Test]
    public async Task Token_OfEachRole_AllowsItsCallsAndNoOther()
    {
        var userId = $"{UserIds.Next()}";
        var (admin, cashier, user) = (await SignAsync("--user", userId, "--role", "admin", "--minutes", "5"),
            await SignAsync("--role", "cashier", "--user", userId), await SignAsync("--user", userId));

        (await admin.GetAsync("/v1/admin/queues/main")).Expect(200);
        (await cashier.GetAsync("/v1/admin/queues/main")).ExpectProblem(403, "forbidden");
        (await user.GetAsync("/v1/admin/queues/main")).ExpectProblem(403, "forbidden");
        var other = Rig.NewVisitor();
        (await cashier.ChargeForAsync(other.UserId, 5)).Expect(201);
        (await admin.ChargeForAsync(other.UserId, 5)).ExpectProblem(403, "forbidden");
        (await user.ChargeAsync(7)).Expect(201);
        await Assert.That(await admin.BalanceAsync()).IsEqualTo(7);
    }

    [Test]
    [Arguments("5", 300)]
    [Arguments(null, 1800)]
    public async Task Token_ItsLife_IsTheMinutes(string? minutes, long seconds)
    {
        var claims = Claims(await SignAsync(minutes is null ? ["--user", "7"] : ["--user", "7", "--minutes", minutes]));

        await Assert.That(claims.Number("exp") - claims.Number("iat")).IsEqualTo(seconds);
        await Assert.That(Math.Abs(claims.Number("iat") - AccessTokens.InSeconds(0))).IsLessThan(30);
        await Assert.That(claims.Value("sub")).IsEqualTo("7");
    }

    /// <summary>What the service would check, and where it would look for the role.</summary>
    [Test]
    public async Task Token_WhereIssuerAudienceAndRoleAreSet_FollowsThem()
    {
        Dictionary<string, string?> settings = new()
        {
            ["Auth__Issuer"] = "the-issuer",
            ["Auth__Audience"] = "the-booking",
            ["Auth__RoleClaim"] = "realm_access.roles",
            ["Auth__AdminRole"] = "boss",
        };
        await using var service = await Rig.StartAsync(settings);
        var result = await Rig.RunAsync(["token", "--user", "7", "--role", "admin"], settings);

        var reply = await service.Api.GetAsync("/v1/admin/queues/main", ("Authorization", $"Bearer {result.Output.Trim()}"));

        reply.Expect(200);
    }

    [Test]
    [Arguments("--user", "0")]
    [Arguments("--user", "ada")]
    [Arguments("--user")]
    [Arguments("--role", "admin")]
    [Arguments("--user", "7", "--role", "cook")]
    [Arguments("--user", "7", "--minutes", "0")]
    [Arguments("--user", "7", "--minutes", "43201")]
    [Arguments("--user", "7", "--colour", "blue")]
    public async Task Token_WrongArguments_IsRefused(params string[] arguments) =>
        await ProgramTests.ExpectOneLineAsync(await Rig.RunAsync(["token", .. arguments]), "--user");

    [Test]
    [Arguments("Auth__SigningKey", null)]
    [Arguments("Auth__SigningKey", "too short")]
    [Arguments("Auth__Authority", "https://issuer.example")]
    public async Task Token_NoKeyToSignWith_StopsNamingTheSetting(string name, string? value) =>
        await ProgramTests.ExpectOneLineAsync(
            await Rig.RunAsync(["token", "--user", "7"], new Dictionary<string, string?> { [name] = value }), name);

    /// <summary>The issuer has keys of its own.</summary>
    [Test]
    public async Task Serve_BesideAnAuthority_NeedsNoSigningKey()
    {
        await using var service = await Rig.StartAsync(new Dictionary<string, string?>
        {
            ["Auth__Authority"] = $"https://127.0.0.1:{Ports.Take()}",
            ["Auth__Audience"] = "booking",
            ["Auth__SigningKey"] = null,
        });

        (await service.Api.GetAsync("/v1/points", ("Authorization", $"Bearer {AccessTokens.For(Rig.SigningKey, 7)}")))
            .ExpectProblem(503, "issuer_unavailable");
    }

    private async Task<Visitor> SignAsync(params string[] arguments)
    {
        var result = await Rig.RunAsync(["token", .. arguments]);
        await Assert.That(result.ExitCode).IsEqualTo(0).Because(result.Error);
        await Assert.That(result.Output.Trim()).Matches(@"^[\w-]+\.[\w-]+\.[\w-]+$");
        return new Visitor(Rig.A.Api, 0, result.Output.Trim());
    }

    private static JsonElement Claims(Visitor visitor) =>
        JsonDocument.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(visitor.AccessToken.Split('.')[1])).RootElement;
}
