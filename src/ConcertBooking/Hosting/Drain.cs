
namespace ConcertBooking.Hosting;

/// <summary>
/// Connection draining at shutdown: at SIGTERM readiness fails first while requests are still served, so that load balancers
/// can notice; only then does Kestrel stop accepting and complete the requests in flight.
/// </summary>
internal sealed class Drain(Health health, Settings settings, TimeProvider time) : IHostedLifecycleService
{
    /// <summary>How long requests still in flight after the drain have to complete.</summary>
    private static readonly TimeSpan FinishTimeout = TimeSpan.FromSeconds(7);

    /// <summary>The timeout of the whole shutdown, the drain included.</summary>
    public static TimeSpan ShutdownTimeout(Settings settings) => settings.Drain + FinishTimeout;

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        health.MarkStopping();
        await Task.Delay(settings.Drain, time, cancellationToken);
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
