using System.Buffers.Binary;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using ConcertBooking.DevHost.Servers;

namespace ConcertBooking.Tests.Support;

/// <summary>
/// What a mock cluster lacks of a broker: a listener with TLS, and SASL's PLAIN where a user is named. The cluster sends
/// its clients here, so that each of their connections comes this way.
/// </summary>
internal sealed class TlsKafka : IAsyncDisposable
{
    private const short SaslHandshake = 17, ApiVersions = 18, SaslAuthenticate = 36;
    private const short AuthenticationFailed = 58;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly X509Certificate2 _certificate;
    private readonly byte[]? _credentials;
    private readonly Uri _broker;
    private readonly Task _accepting;
    private int _served, _refused;

    /// <param name="kafka">In this process.</param>
    /// <param name="certificates">Whose server's is shown.</param>
    /// <param name="user">With a password: nobody else is let in. Null: whoever speaks TLS is.</param>
    /// <param name="password">The user's.</param>
    public TlsKafka(MockKafka kafka, TestCertificates certificates, string? user = null, string? password = null)
    {
        _broker = new Uri($"tcp://{kafka.ConnectionString}");
        _certificate = certificates.Server();
        _credentials = user is null ? null : Encoding.UTF8.GetBytes($"\0{user}\0{password}");
        _listener.Start();
        var port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        ConnectionString = $"localhost:{port}";
        kafka.Advertise("localhost", port);
        _accepting = AcceptAsync();
    }

    public string ConnectionString { get; }

    /// <summary>Connections that were let through.</summary>
    public int Served => Volatile.Read(ref _served);

    /// <summary>Those whose user or password was wrong.</summary>
    public int Refused => Volatile.Read(ref _refused);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _accepting;
        _listener.Dispose();
        _certificate.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true)
                connections.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task ServeAsync(TcpClient connection)
    {
        using (connection)
        using (var server = new TcpClient())
        {
            try
            {
                await using var client = new SslStream(connection.GetStream());
                await client.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = _certificate }, _stop.Token);
                await server.ConnectAsync(_broker.Host, _broker.Port, _stop.Token);
                if (_credentials is not null && !await AuthenticateAsync(client, server.GetStream()))
                {
                    Interlocked.Increment(ref _refused);
                    return;
                }
                Interlocked.Increment(ref _served);
                await Task.WhenAny(client.CopyToAsync(server.GetStream(), _stop.Token), server.GetStream().CopyToAsync(client, _stop.Token));
            }
            catch (Exception exception) when (exception is IOException or SocketException or AuthenticationException or OperationCanceledException)
            {
                // Who does not speak TLS, does not believe the certificate, or has left.
            }
        }
    }

    /// <summary>Until the client has proved who it is; the mock answers what versions there are, and those of SASL are added.</summary>
    private async Task<bool> AuthenticateAsync(Stream client, Stream server)
    {
        while (true)
        {
            var request = await KafkaFrames.ReadAsync(client, _stop.Token);
            var (api, version) = (BinaryPrimitives.ReadInt16BigEndian(request), BinaryPrimitives.ReadInt16BigEndian(request.AsSpan(2)));
            var id = request.AsSpan(4, 4).ToArray();
            switch (api)
            {
                case ApiVersions:
                    await WriteAsync(server, request);
                    var answer = await KafkaFrames.ReadAsync(server, _stop.Token);
                    await WriteAsync(client, version == 0 ? WithSasl(answer) : answer);
                    break;
                case SaslHandshake:
                    await WriteAsync(client, [.. id, 0, 0, 0, 0, 0, 1, 0, 5, .. "PLAIN"u8]);
                    break;
                case SaslAuthenticate:
                    var isRight = request.AsSpan().EndsWith((byte[])[0, 0, 0, (byte)_credentials!.Length, .. _credentials]);
                    await WriteAsync(client, [.. id, 0, (byte)(isRight ? 0 : AuthenticationFailed), 255, 255, 0, 0, 0, 0]);
                    return isRight;
                default:
                    return false; // who asks for anything else has not signed in
            }
        }
    }

    /// <summary>An answer of version 0: id, error, count, and for each request its number and versions.</summary>
    private static byte[] WithSasl(byte[] answer)
    {
        BinaryPrimitives.WriteInt32BigEndian(answer.AsSpan(6), BinaryPrimitives.ReadInt32BigEndian(answer.AsSpan(6)) + 2);
        return [.. answer, 0, (byte)SaslHandshake, 0, 0, 0, 1, 0, (byte)SaslAuthenticate, 0, 0, 0, 0];
    }

    private async Task WriteAsync(Stream stream, byte[] frame)
    {
        var bytes = new byte[4 + frame.Length];
        BinaryPrimitives.WriteInt32BigEndian(bytes, frame.Length);
        frame.CopyTo(bytes, 4);
        await stream.WriteAsync(bytes, _stop.Token);
        await stream.FlushAsync(_stop.Token);
    }
}
