
namespace ConcertBooking.Hosting;

/// <summary>
/// At SIGTERM readiness fails first and requests are still served for a moment, so that whoever routes here can
/// notice; only then does Kestrel stop accepting and finish what it has.
/// </summary>
internal sealed class Drain(Health health, Settings settings, TimeProvider time) : IHostedLifecycleService
{
    /// <summary>What is still under way after the drain has this long to finish.</summary>
    private static readonly TimeSpan Finish = TimeSpan.FromSeconds(7);

    /// <summary>All of stopping, the drain included.</summary>
    public static TimeSpan Limit(Settings settings) => settings.Drain + Finish;

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        health.StopBeingReady();
        await Task.Delay(settings.Drain, time, cancellationToken);
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
