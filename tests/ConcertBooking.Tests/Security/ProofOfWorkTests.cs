using System.Buffers.Text;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Security;

/// <summary>Queues that let nobody in who has not computed something first.</summary>
public sealed class ProofOfWorkTests : SharedRigTests
{
    [Test]
    public async Task Enter_WhereWorkIsAsked_NeedsItsAnswerOnce()
    {
        var queue = await HardQueueAsync(10);
        var visitor = Rig.NewVisitor();
        var challenge = await ChallengeAsync(visitor, queue);
        await Assert.That(Base64Url.DecodeFromChars(challenge)[0]).IsEqualTo((byte)10);
        var answer = Solve(challenge, 10);

        (await EnterAsync(visitor, queue, answer)).Expect(201);
        (await EnterAsync(visitor, queue, answer)).ExpectProblem(403, "proof_of_work_needed");
        (await EnterAsync(visitor, queue, Solve(await ChallengeAsync(visitor, queue), 10))).Expect(200);
    }

    [Test]
    public async Task Answer_OfAnotherUserOrQueueOrMadeUp_IsRefused()
    {
        var (queue, other) = (await HardQueueAsync(8), await HardQueueAsync(8));
        var (visitor, friend) = (Rig.NewVisitor(), Rig.NewVisitor());
        var challenge = await ChallengeAsync(visitor, queue);
        var answer = Solve(challenge, 8);
        var bytes = Base64Url.DecodeFromChars(challenge);
        bytes[8] ^= 1; // a little longer to live
        var changed = Solve(Base64Url.EncodeToString(bytes), 8);

        (await EnterAsync(friend, queue, answer)).ExpectProblem(403, "proof_of_work_needed");
        (await EnterAsync(visitor, other, answer)).ExpectProblem(403, "proof_of_work_needed");
        (await EnterAsync(visitor, queue, changed)).ExpectProblem(403, "proof_of_work_needed");
        (await EnterAsync(visitor, queue, challenge + ":no-work-at-all")).ExpectProblem(403, "proof_of_work_needed");
        foreach (var nonsense in (string[])["", ":", challenge, challenge + ":", new string('A', 4_000), "A:1"])
        {
            (await EnterAsync(visitor, queue, nonsense)).ExpectProblem(403, "proof_of_work_needed");
        }

        (await EnterAsync(visitor, queue, answer)).Expect(201);
    }

    [Test]
    public async Task Difficulty_ChangedWhileRunning_CountsAtOnce()
    {
        var queue = await HardQueueAsync(0);
        await Rig.NewVisitor().EnteredAsync(queue);

        await SetAsync(queue, 6);
        var visitor = Rig.NewVisitor();
        var easy = Solve(await ChallengeAsync(visitor, queue), 6);
        await SetAsync(queue, 12);

        (await EnterAsync(visitor, queue, easy)).ExpectProblem(403, "proof_of_work_needed");
        (await EnterAsync(visitor, queue, Solve(await ChallengeAsync(visitor, queue), 12))).Expect(201);
        await SetAsync(queue, 0);
        await Rig.NewVisitor().EnteredAsync(queue);
    }

    [Test]
    public async Task Setting_AsksOfEveryQueueThatStatesNothing()
    {
        await using var service = await Rig.StartAsync(new Dictionary<string, string?> { ["Queue__ProofOfWorkBits"] = "5" });
        var visitor = Rig.NewVisitor(service);
        var queue = await Rig.Catalogue.AddQueueAsync();

        (await EnterAsync(visitor, queue, Solve(await ChallengeAsync(visitor, queue), 5))).Expect(201);
    }

    private async Task<string> HardQueueAsync(int bits)
    {
        var queue = await Rig.Catalogue.AddQueueAsync();
        await SetAsync(queue, bits);
        return queue;
    }

    private async Task SetAsync(string queue, int bits) => (await Rig.Admin.SendAsync(
        HttpMethod.Put, $"/v1/admin/queues/{queue}",
        $$"""{"maxActive":1000,"activeSeconds":600,"proofOfWorkBits":{{bits}}}""")).Expect(200);

    private static async Task<string> ChallengeAsync(Visitor visitor, string queue)
    {
        var refusal = (await visitor.EnterAsync(queue)).ExpectProblem(403, "proof_of_work_needed");
        return refusal.Header("Proof-Of-Work-Challenge") ?? throw new InvalidOperationException($"No challenge:\n{refusal}");
    }

    private static Task<Reply> EnterAsync(Visitor visitor, string queue, string answer) =>
        visitor.PostAsync("/v1/queue/tokens", $$"""{"queue":"{{queue}}"}""", ("Proof-Of-Work", answer));

    private static string Solve(string challenge, int bits)
    {
        for (var number = 0L; ; number++)
        {
            var answer = $"{challenge}:{number}";
            var hash = SHA256.HashData(Encoding.UTF8.GetBytes(answer));
            if (BitOperations.LeadingZeroCount(System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(hash)) >= bits)
            {
                return answer;
            }
        }
    }
}
