using System.Buffers.Binary;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using ConcertBooking.Servers;

namespace ConcertBooking.Tests.Support;

/// <summary>
/// What a mock cluster lacks of a broker: a listener with TLS, and SASL's PLAIN where a user is named.
/// </summary>
internal sealed class TlsKafka : BrokerProxy
{
    private const short SaslHandshake = 17, ApiVersions = 18, SaslAuthenticate = 36;
    private const short AuthenticationFailed = 58;

    private readonly X509Certificate2 _certificate;
    private readonly byte[]? _credentials;
    private int _served, _refused;

    /// <param name="kafka">In this process.</param>
    /// <param name="certificate">The server's.</param>
    /// <param name="user">With a password: nobody else is let in. Null: whoever speaks TLS is.</param>
    /// <param name="password">The user's.</param>
    public TlsKafka(MockKafka kafka, X509Certificate2 certificate, string? user = null, string? password = null) : base(kafka, "localhost")
    {
        _certificate = certificate;
        _credentials = user is null ? null : Encoding.UTF8.GetBytes($"\0{user}\0{password}");
    }

    /// <summary>Connections that were let through.</summary>
    public int Served => Volatile.Read(ref _served);

    /// <summary>Those whose user or password was wrong.</summary>
    public int Refused => Volatile.Read(ref _refused);

    protected override async Task ServeAsync(Stream client, Stream broker, CancellationToken stop)
    {
        await using var secure = new SslStream(client);
        await secure.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = _certificate }, stop);
        if (_credentials is not null && !await AuthenticateAsync(secure, broker, stop))
        {
            Interlocked.Increment(ref _refused);
            return;
        }
        Interlocked.Increment(ref _served);
        await Task.WhenAny(secure.CopyToAsync(broker, stop), broker.CopyToAsync(secure, stop));
    }

    /// <summary>Until the client has proved who it is; the mock answers what versions there are, and those of SASL are added.</summary>
    private async Task<bool> AuthenticateAsync(Stream client, Stream broker, CancellationToken stop)
    {
        while (true)
        {
            var request = await KafkaFrames.ReadAsync(client, stop);
            var (api, version) = (BinaryPrimitives.ReadInt16BigEndian(request), BinaryPrimitives.ReadInt16BigEndian(request.AsSpan(2)));
            var id = request.AsSpan(4, 4).ToArray();
            switch (api)
            {
                case ApiVersions:
                    await KafkaFrames.WriteAsync(broker, request, stop);
                    var answer = await KafkaFrames.ReadAsync(broker, stop);
                    await KafkaFrames.WriteAsync(client, version == 0 ? WithSasl(answer) : answer, stop);
                    break;
                case SaslHandshake:
                    await KafkaFrames.WriteAsync(client, [.. id, 0, 0, 0, 0, 0, 1, 0, 5, .. "PLAIN"u8], stop);
                    break;
                case SaslAuthenticate:
                    var isRight = request.AsSpan().EndsWith((byte[])[0, 0, 0, (byte)_credentials!.Length, .. _credentials]);
                    await KafkaFrames.WriteAsync(
                        client, [.. id, 0, (byte)(isRight ? 0 : AuthenticationFailed), 255, 255, 0, 0, 0, 0], stop);
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
}
