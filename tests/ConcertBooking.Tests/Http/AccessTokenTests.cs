using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Http;

/// <summary>Which access tokens open a door, and which do not.</summary>
public sealed class AccessTokenTests : SharedRigTests
{
    private const string Path = "/v1/points";

    [Test]
    public async Task AccessToken_Good_IsTaken()
    {
        (await WithAsync(Rig, AccessTokens.For(Rig.SigningKey, UserIds.Next()))).Expect(200);
        (await WithAsync(Rig, Sign($$"""{"sub":"{{UserIds.Next()}}","iss":"anybody","aud":"anything","exp":{{InAMinute}},"more":[1]}""")))
            .Expect(200);
        (await WithAsync(Rig, Sign($$"""{"sub":"{{long.MaxValue}}","exp":{{InAMinute}}}"""))).Expect(200);
    }

    [Test]
    [Arguments("\"0\"")]
    [Arguments("\"-1\"")]
    [Arguments("\"+1\"")]
    [Arguments("\"1.5\"")]
    [Arguments("\"abc\"")]
    [Arguments("\"\"")]
    [Arguments("\"9223372036854775808\"")]
    [Arguments("null")]
    public async Task AccessToken_SubIsNoPositiveInteger_Returns401(string sub) =>
        (await WithAsync(Rig, Sign($$"""{"sub":{{sub}},"exp":{{InAMinute}}}"""))).ExpectProblem(401, "unauthorized");

    [Test]
    public async Task AccessToken_WithoutSub_Returns401() =>
        (await WithAsync(Rig, Sign($$"""{"exp":{{InAMinute}}}"""))).ExpectProblem(401, "unauthorized");

    [Test]
    public async Task AccessToken_Expired_Returns401() =>
        (await WithAsync(Rig, Sign($$"""{"sub":"7","exp":{{AccessTokens.InSeconds(-3600)}}}"""))).ExpectProblem(401, "unauthorized");

    [Test]
    public async Task AccessToken_TakenBefore_Returns401FromItsEndOn()
    {
        // 30 s are allowed for wrong clocks.
        var token = Sign($$"""{"sub":"{{UserIds.Next()}}","exp":{{AccessTokens.InSeconds(-22)}}}""");
        (await WithAsync(Rig, token)).Expect(200);

        var late = await Eventually.GetAsync(
            () => WithAsync(Rig, token), static reply => reply.Status != 200, within: TimeSpan.FromSeconds(12));

        late.ExpectProblem(401, "unauthorized");
    }

    /// <summary>What is remembered of verified tokens must not grow with what is put around them: up to 16 KiB a request.</summary>
    [Test]
    public async Task AccessToken_InThousandsOfForms_CostsNoMemory()
    {
        await using var service = await Rig.StartAsync(new Dictionary<string, string?> { ["RateLimits__PerUser"] = "0" });
        var token = AccessTokens.For(Rig.SigningKey, UserIds.Next());
        await AskAsync(Enumerable.Repeat(0, 500)); // warms up
        var before = service.Process.ResidentMegabytes;

        await AskAsync(Enumerable.Range(9_000, 3_000));

        await Assert.That(service.Process.ResidentMegabytes).IsLessThan(before + 40);

        Task AskAsync(IEnumerable<int> paddings) => Parallel.ForEachAsync(
            paddings, new ParallelOptions { MaxDegreeOfParallelism = 16 },
            async (padding, _) => (await service.Api.GetAsync(Path, ("Authorization", $"Bearer {new string(' ', padding)}{token}")))
                .Expect(200));
    }

    [Test]
    public async Task AccessToken_OfTheFarFuture_IsTaken()
    {
        var token = Sign($$"""{"sub":"{{UserIds.Next()}}","exp":253402300799}""");

        (await WithAsync(Rig, token)).Expect(200);
        (await WithAsync(Rig, token)).Expect(200);
    }

    [Test]
    public async Task AccessToken_WithoutExp_Returns401() =>
        (await WithAsync(Rig, Sign("""{"sub":"7"}"""))).ExpectProblem(401, "unauthorized");

    [Test]
    public async Task AccessToken_NotYetValid_Returns401() =>
        (await WithAsync(Rig, Sign($$"""{"sub":"7","nbf":{{AccessTokens.InSeconds(3600)}},"exp":{{AccessTokens.InSeconds(7200)}}}""")))
        .ExpectProblem(401, "unauthorized");

    [Test]
    public async Task AccessToken_OfAnotherKey_Returns401() =>
        (await WithAsync(Rig, AccessTokens.For(Rig.NewKey(), UserIds.Next()))).ExpectProblem(401, "unauthorized");

    [Test]
    [Arguments("""{"alg":"none","typ":"JWT"}""")]
    [Arguments("""{"alg":"None"}""")]
    [Arguments("""{"alg":"HS256","typ":"JWT"}""")]
    [Arguments("""{"typ":"JWT"}""")]
    public async Task AccessToken_WithoutSignature_Returns401(string header) =>
        (await WithAsync(Rig, AccessTokens.WithoutSignature(header, $$"""{"sub":"7","exp":{{InAMinute}}}""")))
            .ExpectProblem(401, "unauthorized");

    [Test]
    [Arguments("""{"alg":"HS512","typ":"JWT"}""")]
    [Arguments("""{"alg":"RS256","typ":"JWT"}""")]
    [Arguments("""{"alg":"none","typ":"JWT"}""")]
    public async Task AccessToken_SignedButOfAnotherAlgorithm_Returns401(string header) =>
        (await WithAsync(Rig, AccessTokens.Sign(Rig.SigningKey, header, $$"""{"sub":"7","exp":{{InAMinute}}}""")))
            .ExpectProblem(401, "unauthorized");

    /// <summary>
    /// Members of the header that must be understood or the token refused: none is understood. Asked twice, since good
    /// ones are remembered.
    /// </summary>
    [Test]
    [Arguments("""{"alg":"HS256","typ":"JWT","crit":["b64"],"b64":true}""")]
    [Arguments("""{"alg":"HS256","crit":["exp"],"exp":1}""")]
    [Arguments("""{"alg":"HS256","crit":["x-bound-to"],"x-bound-to":"somebody"}""")]
    [Arguments("""{"alg":"HS256","crit":[]}""")]
    [Arguments("""{"alg":"HS256","crit":null}""")]
    [Arguments("""{"alg":"HS256","crit":"b64"}""")]
    [Arguments("""{"alg":"HS256","\u0063rit":["x"],"x":1}""")]
    public async Task AccessToken_WithCriticalExtensions_Returns401(string header)
    {
        var token = AccessTokens.Sign(Rig.SigningKey, header, $$"""{"sub":"{{UserIds.Next()}}","exp":{{InAMinute}}}""");

        (await WithAsync(Rig, token)).ExpectProblem(401, "unauthorized");
        (await WithAsync(Rig, token)).ExpectProblem(401, "unauthorized");
    }

    [Test]
    [Arguments("1e300")]
    [Arguments("-1")]
    [Arguments("1e19")]
    [Arguments("\"soon\"")]
    [Arguments("null")]
    [Arguments("[]")]
    [Arguments("{}")]
    public async Task AccessToken_WithAnEndThatIsNone_IsNoFault(string end)
    {
        var reply = await WithAsync(Rig, Sign($$"""{"sub":"{{UserIds.Next()}}","exp":{{end}}}"""));

        await Assert.That(reply.Status is 200 or 401).IsTrue().Because(reply.ToString());
    }

    [Test]
    public async Task AccessToken_Changed_Returns401()
    {
        var parts = AccessTokens.For(Rig.SigningKey, UserIds.Next()).Split('.');
        var other = AccessTokens.For(Rig.SigningKey, UserIds.Next(), admin: true).Split('.');

        (await WithAsync(Rig, $"{parts[0]}.{other[1]}.{parts[2]}")).ExpectProblem(401, "unauthorized");
        (await WithAsync(Rig, $"{parts[0]}.{parts[1]}.{parts[2][..^2]}")).ExpectProblem(401, "unauthorized");
        (await WithAsync(Rig, $"{parts[0]}.{parts[1]}")).ExpectProblem(401, "unauthorized");
    }

    [Test]
    [Arguments("")]
    [Arguments("Bearer")]
    [Arguments("Bearer ")]
    [Arguments("Bearer x")]
    [Arguments("Bearer a.b.c")]
    [Arguments("Bearer a.b.c.d.e")]
    [Arguments("Basic dXNlcjpwYXNz")]
    public async Task AccessToken_NoneAtAll_Returns401(string authorization) =>
        (await Rig.A.Api.GetAsync(Path, ("Authorization", authorization))).ExpectProblem(401, "unauthorized");

    [Test]
    public async Task AccessToken_IssuerAndAudienceConfigured_MustBeRight()
    {
        await using var strict = await Rig.StartAsync(
            new Dictionary<string, string?> { ["Auth__Issuer"] = "the-issuer", ["Auth__Audience"] = "the-booking" });
        Task<Reply> Ask(string claims) => strict.Api.GetAsync(
            Path, ("Authorization", $"Bearer {Sign($$"""{"sub":"{{UserIds.Next()}}","exp":{{InAMinute}}{{claims}}}""")}"));

        (await Ask(""","iss":"the-issuer","aud":"the-booking" """)).Expect(200);
        (await Ask(""","iss":"the-issuer","aud":["other","the-booking"]""")).Expect(200);
        (await Ask(""","iss":"somebody","aud":"the-booking" """)).ExpectProblem(401, "unauthorized");
        (await Ask(""","iss":"the-issuer","aud":"other" """)).ExpectProblem(401, "unauthorized");
        (await Ask(""","iss":"the-issuer" """)).ExpectProblem(401, "unauthorized");
        (await Ask(""","aud":"the-booking" """)).ExpectProblem(401, "unauthorized");
        (await Ask("")).ExpectProblem(401, "unauthorized");
    }

    private static long InAMinute => AccessTokens.InSeconds(60);

    private string Sign(string claims) => AccessTokens.Sign(Rig.SigningKey, AccessTokens.Hs256, claims);

    private static Task<Reply> WithAsync(Rig rig, string token) => rig.A.Api.GetAsync(Path, ("Authorization", $"Bearer {token}"));
}
