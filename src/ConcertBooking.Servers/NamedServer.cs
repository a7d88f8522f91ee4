namespace ConcertBooking.Servers;

/// <summary>A server named by a connection setting in the environment. It is managed externally and never stopped.</summary>
internal sealed class NamedServer(string setting, string connectionString, string description) : Server
{
    public override string ConnectionString => connectionString;

    public override string Description => $"{description} (named by {setting})";

    public override bool CanBeBroken => false;

    public override Task StartAsync(CancellationToken cancellationToken = default) => Refuse("started");

    public override Task StopAsync(CancellationToken cancellationToken = default) => Refuse("stopped");

    public override Task KillAsync(CancellationToken cancellationToken = default) => Refuse("killed");

    public override Task PauseAsync(CancellationToken cancellationToken = default) => Refuse("paused");

    public override Task ResumeAsync(CancellationToken cancellationToken = default) => Refuse("resumed");

    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private Task Refuse(string verb) => Task.FromException(new NotSupportedException(
        $"The server named by {setting} is managed externally and cannot be {verb}; unset {setting} to get a private one."));
}
