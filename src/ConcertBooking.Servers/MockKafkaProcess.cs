namespace ConcertBooking.Servers;

/// <summary>
/// The mock cluster in a process of its own, so that it can be frozen. Commands go over its standard input: down, up.
/// The process itself keeps running while the broker is "killed", because a new one would get another port.
/// </summary>
internal sealed class MockKafkaProcess : Server
{
    private readonly ChildProcess _process;
    private readonly LineQueue _replies;

    private MockKafkaProcess(ChildProcess process, LineQueue replies, string address) =>
        (_process, _replies, ConnectionString) = (process, replies, address);

    public override string ConnectionString { get; }

    public override string Description => $"librdkafka's mock cluster (process {_process.Id}, {ConnectionString})";

    internal static async Task<Server> StartNewAsync(CancellationToken cancellationToken)
    {
        var replies = new LineQueue();
        var process = ChildProcess.Start(
            Programs.DotNet, ["exec", typeof(MockKafkaProcess).Assembly.Location], log: new OutputLog(replies.Add));
        try
        {
            var address = await replies.TakeAsync(process, cancellationToken);
            return new MockKafkaProcess(process, replies, address);
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    /// <summary>The main loop of the process: prints the address, then executes commands until its input ends.</summary>
    internal static async Task RunAsync(TextReader input, TextWriter output, CancellationToken cancellationToken)
    {
        await using var kafka = new MockKafka();
        await output.WriteLineAsync(kafka.ConnectionString.AsMemory(), cancellationToken);
        while (await input.ReadLineAsync(cancellationToken) is { } command)
        {
            await (command == "up" ? kafka.StartAsync(cancellationToken) : kafka.KillAsync(cancellationToken));
            await output.WriteLineAsync(command.AsMemory(), cancellationToken);
        }
    }

    public override Task StartAsync(CancellationToken cancellationToken = default) => SendCommandAsync("up", cancellationToken);

    public override Task StopAsync(CancellationToken cancellationToken = default) => SendCommandAsync("down", cancellationToken);

    public override Task KillAsync(CancellationToken cancellationToken = default) => SendCommandAsync("down", cancellationToken);

    public override Task PauseAsync(CancellationToken cancellationToken = default) => _process.PauseAsync(cancellationToken);

    public override Task ResumeAsync(CancellationToken cancellationToken = default)
    {
        _process.Signal(Signals.Continue);
        return Task.CompletedTask;
    }

    public override ValueTask DisposeAsync() => _process.DisposeAsync();

    private async Task SendCommandAsync(string command, CancellationToken cancellationToken)
    {
        await _process.Input.WriteLineAsync(command.AsMemory(), cancellationToken);
        await _process.Input.FlushAsync(cancellationToken);
        await _replies.TakeAsync(_process, cancellationToken);
    }
}
