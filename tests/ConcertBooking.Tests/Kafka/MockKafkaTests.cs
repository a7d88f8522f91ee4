using ConcertBooking.Servers;

namespace ConcertBooking.Tests.Kafka;

/// <summary>The Kafka of a machine that has none.</summary>
public sealed class MockKafkaTests
{
    [Test]
    public async Task Pause_OftenAndResumed_StillAnswers()
    {
        await using var kafka = await MockKafkaProcess.StartNewAsync(CancellationToken.None);
        for (var times = 0; times < 200; times++)
        {
            await kafka.PauseAsync();
            await kafka.ResumeAsync();
        }

        await kafka.KillAsync();
        await kafka.StartAsync();
    }
}
