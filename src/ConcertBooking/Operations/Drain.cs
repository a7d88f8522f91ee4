namespace ConcertBooking.Operations;

/// <summary>
/// At SIGTERM readiness fails first and requests are still served for a moment, so that whoever routes here can
/// notice; only then does Kestrel stop accepting and finish what it has.
/// </summary>
internal sealed class Drain(Health health, TimeProvider time) : IHostedLifecycleService
{
    private static readonly TimeSpan Notice = TimeSpan.FromSeconds(2);

    /// <summary>All of stopping, the notice included; under the 10 s that operators are promised.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(9);

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        health.StopBeingReady();
        await Task.Delay(Notice, time, cancellationToken);
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
