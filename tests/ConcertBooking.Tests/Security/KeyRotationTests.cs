using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Security;

/// <summary>Two keys at once: instances are exchanged one by one, and nobody loses a place or a session over it.</summary>
public sealed class KeyRotationTests : SharedRigTests
{
    [Test]
    public async Task Rotation_OfBothKeys_KeepsEveryTokenWorking()
    {
        var (authKey, queueKey) = (Rig.NewKey(), Rig.NewKey());
        await using var rotated = await Rig.StartAsync(new Dictionary<string, string?>
        {
            ["Auth__SigningKey"] = authKey,
            ["Auth__PreviousSigningKey"] = Rig.SigningKey,
            ["QueueToken__SigningKey"] = queueKey,
            ["QueueToken__PreviousSigningKey"] = Rig.QueueTokenKey,
        });
        await using var finished = await Rig.StartAsync(new Dictionary<string, string?>
        {
            ["Auth__SigningKey"] = authKey,
            ["QueueToken__SigningKey"] = queueKey,
        });
        var visitor = Rig.NewVisitor();
        await visitor.EnteredAsync(await Rig.Catalogue.AddQueueAsync());

        // The old tokens work where the old keys are still known, and there become new ones.
        visitor.Api = finished.Api;
        (await visitor.GetAsync("/v1/points")).ExpectProblem(401, "unauthorized");
        (await visitor.PlaceAsync()).ExpectProblem(401, "queue_token_invalid");
        visitor.Api = rotated.Api;
        (await visitor.GetAsync("/v1/points")).Expect(200);
        (await visitor.PlaceAsync()).Expect(200);
        visitor.Api = finished.Api;
        (await visitor.PlaceAsync()).Expect(200);

        // What is signed now is signed with the new key.
        visitor.Api = Rig.A.Api;
        (await visitor.PlaceAsync()).ExpectProblem(401, "queue_token_invalid");
        var renewed = new Visitor(rotated.Api, visitor.UserId, AccessTokens.For(authKey, visitor.UserId));
        (await renewed.GetAsync("/v1/points")).Expect(200);
    }

    [Test]
    [Arguments(-20, 200)]
    [Arguments(-45, 401)]
    public async Task Clock_Differs_ThirtySecondsAreForgiven(int endedSecondsAgo, int status)
    {
        var token = AccessTokens.Sign(
            Rig.SigningKey, AccessTokens.Hs256, $$"""{"sub":"{{UserIds.Next()}}","exp":{{AccessTokens.InSeconds(endedSecondsAgo)}}}""");

        var reply = await Rig.A.Api.GetAsync("/v1/points", ("Authorization", $"Bearer {token}"));

        await Assert.That(reply.Status).IsEqualTo(status);
    }
}
