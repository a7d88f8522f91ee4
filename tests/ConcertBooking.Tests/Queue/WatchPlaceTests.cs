using System.Diagnostics;
using System.Runtime.InteropServices;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Queue;

public sealed class WatchPlaceTests : SharedRigTests
{
    private const string Path = "/v1/queue/tokens/current/events";

    [Test]
    public async Task WatchPlace_Waiting_SendsPositionThenActive()
    {
        var (show, visitors) = await LineAsync(3);
        await using var stream = await PlaceEvents.OpenAsync(visitors[2]);

        await Assert.That(stream.ContentType).IsEqualTo("text/event-stream");
        var first = await stream.NextAsync();
        first.Data.ExpectMembers("token", "queue", "status", "position", "etaSeconds", "expiresAt", "pollAfterMs");
        await Assert.That((first.Name, first.Data.Number("position"))).IsEqualTo(("position", 2L));
        (await visitors[0].LeaveAsync()).Expect(204);
        var second = await stream.NextAsync();
        await Assert.That((second.Name, second.Data.Number("position"))).IsEqualTo(("position", 1L));
        (await visitors[1].LeaveAsync()).Expect(204);
        var last = await stream.NextAsync();
        await Assert.That((last.Name, last.Data.Value("status"))).IsEqualTo(("active", "ACTIVE"));
        await stream.Ended.WaitAsync(Eventually.Patience);

        visitors[2].QueueToken = last.Data.Value("token");
        await visitors[2].HeldAsync(show);
    }

    [Test]
    public async Task WatchPlace_Active_SendsItAndEnds()
    {
        var (_, visitors) = await LineAsync(1);
        await using var stream = await PlaceEvents.OpenAsync(visitors[0]);

        await Assert.That((await stream.NextAsync()).Name).IsEqualTo("active");
        await stream.Ended.WaitAsync(Eventually.Patience);
    }

    [Test]
    public async Task WatchPlace_PlaceHandedOnThroughTheOtherInstance_SendsActive()
    {
        var (_, visitors) = await LineAsync(6);
        await using var streams = new Streams();
        foreach (var visitor in visitors.Skip(1))
        {
            await streams.OpenAsync(visitor);
        }

        for (var next = 1; next < visitors.Length; next++)
        {
            visitors[next - 1].Api = Rig.B.Api;
            (await visitors[next - 1].LeaveAsync()).Expect(204);
            var active = await streams[next - 1].NextAsync("active");
            visitors[next].QueueToken = active.Data.Value("token");
        }
    }

    [Test]
    public async Task WatchPlace_QueueMovesQuickly_SendsPositionOnceASecond()
    {
        var (_, visitors) = await LineAsync(70);
        await using var stream = await PlaceEvents.OpenAsync(visitors[^1]);
        await stream.NextAsync();
        var started = Stopwatch.StartNew();

        foreach (var visitor in visitors.Skip(1).Take(60))
        {
            (await visitor.LeaveAsync()).Expect(204);
            await Task.Delay(50);
        }

        var positions = new List<StreamEvent>();
        do
        {
            positions.Add(await stream.NextAsync("position"));
        }
        while (positions[^1].Data.Number("position") != 9);
        await Assert.That(positions.Count).IsLessThanOrEqualTo((int)started.Elapsed.TotalSeconds + 2);
        await Assert.That(positions.Count).IsGreaterThan(1);
    }

    [Test]
    public async Task WatchPlace_OpenStream_CountsAsAsking()
    {
        // Alone, because its sweep would drop the silent of every queue it knows.
        await using var impatient = await Rig.StartAloneAsync(new Dictionary<string, string?> { ["Queue__IdleSeconds"] = "5" });
        var queue = await impatient.Catalogue.AddQueueAsync(maxActive: 1);
        await Rig.NewVisitor(impatient).EnteredAsync(queue);
        var silent = Rig.NewVisitor(impatient);
        await silent.EnteredAsync(queue);
        var watching = Rig.NewVisitor(impatient);
        await watching.EnteredAsync(queue);
        await using var stream = await PlaceEvents.OpenAsync(watching);
        await Assert.That((await stream.NextAsync()).Data.Number("position")).IsEqualTo(2);

        var moved = await stream.NextAsync();

        await Assert.That(moved.Data.Number("position")).IsEqualTo(1).Because("the silent one was dropped and the watching one was not");
        (await silent.PlaceAsync()).ExpectProblem(410, "queue_token_expired");
        await Task.Delay(TimeSpan.FromSeconds(6));
        (await watching.PlaceAsync()).Expect(200);
    }

    [Test]
    public async Task WatchPlace_LeftFromAnotherDevice_SendsExpiredAndEnds()
    {
        var (_, visitors) = await LineAsync(2);
        await using var stream = await PlaceEvents.OpenAsync(visitors[1]);
        await stream.NextAsync("position");

        (await visitors[1].LeaveAsync()).Expect(204);

        await Assert.That((await stream.NextAsync()).Data.Value("code")).IsEqualTo("queue_token_expired");
        await stream.Ended.WaitAsync(Eventually.Patience);
        (await Rig.A.Api.GetAsync(Path, visitors[1].InQueue())).ExpectProblem(410, "queue_token_expired");
    }

    [Test]
    public async Task WatchPlace_TwoDevices_SendsToBoth()
    {
        var (_, visitors) = await LineAsync(2);
        await using var streams = new Streams();
        for (var device = 0; device < 5; device++)
        {
            await streams.OpenAsync(visitors[1]);
        }

        var closed = await streams[0].NextAsync("closed"); // a fifth is one too many: the oldest makes room, and must not come back
        await Assert.That(closed.Data.Value("code")).IsEqualTo("too_many_streams");
        await streams[0].Ended.WaitAsync(Eventually.Patience);
        await Assert.That(streams[0].Retry).IsNotNull().And.IsGreaterThan(3_600_000);

        (await visitors[0].LeaveAsync()).Expect(204);

        for (var device = 1; device < 5; device++)
        {
            await streams[device].NextAsync("active");
        }
    }

    [Test]
    public async Task WatchPlace_Sigterm_EndsCleanlyWithRetry()
    {
        await using var instance = await Rig.StartAsync();
        var (_, visitors) = await LineAsync(2);
        visitors[1].Api = instance.Api;
        await using var stream = await PlaceEvents.OpenAsync(visitors[1]);
        await stream.NextAsync("position");
        instance.Process.Signal(PosixSignal.SIGTERM);

        await stream.Ended.WaitAsync(Eventually.Patience);
        await Assert.That(stream.Retry).IsNotNull().And.IsGreaterThanOrEqualTo(2000);
        await Assert.That(await instance.Process.WaitForExitAsync().WaitAsync(Eventually.Promised(seconds: 10))).IsEqualTo(0);
        visitors[1].Api = Rig.A.Api;
        await Assert.That((await visitors[1].PlaceAsync()).Expect(200).Number("position")).IsEqualTo(1).Because("the place is still there");
    }

    [Test]
    public async Task WatchPlace_WithoutOrWithForgedToken_Returns401()
    {
        (await Rig.A.Api.GetAsync(Path)).ExpectProblem(401, "queue_token_missing");
        (await Rig.A.Api.GetAsync(Path, ("Queue-Token", "forged"))).ExpectProblem(401, "queue_token_invalid");
    }

    /// <summary>A show that admits one, and that many visitors, the first of whom is admitted.</summary>
    private async Task<(Show Show, Visitor[] Visitors)> LineAsync(int count)
    {
        var show = await Rig.Catalogue.AddShowAsync(maxActive: 1);
        var visitors = Enumerable.Range(0, count).Select(_ => Rig.NewVisitor()).ToArray();
        foreach (var visitor in visitors)
        {
            await visitor.EnteredAsync(show.Queue);
        }

        return (show, visitors);
    }

    private sealed class Streams : IAsyncDisposable
    {
        private readonly List<ServerEvents> _streams = [];

        public ServerEvents this[int index] => _streams[index];

        public async Task OpenAsync(Visitor visitor) => _streams.Add(await PlaceEvents.OpenAsync(visitor));

        public async ValueTask DisposeAsync()
        {
            foreach (var stream in _streams)
            {
                await stream.DisposeAsync();
            }
        }
    }
}
