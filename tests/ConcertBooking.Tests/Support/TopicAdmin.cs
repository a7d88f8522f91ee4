using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using ConcertBooking.DevHost.Servers;

namespace ConcertBooking.Tests.Support;

/// <summary>
/// A proxy before a mock cluster that adds what the mock lacks of a broker: CreateTopics, which it carries out, or
/// refuses as a broker does whose rules do not allow it. All else is passed on as it is.
/// </summary>
internal sealed class TopicAdmin : IAsyncDisposable
{
    private const short ApiVersions = 18, CreateTopics = 19;
    private const short TopicAuthorizationFailed = 29, UnsupportedVersion = 35, TopicAlreadyExists = 36;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly MockKafka _kafka;
    private readonly Uri _broker;
    private readonly Task _accepting;

    public TopicAdmin(MockKafka kafka)
    {
        _kafka = kafka;
        _broker = new Uri($"tcp://{kafka.ConnectionString}");
        _listener.Start();
        var port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        ConnectionString = $"127.0.0.1:{port}";
        kafka.Advertise("127.0.0.1", port);
        _accepting = AcceptAsync();
    }

    public string ConnectionString { get; }

    public bool Denies { get; set; }

    /// <summary>Partitions and replication factor of each topic that was created.</summary>
    public ConcurrentDictionary<string, (int Partitions, short Replicas)> Created { get; } = new();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _accepting;
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token));
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        using (var server = new TcpClient())
        {
            try
            {
                await server.ConnectAsync(_broker.Host, _broker.Port, _stop.Token);
                var extended = new ConcurrentDictionary<int, bool>();
                using var writing = new SemaphoreSlim(1);
                var requests = PassRequestsAsync(client.GetStream(), server.GetStream(), extended, writing);
                await Task.WhenAny(requests, PassResponsesAsync(server.GetStream(), client.GetStream(), extended, writing));
            }
            catch (Exception exception) when (exception is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // One side is gone, and so is the other.
            }
        }
    }

    private async Task PassRequestsAsync(Stream client, Stream broker, ConcurrentDictionary<int, bool> extended, SemaphoreSlim writing)
    {
        while (true)
        {
            var request = await KafkaFrames.ReadAsync(client, _stop.Token);
            var (api, version) = (BinaryPrimitives.ReadInt16BigEndian(request), BinaryPrimitives.ReadInt16BigEndian(request.AsSpan(2)));
            var id = BinaryPrimitives.ReadInt32BigEndian(request.AsSpan(4));
            if (api == ApiVersions && version > 0)
            {
                // Asks again with version 0, whose answer is easily added to.
                await WriteAsync(client, new Frame().Add(id).Add(UnsupportedVersion).Add(0).Bytes, writing);
            }
            else if (api == CreateTopics)
            {
                await WriteAsync(client, Create(new Reader(request)), writing);
            }
            else
            {
                extended[id] = api == ApiVersions;
                await WriteAsync(broker, request, null);
            }
        }
    }

    private async Task PassResponsesAsync(Stream broker, Stream client, ConcurrentDictionary<int, bool> extended, SemaphoreSlim writing)
    {
        while (true)
        {
            var response = await KafkaFrames.ReadAsync(broker, _stop.Token);
            if (extended.TryRemove(BinaryPrimitives.ReadInt32BigEndian(response), out var isVersions) && isVersions)
            {
                var count = BinaryPrimitives.ReadInt32BigEndian(response.AsSpan(6));
                BinaryPrimitives.WriteInt32BigEndian(response.AsSpan(6), count + 1);
                response = [.. response, .. new Frame().Add(CreateTopics).Add((short)0).Add((short)4).Bytes];
            }
            await WriteAsync(client, response, writing);
        }
    }

    /// <summary>Versions 2 to 4.</summary>
    private byte[] Create(Reader request)
    {
        request.Int16();
        request.Int16();
        var answer = new Frame().Add(request.Int32());
        request.Text();
        var topics = request.Int32();
        answer.Add(0).Add(topics);
        for (var topic = 0; topic < topics; topic++)
        {
            var (name, partitions, replicas) = (request.Text()!, request.Int32(), request.Int16());
            if (request.Int32() > 0 || request.Int32() > 0)
                throw new NotSupportedException("Assignments and configuration are not expected.");
            var error = Denies ? TopicAuthorizationFailed : Created.TryAdd(name, (partitions, replicas)) ? (short)0 : TopicAlreadyExists;
            if (error == 0)
                _kafka.CreateTopic(name, partitions);
            answer.Add(name).Add(error).Add((short)-1);
        }
        return answer.Bytes;
    }

    private async Task WriteAsync(Stream stream, byte[] frame, SemaphoreSlim? writing)
    {
        await (writing?.WaitAsync(_stop.Token) ?? Task.CompletedTask);
        await stream.WriteAsync((byte[])[.. new Frame().Add(frame.Length).Bytes, .. frame], _stop.Token);
        writing?.Release();
    }

    private sealed class Frame
    {
        private readonly List<byte> _bytes = [];

        public byte[] Bytes => [.. _bytes];

        public Frame Add(short value)
        {
            _bytes.AddRange([(byte)(value >> 8), (byte)value]);
            return this;
        }

        public Frame Add(int value) => Add((short)(value >> 16)).Add((short)value);

        public Frame Add(string value)
        {
            Add((short)value.Length);
            _bytes.AddRange(Encoding.ASCII.GetBytes(value));
            return this;
        }
    }

    private sealed class Reader(byte[] bytes)
    {
        private int _at;

        public short Int16() => BinaryPrimitives.ReadInt16BigEndian(bytes.AsSpan((_at += 2) - 2));

        public int Int32() => BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan((_at += 4) - 4));

        public string? Text()
        {
            var length = Int16();
            return length < 0 ? null : Encoding.ASCII.GetString(bytes, (_at += length) - length, length);
        }
    }
}
