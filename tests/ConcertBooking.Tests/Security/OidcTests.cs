using System.Diagnostics;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Security;

/// <summary>Access tokens of an issuer that publishes its keys (<c>Auth__Authority</c>).</summary>
public sealed class OidcTests : SharedRigTests
{
    /// <summary>The service's own limit is a second and a half.</summary>

    [Test]
    public async Task Token_OfTheIssuer_OpensTheDoor_AndNoOtherDoes()
    {
        using var rsa = IssuerKey.Rsa("r1");
        using var ec = IssuerKey.Ec("e1");
        await using var issuer = new Issuer(rsa, ec);
        await using var service = await StartAsync(issuer);

        foreach (var key in (IssuerKey[])[rsa, ec])
        {
            (await AskAsync(service, key.Sign(issuer.Claims()))).Expect(200);
            (await AskAsync(service, key.Sign(issuer.Claims(issuer: "http://elsewhere")))).ExpectProblem(401, "unauthorized");
            (await AskAsync(service, key.Sign(issuer.Claims(audience: "another")))).ExpectProblem(401, "unauthorized");
            (await AskAsync(service, key.Sign($$"""{"sub":"7","iss":"{{issuer.Address}}","aud":"booking"}""")))
                .ExpectProblem(401, "unauthorized");
            (await AskAsync(
                service, key.Sign($$"""{"sub":"7","iss":"{{issuer.Address}}","aud":"booking","exp":{{AccessTokens.InSeconds(-120)}}}""")))
                .ExpectProblem(401, "unauthorized");
        }

        // The role opens the admin's door, here as with the shared key.
        (await service.Api.GetAsync("/v1/admin/queues/main", Bearer(rsa.Sign(issuer.Claims())))).ExpectProblem(403, "forbidden");
        (await service.Api.GetAsync("/v1/admin/queues/main", Bearer(rsa.Sign(issuer.Claims(more: ",\"role\":\"admin\""))))).Expect(200);
    }

    [Test]
    public async Task Token_OfAnAlgorithmTheAttackerChose_Returns401()
    {
        using var rsa = IssuerKey.Rsa("r1");
        using var stranger = IssuerKey.Rsa("r1");
        await using var issuer = new Issuer(rsa);
        await using var service = await StartAsync(issuer);
        (await AskAsync(service, rsa.Sign(issuer.Claims()))).Expect(200);

        // The public key, which everybody has, taken for a shared secret.
        foreach (var secret in (string[])[rsa.PublicPem, rsa.PublicPem + "\n", rsa.Jwk(), Rig.SigningKey])
        {
            foreach (var header in (string[])["""{"alg":"HS256","typ":"JWT","kid":"r1"}""", """{"alg":"HS256"}"""])
            {
                (await AskAsync(service, AccessTokens.Sign(secret, header, issuer.Claims()))).ExpectProblem(401, "unauthorized");
            }
        }
        (await AskAsync(service, AccessTokens.WithoutSignature("""{"alg":"none","kid":"r1"}""", issuer.Claims())))
            .ExpectProblem(401, "unauthorized");
        (await AskAsync(service, stranger.Sign(issuer.Claims()))).ExpectProblem(401, "unauthorized");

        // What must be understood, and is not.
        (await AskAsync(service, rsa.Sign(issuer.Claims(), """{"alg":"RS256","kid":"r1","crit":["x"],"x":1}""")))
            .ExpectProblem(401, "unauthorized");

        // A key or a key's address that the token brings along is not asked.
        (await AskAsync(service, stranger.Sign(issuer.Claims(), $$"""{"alg":"RS256","kid":"r1","jwk":{{stranger.Jwk()}}}""")))
            .ExpectProblem(401, "unauthorized");
        (await AskAsync(
            service,
            stranger.Sign(issuer.Claims(), """{"alg":"RS256","kid":"x","jku":"http://127.0.0.1:1/keys","x5u":"http://127.0.0.1:1/"}""")))
            .ExpectProblem(401, "unauthorized");
    }

    [Test]
    public async Task Keys_Rotated_NewOnesCount_AndWithdrawnOnesEnd()
    {
        using var old = IssuerKey.Rsa("old");
        using var next = IssuerKey.Ec("next");
        await using var issuer = new Issuer(old);
        await using var service = await StartAsync(issuer);
        (await AskAsync(service, old.Sign(issuer.Claims()))).Expect(200);

        issuer.Keys = [next];

        await Eventually.GetAsync(
            () => AskAsync(service, next.Sign(issuer.Claims())), reply => reply.Status == 200);
        (await AskAsync(service, old.Sign(issuer.Claims()))).ExpectProblem(401, "unauthorized");
    }

    [Test]
    public async Task Tokens_OfUnknownKeys_DoNotFloodTheIssuer()
    {
        using var key = IssuerKey.Rsa("r1");
        using var stranger = IssuerKey.Ec("unknown");
        await using var issuer = new Issuer(key);
        await using var service = await StartAsync(issuer);
        (await AskAsync(service, key.Sign(issuer.Claims()))).Expect(200);

        for (var i = 0; i < 100; i++)
        {
            (await AskAsync(service, stranger.Sign(issuer.Claims()))).ExpectProblem(401, "unauthorized");
        }

        await Assert.That(issuer.Asked).IsLessThan(20);
        (await AskAsync(service, key.Sign(issuer.Claims()))).Expect(200);
    }

    /// <summary>Whether the tokens are valid nobody can say then: never 401, and an answer in time for everybody at once.</summary>
    [Test]
    public async Task Issuer_HangsAtStart_TokensAre503InTime_AndItRecoversByItself()
    {
        using var key = IssuerKey.Rsa("r1");
        await using var issuer = new Issuer(key) { Silent = true };
        await using var service = await StartAsync(issuer);

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
        {
            var started = Stopwatch.GetTimestamp();
            return (Reply: await AskAsync(service, key.Sign(issuer.Claims())), Took: Stopwatch.GetElapsedTime(started));
        }));

        foreach (var (reply, took) in answers)
        {
            reply.ExpectProblem(503, "issuer_unavailable").ExpectRetryAfter();
            await Assert.That(took).IsLessThan(Eventually.Patience); // that of an HTTP client is 100 s
        }
        (await AskAsync(service, "no.token")).ExpectProblem(401, "unauthorized");
        (await service.Api.GetAsync("/v1/concerts")).Expect(200);
        await OutageTable.ExpectAsync("Issuer gone", service);
        using var onCall = new OnCall("Issuer away", Rig.Database, new Dictionary<string, string?>());
        onCall.Environment["management"] = service.Management.Address.OriginalString.TrimEnd('/');
        await Assert.That(await onCall.ShellAsync(1)).Matches("""dependency="issuer"[^}]*\} 0""");

        issuer.Silent = false;

        await Eventually.GetAsync(() => AskAsync(service, key.Sign(issuer.Claims())), reply => reply.Status == 200);
        await Issuer.ExpectUpAsync(service, 1);
    }

    /// <summary>What is known goes on; a key that is not may be a new one, so it is not refused.</summary>
    [Test]
    public async Task Issuer_HangsLater_KnownKeysCount_AndNewOnesAre503UntilItAnswers()
    {
        using var old = IssuerKey.Rsa("old");
        using var next = IssuerKey.Ec("next");
        await using var issuer = new Issuer(old);
        await using var service = await StartAsync(issuer);
        (await AskAsync(service, old.Sign(issuer.Claims()))).Expect(200);
        issuer.Silent = true;
        issuer.Keys = [old, next];

        await Eventually.GetAsync(() => AskAsync(service, next.Sign(issuer.Claims())), reply => reply.Code == "issuer_unavailable");
        (await AskAsync(service, next.Sign(issuer.Claims()))).ExpectProblem(503, "issuer_unavailable").ExpectRetryAfter();
        (await AskAsync(service, old.Sign(issuer.Claims()))).Expect(200);
        await Issuer.ExpectUpAsync(service, 0);

        issuer.Silent = false;

        await Eventually.GetAsync(() => AskAsync(service, next.Sign(issuer.Claims())), reply => reply.Status == 200);
        (await AskAsync(service, old.Sign(issuer.Claims()))).Expect(200);
    }

    [Test]
    public async Task SignIn_WithAnIssuer_DoesNotExist()
    {
        using var key = IssuerKey.Rsa("r1");
        await using var issuer = new Issuer(key);
        await using var service = await StartAsync(issuer);

        (await service.Api.SendAsync(HttpMethod.Post, "/dev/sign-in", """{"userId":7}""")).ExpectProblem(404, "not_found");
    }

    private Task<Instance> StartAsync(Issuer issuer) => issuer.StartServiceAsync(Rig);

    private static Task<Reply> AskAsync(Instance service, string token) => service.Api.GetAsync("/v1/points", Bearer(token));

    private static (string, string) Bearer(string token) => ("Authorization", $"Bearer {token}");
}
