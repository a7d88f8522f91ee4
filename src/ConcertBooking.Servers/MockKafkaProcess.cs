namespace ConcertBooking.Servers;

/// <summary>
/// The mock cluster in a process of its own, so that it can be frozen. Commands go over its standard input: down, up.
/// The process itself lives on while the broker is "killed", because a new one would get another port.
/// </summary>
public sealed class MockKafkaProcess : Server
{
    private readonly ChildProcess _process;
    private readonly LineQueue _answers;

    private MockKafkaProcess(ChildProcess process, LineQueue answers, string address) =>
        (_process, _answers, ConnectionString) = (process, answers, address);

    public override string ConnectionString { get; }

    public override string Description => $"librdkafka's mock cluster (process {_process.Id}, {ConnectionString})";

    internal static async Task<Server> StartNewAsync(CancellationToken cancellationToken)
    {
        var answers = new LineQueue();
        var process = ChildProcess.Start(
            Programs.DotNet, ["exec", typeof(MockKafkaProcess).Assembly.Location], log: new OutputLog(answers.Add));
        try
        {
            var address = await answers.TakeAsync(process, cancellationToken);
            return new MockKafkaProcess(process, answers, address);
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    /// <summary>What the process does: print the address, then obey until its input ends.</summary>
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

    public override Task StartAsync(CancellationToken cancellationToken = default) => TellAsync("up", cancellationToken);

    public override Task StopAsync(CancellationToken cancellationToken = default) => TellAsync("down", cancellationToken);

    public override Task KillAsync(CancellationToken cancellationToken = default) => TellAsync("down", cancellationToken);

    public override Task PauseAsync(CancellationToken cancellationToken = default) => _process.PauseAsync(cancellationToken);

    public override Task ResumeAsync(CancellationToken cancellationToken = default)
    {
        _process.Signal(Signals.Continue);
        return Task.CompletedTask;
    }

    public override ValueTask DisposeAsync() => _process.DisposeAsync();

    private async Task TellAsync(string command, CancellationToken cancellationToken)
    {
        await _process.Input.WriteLineAsync(command.AsMemory(), cancellationToken);
        await _process.Input.FlushAsync(cancellationToken);
        await _answers.TakeAsync(_process, cancellationToken);
    }
}
