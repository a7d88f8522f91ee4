using System.Diagnostics;

namespace ConcertBooking.Servers;

/// <summary>How to run one server program.</summary>
internal sealed record ServerProgram(string Name, string Path, int Port, string ConnectionString, string[] Arguments)
{
    /// <summary>Throws until the server answers.</summary>
    public required Func<CancellationToken, Task> ProbeAsync { get; init; }

    public required ServerFolder Folder { get; init; }
}

/// <summary>A server started from a program on this machine, with a port and a data folder of its own.</summary>
internal sealed class ProcessServer : Server
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(60), StopTimeout = TimeSpan.FromSeconds(30);

    private readonly ServerProgram _program;
    private ChildProcess? _process;

    internal ProcessServer(ServerProgram program) => _program = program;

    public override string ConnectionString => _program.ConnectionString;

    public override string Description => _process is { HasExited: false } process
        ? $"{_program.Name} (process {process.Id}, {_program.Path}, port {_program.Port})"
        : $"{_program.Name} (stopped, {_program.Path}, port {_program.Port})";

    /// <summary>The process id; 0 while it is stopped.</summary>
    public int ProcessId => _process is { HasExited: false } process ? process.Id : 0;

    public override async Task StartAsync(CancellationToken cancellationToken = default)
    {
        if (_process is { HasExited: false })
        {
            return;
        }

        if (_process is not null)
        {
            await _process.DisposeAsync();
        }

        _process = ChildProcess.Start(_program.Path, _program.Arguments);

        var waited = Stopwatch.StartNew();
        while (true)
        {
            if (_process.HasExited)
            {
                throw Failure($"ended at start with exit code {_process.ExitCode}", null);
            }

            try
            {
                await _program.ProbeAsync(cancellationToken);
                return;
            }
            catch (Exception exception) when (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
            {
                if (waited.Elapsed > StartTimeout)
                {
                    throw Failure($"does not answer after {StartTimeout.TotalSeconds:0} s", exception);
                }
            }
            await Task.Delay(50, cancellationToken);
        }
    }

    public override Task StopAsync(CancellationToken cancellationToken = default) =>
        _process?.StopAsync(StopTimeout, cancellationToken) ?? Task.CompletedTask;

    public override Task KillAsync(CancellationToken cancellationToken = default) => _process?.KillAsync() ?? Task.CompletedTask;

    public override Task PauseAsync(CancellationToken cancellationToken = default) =>
        _process?.PauseAsync(cancellationToken) ?? Task.CompletedTask;

    public override Task ResumeAsync(CancellationToken cancellationToken = default)
    {
        _process?.Signal(Signals.Continue);
        return Task.CompletedTask;
    }

    public override async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            if (!_program.Folder.IsTemporary)
            {
                await StopAsync();
            }

            await _process.DisposeAsync();
        }
        await _program.Folder.DisposeAsync();
    }

    private InvalidOperationException Failure(string what, Exception? cause) =>
        new($"{_program.Name} ({_program.Path}) {what}. Its last lines:\n{_process!.Log.Tail()}", cause);
}
