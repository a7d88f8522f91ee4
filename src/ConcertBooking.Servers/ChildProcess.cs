using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace ConcertBooking.Servers;

/// <summary>A child process: captured output, signals, and a watchdog that ends it even when this process dies first.</summary>
internal sealed partial class ChildProcess : IAsyncDisposable
{
    private static readonly string? Setsid = Programs.Find("setsid");

    private readonly Process _process;
    private readonly OutputLog _log;
    private readonly Task _exit;

    private ChildProcess(Process process, OutputLog log)
    {
        _process = process;
        _log = log;
        Id = process.Id;
        _exit = WatchAsync();
    }

    public int Id { get; }

    public bool HasExited => _exit.IsCompleted;

    public int ExitCode => _process.ExitCode;

    public OutputLog Log => _log;

    public StreamWriter Input => _process.StandardInput;

    /// <param name="environment">Added to this process's own; null as a value removes one.</param>
    public static ChildProcess Start(
        string program,
        IEnumerable<string> arguments,
        IEnumerable<KeyValuePair<string, string?>>? environment = null,
        OutputLog? log = null)
    {
        var start = new ProcessStartInfo(program)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        foreach (var (name, value) in environment ?? [])
        {
            start.Environment[name] = value;
        }

        log ??= new OutputLog();
        var process = new Process { StartInfo = InOwnSession(start) };
        process.OutputDataReceived += (_, line) => log.Add(line.Data, isError: false);
        process.ErrorDataReceived += (_, line) => log.Add(line.Data, isError: true);
        process.Start();
        Watchdog.Add(WatchedKind.Process, $"{process.Id}");
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return new ChildProcess(process, log);
    }

    /// <summary>
    /// A session of its own keeps the terminal's Ctrl-C from the child: this process ends things in order.
    /// setsid replaces itself with the program, so the process id stays the program's.
    /// </summary>
    public static ProcessStartInfo InOwnSession(ProcessStartInfo start)
    {
        if (Setsid is null)
        {
            return start;
        }

        start.ArgumentList.Insert(0, start.FileName);
        start.FileName = Setsid;
        return start;
    }

    /// <param name="signal">One of <see cref="Signals"/>.</param>
    public void Signal(int signal)
    {
        if (HasExited)
        {
            return;
        }

        if (OperatingSystem.IsWindows())
        {
            if (signal is not (Signals.Kill or Signals.Terminate))
            {
                throw new PlatformNotSupportedException("Windows has no signals: a process can only be ended there.");
            }

            _process.Kill();
            return;
        }
        _ = SendSignal(Id, signal);
        if (signal == Signals.Kill && Setsid is not null)
        {
            _ = SendSignal(-Id, signal); // and its own children
        }
    }

    /// <summary>
    /// Freezes the process and returns when it is frozen: one thread takes the signal and stops the others, which on a
    /// busy machine go on working until that thread is scheduled.
    /// </summary>
    public async Task PauseAsync(CancellationToken cancellationToken = default)
    {
        Signal(Signals.Stop);
        while (OperatingSystem.IsLinux() && !HasExited && !IsFrozen())
        {
            await Task.Delay(1, cancellationToken);
        }
    }

    /// <summary>MB of resident memory. Linux only.</summary>
    public long ResidentMegabytes => Megabytes("VmRSS:");

    /// <summary>MB of anonymous memory, which the system cannot reclaim. Linux only.</summary>
    public long AnonymousMegabytes => Megabytes("RssAnon:");

    private long Megabytes(string field) => long.Parse(
        File.ReadLines($"/proc/{Id}/status").Single(line => line.StartsWith(field, StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;

    private bool IsFrozen()
    {
        try
        {
            // "pid (name) state …", and the name may hold anything.
            return Directory.EnumerateDirectories($"/proc/{Id}/task").All(static thread =>
                File.ReadAllText($"{thread}/stat") is var stat && stat[stat.LastIndexOf(')') + 2] is 'T' or 't' or 'Z' or 'X');
        }
        catch (IOException)
        {
            return false; // a thread has ended meanwhile
        }
    }

    public Task WaitForExitAsync(CancellationToken cancellationToken = default) => _exit.WaitAsync(cancellationToken);

    /// <summary>SIGTERM, time to finish, then SIGKILL.</summary>
    public async Task StopAsync(TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        Signal(Signals.Terminate);
        // A frozen process does not see the signal until it goes on.
        if (!OperatingSystem.IsWindows())
        {
            Signal(Signals.Continue);
        }

        try
        {
            await _exit.WaitAsync(timeout, cancellationToken);
        }
        catch (TimeoutException)
        {
            await KillAsync();
        }
    }

    public async Task KillAsync()
    {
        Signal(Signals.Kill);
        await _exit;
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _process.Dispose();
    }

    private async Task WatchAsync()
    {
        await _process.WaitForExitAsync();
        Watchdog.Remove(WatchedKind.Process, $"{Id}");
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int process, int signal);
}

/// <summary>Signals by their numbers; freezing and thawing have different ones on macOS.</summary>
internal static class Signals
{
    public const int HangUp = 1, Interrupt = 2, Quit = 3, Kill = 9, Terminate = 15;

    public static int Stop => OperatingSystem.IsMacOS() ? 17 : 19;

    public static int Continue => OperatingSystem.IsMacOS() ? 19 : 18;
}
