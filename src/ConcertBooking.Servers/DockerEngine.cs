using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using Docker.DotNet;
using Docker.DotNet.Models;
using DotNet.Testcontainers.Configurations;

namespace ConcertBooking.Servers;

/// <summary>The Docker engine of this machine, if one answers.</summary>
internal static class DockerEngine
{
    private const string SocketFile = "/var/run/docker.sock";

    // What Testcontainers' reaper is called when nothing else is configured.
    private const string ReaperImage = "testcontainers/ryuk:0.14.0";

    // A firewall that drops packets would otherwise hold a pull for minutes.
    private static readonly TimeSpan PullIdleTimeout = TimeSpan.FromSeconds(8), PullTimeout = TimeSpan.FromMinutes(15);

    private static readonly Lazy<Task<DockerClient?>> Client = new(ConnectAsync);

    /// <summary>Null when there is no engine.</summary>
    public static Task<DockerClient?> ClientAsync() => Client.Value;

    /// <returns>Whether the image is available; it is pulled if necessary.</returns>
    public static async Task<bool> HasImageAsync(
        this DockerClient docker, string image, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        try
        {
            await docker.Images.InspectImageAsync(image, cancellationToken);
            return true;
        }
        catch (DockerImageNotFoundException)
        {
            return await docker.TryPullAsync(image, progress, cancellationToken);
        }
    }

    public static async Task<bool> HasVolumeAsync(this DockerClient docker, string volume, CancellationToken cancellationToken)
    {
        try
        {
            await docker.Volumes.InspectAsync(volume, cancellationToken);
            return true;
        }
        catch (DockerApiException exception) when (exception.StatusCode == HttpStatusCode.NotFound)
        {
            return false;
        }
    }

    /// <returns>False when there was none.</returns>
    public static async Task<bool> TryRemoveVolumeAsync(this DockerClient docker, string volume, CancellationToken cancellationToken)
    {
        try
        {
            await docker.Volumes.RemoveAsync(volume, force: false, cancellationToken);
            return true;
        }
        catch (DockerApiException exception) when (exception.StatusCode == HttpStatusCode.NotFound)
        {
            return false;
        }
    }

    private static async Task<bool> TryPullAsync(
        this DockerClient docker, string image, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        progress?.Report($"docker pull {image}");
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var limit = new Timer(_ => deadline.Cancel(), null, PullTimeout, Timeout.InfiniteTimeSpan);
        deadline.CancelAfter(PullIdleTimeout);
        string? error = null;
        try
        {
            var parts = image.Split(':');
            await docker.Images.CreateImageAsync(
                new ImagesCreateParameters { FromImage = parts[0], Tag = parts[1] },
                new AuthConfig(),
                new Synchronous<JSONMessage>(message =>
                {
                    error ??= message.Error?.Message;
                    deadline.CancelAfter(PullIdleTimeout);
                }),
                deadline.Token);
        }
        catch (Exception exception) when (exception is DockerApiException or HttpRequestException or IOException
            || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            error ??= exception switch
            {
                OperationCanceledException => "the registry does not answer",
                DockerApiException refusal => refusal.ResponseBody ?? refusal.Message,
                _ => exception.Message,
            };
        }

        if (error is null)
        {
            return true;
        }

        progress?.Report($"{image} is not available and cannot be pulled ({error.ReplaceLineEndings(" ").Trim()}): looking elsewhere.");
        return false;
    }

    private static async Task<DockerClient?> ConnectAsync()
    {
        try
        {
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(5));
            await AgreeOnVersionAsync(deadline.Token);
            // The first access to these settings tries every possible endpoint of an engine, without a timeout of its own.
            var endpoint = await Task.Run(() => TestcontainersSettings.OS.DockerEndpointAuthConfig, deadline.Token)
                .WaitAsync(deadline.Token);
            if (endpoint is null)
            {
                return null;
            }

            var docker = endpoint.GetDockerClientBuilder(Guid.NewGuid()).Build();
            await docker.System.PingAsync(deadline.Token);
            if (endpoint.Endpoint.Scheme is "unix" or "npipe" && !File.Exists("/.dockerenv"))
            {
                TestcontainersSettings.DockerHostOverride ??= "127.0.0.1";
            }

            await PrepareReaperAsync(docker, deadline.Token);
            return docker;
        }
        catch (Exception exception) when (exception is DockerApiException or HttpRequestException or IOException or SocketException
            or OperationCanceledException or TimeoutException or ArgumentException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>
    /// Testcontainers requests a fixed API version, which an engine older than Docker 25 refuses; this selects the
    /// engine's own.
    /// </summary>
    private static async Task AgreeOnVersionAsync(CancellationToken cancellationToken)
    {
        const string VersionSetting = "DOCKER_API_VERSION";
        if (!File.Exists(SocketFile)
            || Environment.GetEnvironmentVariable("DOCKER_HOST") is { Length: > 0 }
            || Environment.GetEnvironmentVariable(VersionSetting) is { Length: > 0 })
        {
            return;
        }

        using var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, token) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(SocketFile), token);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        using var http = new HttpClient(handler);
        using var answer = await http.GetAsync(new Uri("http://docker/_ping"), cancellationToken);
        if (Header(answer.Headers, "Api-Version") is { } text
            && System.Version.TryParse(text, out var version) && version < new System.Version(1, 44))
        {
            Environment.SetEnvironmentVariable(VersionSetting, text);
        }
    }

    private static string? Header(HttpResponseHeaders headers, string name) =>
        headers.TryGetValues(name, out var values) ? values.FirstOrDefault() : null;

    /// <summary>Without its image the reaper would fail every start; it is disabled then, and our watchdog does its work.</summary>
    private static async Task PrepareReaperAsync(DockerClient docker, CancellationToken cancellationToken)
    {
        if (!TestcontainersSettings.ResourceReaperEnabled)
        {
            return;
        }

        var image = TestcontainersSettings.ResourceReaperImage?.FullName ?? ReaperImage;
        try
        {
            await docker.Images.InspectImageAsync(image, cancellationToken);
        }
        catch (DockerImageNotFoundException)
        {
            TestcontainersSettings.ResourceReaperEnabled = false;
        }
    }

    // Progress<T> would report from another thread, after the pull has returned.
    private sealed class Synchronous<T>(Action<T> report) : IProgress<T>
    {
        public void Report(T value) => report(value);
    }
}
