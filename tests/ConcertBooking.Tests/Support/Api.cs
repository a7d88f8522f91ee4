using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;

namespace ConcertBooking.Tests.Support;

/// <summary>Plain HTTP to one address of one instance. All share one connection pool.</summary>
public sealed class Api(Uri address)
{
    /// <summary>The service closes a connection that has sent nothing for longer.</summary>
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(5);

    private static readonly HttpClient Http = new(new SocketsHttpHandler
    {
        // A test's own activity would make all its requests one trace.
        ActivityHeadersPropagator = null,
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,
        UseCookies = false,
        UseProxy = false,
        PooledConnectionIdleTimeout = Idle,
        ConnectCallback = ConnectAsync,
    })
    { Timeout = TimeSpan.FromSeconds(30) };

    public Uri Address { get; } = address;

    public Task<Reply> GetAsync(string path, params (string Name, string Value)[] headers) =>
        SendAsync(HttpMethod.Get, path, null, headers);

    /// <param name="method">Any, also a wrong one.</param>
    /// <param name="path">With its query.</param>
    /// <param name="json">Sent as it is; null for no body.</param>
    /// <param name="headers">Sent as they are, unchecked. <c>Content-Type</c> replaces the body's.</param>
    public async Task<Reply> SendAsync(HttpMethod method, string path, string? json = null, params (string Name, string Value)[] headers)
    {
        while (true)
        {
            try
            {
                return await SendOnceAsync(method, path, json, headers);
            }
            catch (HttpRequestException exception) when (exception.InnerException is IdleConnectionException)
            {
                // Nothing was sent; the next connection is a new one.
            }
        }
    }

    private async Task<Reply> SendOnceAsync(HttpMethod method, string path, string? json, (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, new Uri(Address, path));
        if (json is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(json))
            {
                Headers = { ContentType = new MediaTypeHeaderValue("application/json") },
            };
        }

        foreach (var (name, value) in headers)
        {
            if (name == "Content-Type")
            {
                request.Content!.Headers.Remove(name);
                request.Content.Headers.TryAddWithoutValidation(name, value);
            }
            else
            {
                request.Headers.TryAddWithoutValidation(name, value);
            }
        }

        using var response = await Http.SendAsync(request);
        var body = await response.Content.ReadAsByteArrayAsync();
        return new Reply(method, request.RequestUri!, (int)response.StatusCode, response.Headers, response.Content.Headers, body);
    }

    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
            return new Connection(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>
    /// On a busy machine a connection may be <see cref="Idle"/> from its beginning until its first request: a crowd that opens
    /// thousands comes to some of them late. The client would send on it at the moment when the service closes it.
    /// </summary>
    private sealed class Connection(Socket socket) : NetworkStream(socket, ownsSocket: true)
    {
        private readonly long _opened = Stopwatch.GetTimestamp();
        private bool _isUsed;

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (!_isUsed && Stopwatch.GetElapsedTime(_opened) > Idle)
            {
                throw new IdleConnectionException();
            }

            _isUsed = true;
            return base.WriteAsync(buffer, cancellationToken);
        }
    }

    private sealed class IdleConnectionException : IOException;
}
