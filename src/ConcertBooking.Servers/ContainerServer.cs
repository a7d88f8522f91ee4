using System.Diagnostics;
using Docker.DotNet;
using Docker.DotNet.Models;
using DotNet.Testcontainers.Configurations;
using DotNet.Testcontainers.Containers;

namespace ConcertBooking.Servers;

/// <summary>What to start in a container, and how to probe that it answers.</summary>
internal sealed record ContainerPlan(
    string Name, IContainer Container, string ConnectionString, Func<CancellationToken, Task> ProbeAsync)
{
    /// <summary>Keeps the data when the container is removed; null: they are removed with it.</summary>
    public string? Volume { get; init; }
}

/// <summary>A server in a container of its own, reachable on a fixed port of this machine.</summary>
internal sealed class ContainerServer : Server
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(2);

    private readonly DockerClient _docker;
    private readonly ContainerPlan _plan;
    private readonly int _port;
    private string _id = "";
    private bool _answered, _volumeIsNew;

    private ContainerServer(DockerClient docker, ContainerPlan plan, int port) => (_docker, _plan, _port) = (docker, plan, port);

    public override string ConnectionString => _plan.ConnectionString;

    public override string Description =>
        $"{_plan.Name} (container {_id[..12]}, image {_plan.Container.Image.FullName}, port {_port})";

    /// <summary>Where published ports are: this machine, unless the Docker engine is elsewhere.</summary>
    internal static string Host { get; private set; } = "127.0.0.1";

    /// <returns>The running server; null, with the reason reported as progress, when it cannot be started.</returns>
    internal static async Task<Server?> TryStartAsync(
        string image, Func<int, ContainerPlan> plan, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        if (await DockerEngine.ClientAsync() is not { } docker || !await docker.HasImageAsync(image, progress, cancellationToken))
        {
            return null;
        }

        Host = TestcontainersSettings.DockerHostOverride is { Length: > 0 } host ? host : "127.0.0.1";
        var port = Ports.Take();
        var server = new ContainerServer(docker, plan(port), port);
        try
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            deadline.CancelAfter(StartTimeout);
            await server.CreateAsync(deadline.Token);
            await server.WaitAsync(deadline.Token);
            server.KeepVolume();
            return server;
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            var reason = exception.Message.ReplaceLineEndings(" ").Trim();
            progress?.Report($"{image} did not start in a container ({reason}); looking elsewhere.");
            await server.DisposeAsync();
            return null;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    public override async Task StartAsync(CancellationToken cancellationToken = default)
    {
        await _docker.Containers.StartContainerAsync(_id, new ContainerStartParameters(), cancellationToken);
        await WaitAsync(cancellationToken);
    }

    public override Task StopAsync(CancellationToken cancellationToken = default) =>
        _docker.Containers.StopContainerAsync(
            _id, new ContainerStopParameters { WaitBeforeKillSeconds = 30 }, cancellationToken);

    public override async Task KillAsync(CancellationToken cancellationToken = default)
    {
        await _docker.Containers.KillContainerAsync(_id, new ContainerKillParameters(), cancellationToken);
        await _docker.Containers.WaitContainerAsync(_id, cancellationToken);
    }

    public override Task PauseAsync(CancellationToken cancellationToken = default) =>
        _docker.Containers.PauseContainerAsync(_id, cancellationToken);

    public override Task ResumeAsync(CancellationToken cancellationToken = default) =>
        _docker.Containers.UnpauseContainerAsync(_id, cancellationToken);

    public override async ValueTask DisposeAsync()
    {
        if (_plan.Volume is not null && _answered)
        {
            await StopAsync(); // time to flush the data
        }

        await _plan.Container.DisposeAsync();
        if (_id.Length > 0)
        {
            Watchdog.Remove(WatchedKind.Container, _id);
        }

        if (_volumeIsNew && !_answered)
        {
            await DropVolumeAsync();
        }
    }

    /// <summary>
    /// Never gives up before the engine has answered with the container's id: cancelling that request would not keep
    /// the engine from creating the container, and without its id it could not be removed.
    /// </summary>
    private async Task CreateAsync(CancellationToken cancellationToken)
    {
        if (_plan.Volume is not null && !await _docker.HasVolumeAsync(_plan.Volume, cancellationToken))
        {
            _volumeIsNew = true;
            Watchdog.Add(WatchedKind.Volume, _plan.Volume);
        }

        var created = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _plan.Container.Created += (_, _) =>
        {
            _id = _plan.Container.Id;
            Watchdog.Add(WatchedKind.Container, _id);
            created.TrySetResult();
        };

        using var giveUp = new CancellationTokenSource();
        var start = _plan.Container.StartAsync(giveUp.Token);
        try
        {
            await start.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAny(created.Task, start);
            await giveUp.CancelAsync();
            await start.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
    }

    // A partial database in a new volume would be mistaken for a complete one at the next start.
    private async Task DropVolumeAsync()
    {
        await _docker.TryRemoveVolumeAsync(_plan.Volume!, CancellationToken.None);
        Watchdog.Remove(WatchedKind.Volume, _plan.Volume!);
    }

    private void KeepVolume()
    {
        _answered = true;
        if (_volumeIsNew)
        {
            Watchdog.Remove(WatchedKind.Volume, _plan.Volume!);
        }
    }

    private async Task WaitAsync(CancellationToken cancellationToken)
    {
        var waited = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                await _plan.ProbeAsync(cancellationToken);
                return;
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                if (waited.Elapsed > StartTimeout)
                {
                    throw new InvalidOperationException(
                        $"{Description} does not answer after {StartTimeout.TotalSeconds:0} s.", exception);
                }
            }
            await Task.Delay(100, cancellationToken);
        }
    }
}
