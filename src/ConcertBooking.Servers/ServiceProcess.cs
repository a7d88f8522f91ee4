using System.Net;
using System.Reflection;
using System.Runtime.InteropServices;

namespace ConcertBooking.Servers;

/// <summary>The exit code and output of a subcommand of the service.</summary>
public sealed record ServiceResult(int ExitCode, string Output, string Error);

/// <summary>The service's program as a process of its own, on free ports unless the settings say otherwise.</summary>
public sealed class ServiceProcess : IAsyncDisposable
{
    /// <summary>Names the program to start, e.g. the native binary; unset: what this build built.</summary>
    public const string BinarySetting = "CONCERT_BOOKING_BINARY";

    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(60);
    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(5) };

    private static readonly Lazy<string> Binary = new(FindBinary);

    private readonly ChildProcess _process;

    private ServiceProcess(ChildProcess process, Uri address, Uri managementAddress) =>
        (_process, Address, ManagementAddress) = (process, address, managementAddress);

    /// <summary>The program that is started.</summary>
    public static string BinaryPath => Binary.Value;

    /// <summary>Where the API is, e.g. <c>http://127.0.0.1:20123/</c>.</summary>
    public Uri Address { get; }

    /// <summary>Where health and metrics are.</summary>
    public Uri ManagementAddress { get; }

    public int ProcessId => _process.Id;

    /// <inheritdoc cref="ChildProcess.ResidentMegabytes"/>
    public long ResidentMegabytes => _process.ResidentMegabytes;

    /// <inheritdoc cref="ChildProcess.AnonymousMegabytes"/>
    public long AnonymousMegabytes => _process.AnonymousMegabytes;

    public bool HasExited => _process.HasExited;

    /// <summary>The last lines of both outputs, oldest first (5,000 at most).</summary>
    public IReadOnlyList<string> Output => _process.Log.Lines();

    /// <summary>Starts the service and waits until it answers.</summary>
    /// <param name="settings">Environment variables, added to this process's own; null as a value removes one.</param>
    /// <param name="waitFor">The path that must answer 200: <c>/livez</c> for a service that is to start without its servers.</param>
    /// <param name="onLine">Called with every line it prints, from any thread.</param>
    /// <param name="program">The program to start instead of <see cref="BinaryPath"/>.</param>
    /// <param name="cancellationToken">Ends the start, and the process with it.</param>
    /// <exception cref="InvalidOperationException">It ended or did not answer in 60 s; the message has its last lines.</exception>
    public static async Task<ServiceProcess> StartAsync(
        IReadOnlyDictionary<string, string?> settings,
        string waitFor = "/readyz",
        Action<string>? onLine = null,
        string? program = null,
        CancellationToken cancellationToken = default)
    {
        var environment = new Dictionary<string, string?>(settings);
        // Container images set it, and it would conflict with the address chosen here.
        environment.TryAdd("ASPNETCORE_HTTP_PORTS", null);
        environment.TryAdd("ASPNETCORE_URLS", $"http://127.0.0.1:{Ports.Take()}");
        environment.TryAdd("Management__Port", $"{Ports.Take()}");
        var address = new Uri(environment["ASPNETCORE_URLS"]!.Split(';')[0]);

        var process = ChildProcess.Start(program ?? BinaryPath, [], environment, new OutputLog(onLine));
        process.Input.Close();
        var service = new ServiceProcess(process, address, new Uri($"http://127.0.0.1:{environment["Management__Port"]}"));
        try
        {
            await service.WaitForAnswerAsync(waitFor, cancellationToken);
            return service;
        }
        catch
        {
            await service.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs a subcommand such as <c>migrate</c> to its end.</summary>
    public static async Task<ServiceResult> RunAsync(
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string?> settings,
        Action<string>? onLine = null,
        CancellationToken cancellationToken = default)
    {
        var (exitCode, log) = await Programs.RunAsync(
            BinaryPath, arguments, settings, onLine: onLine, cancellationToken: cancellationToken);
        return new ServiceResult(exitCode, log.Text(isError: false), log.Text(isError: true));
    }

    /// <summary>Sends SIGTERM, SIGINT, SIGHUP or SIGQUIT.</summary>
    public void Signal(PosixSignal signal) => _process.Signal(signal switch
    {
        PosixSignal.SIGTERM => Signals.Terminate,
        PosixSignal.SIGINT => Signals.Interrupt,
        PosixSignal.SIGHUP => Signals.HangUp,
        PosixSignal.SIGQUIT => Signals.Quit,
        _ => throw new ArgumentOutOfRangeException(nameof(signal), signal, "Not a signal that asks a process to end."),
    });

    /// <summary>SIGKILL; returns when the process is gone.</summary>
    public Task KillAsync() => _process.KillAsync();

    /// <summary>Freezes the process (SIGSTOP).</summary>
    public Task PauseAsync() => _process.PauseAsync();

    /// <summary>Lets a frozen process go on (SIGCONT).</summary>
    public Task ResumeAsync()
    {
        _process.Signal(Signals.Continue);
        return Task.CompletedTask;
    }

    /// <summary>SIGTERM, and SIGKILL when it still runs after that time.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> StopAsync(TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        await _process.StopAsync(timeout, cancellationToken);
        return _process.ExitCode;
    }

    /// <returns>The exit code.</returns>
    public async Task<int> WaitForExitAsync(CancellationToken cancellationToken = default)
    {
        await _process.WaitForExitAsync(cancellationToken);
        return _process.ExitCode;
    }

    /// <summary>Kills the process if it still runs.</summary>
    public ValueTask DisposeAsync() => _process.DisposeAsync();

    private async Task WaitForAnswerAsync(string path, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(StartTimeout);
        var last = "no answer yet";
        try
        {
            while (!HasExited)
            {
                try
                {
                    using var answer = await Http.GetAsync(new Uri(Address, path), deadline.Token);
                    if (answer.StatusCode == HttpStatusCode.OK)
                    {
                        return;
                    }

                    last = $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync(deadline.Token)}";
                }
                catch (HttpRequestException exception)
                {
                    last = exception.Message;
                }
                catch (OperationCanceledException) when (!deadline.IsCancellationRequested)
                {
                    last = $"no answer in {Http.Timeout.TotalSeconds:0} s"; // on a busy machine it may still answer
                }
                await Task.Delay(25, deadline.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new InvalidOperationException(
                $"The service does not answer {path} with 200 after {StartTimeout.TotalSeconds:0} s ({last}). "
                + $"Its last lines:\n{_process.Log.Tail(30)}");
        }
        throw new InvalidOperationException(
            $"The service ended at start with exit code {_process.ExitCode}. Its last lines:\n{_process.Log.Tail(30)}");
    }

    private static string FindBinary()
    {
        if (Environment.GetEnvironmentVariable(BinarySetting) is { Length: > 0 } named)
        {
            return Programs.IsExecutable(named)
                ? Path.GetFullPath(named)
                : throw new FileNotFoundException($"{BinarySetting} names {named}, which is not a program.");
        }

        // The build records where it put the service's assembly; its program lies beside it.
        var assembly = BuildFacts.Get("ServiceAssembly");
        var program = Path.ChangeExtension(assembly, OperatingSystem.IsWindows() ? ".exe" : null)!;
        return File.Exists(program)
            ? program
            : throw new FileNotFoundException(
                $"The service is not where it was built, {program}: build again, or name a program in {BinarySetting}.");
    }
}

/// <summary>Build metadata in the attributes of this assembly.</summary>
internal static class BuildFacts
{
    public static string Get(string key) =>
        typeof(BuildFacts).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().FirstOrDefault(fact => fact.Key == key)?.Value
        ?? throw new InvalidOperationException($"This build does not record its {key}.");
}
