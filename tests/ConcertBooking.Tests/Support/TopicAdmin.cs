using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Text;
using ConcertBooking.Servers;

namespace ConcertBooking.Tests.Support;

/// <summary>
/// A proxy before a mock cluster that adds what the mock lacks of a broker: CreateTopics, which it carries out, or
/// refuses as a broker does whose rules do not allow it. All else is passed on as it is.
/// </summary>
internal sealed class TopicAdmin(MockKafka kafka) : BrokerProxy(kafka)
{
    private const short ApiVersions = 18, CreateTopics = 19;
    private const short TopicAuthorizationFailed = 29, UnsupportedVersion = 35, TopicAlreadyExists = 36;

    private readonly MockKafka _kafka = kafka;

    public bool Denies { get; set; }

    /// <summary>Partitions and replication factor of each topic that was created.</summary>
    public ConcurrentDictionary<string, (int Partitions, short Replicas)> Created { get; } = new();

    protected override async Task ServeAsync(Stream client, Stream broker, CancellationToken stop)
    {
        var extended = new ConcurrentDictionary<int, bool>();
        using var writing = new SemaphoreSlim(1);
        await Task.WhenAny(
            PassRequestsAsync(client, broker, extended, writing, stop), PassResponsesAsync(broker, client, extended, writing, stop));
    }

    private async Task PassRequestsAsync(
        Stream client, Stream broker, ConcurrentDictionary<int, bool> extended, SemaphoreSlim writing, CancellationToken stop)
    {
        while (true)
        {
            var request = await KafkaFrames.ReadAsync(client, stop);
            var (api, version) = (BinaryPrimitives.ReadInt16BigEndian(request), BinaryPrimitives.ReadInt16BigEndian(request.AsSpan(2)));
            var id = BinaryPrimitives.ReadInt32BigEndian(request.AsSpan(4));
            if (api == ApiVersions && version > 0)
            {
                // Asks again with version 0, whose answer is easily added to.
                await WriteAsync(client, new Frame().Add(id).Add(UnsupportedVersion).Add(0).Bytes, writing, stop);
            }
            else if (api == CreateTopics)
            {
                await WriteAsync(client, Create(new Reader(request)), writing, stop);
            }
            else
            {
                extended[id] = api == ApiVersions;
                await KafkaFrames.WriteAsync(broker, request, stop);
            }
        }
    }

    private static async Task PassResponsesAsync(
        Stream broker, Stream client, ConcurrentDictionary<int, bool> extended, SemaphoreSlim writing, CancellationToken stop)
    {
        while (true)
        {
            var response = await KafkaFrames.ReadAsync(broker, stop);
            if (extended.TryRemove(BinaryPrimitives.ReadInt32BigEndian(response), out var isVersions) && isVersions)
            {
                var count = BinaryPrimitives.ReadInt32BigEndian(response.AsSpan(6));
                BinaryPrimitives.WriteInt32BigEndian(response.AsSpan(6), count + 1);
                response = [.. response, .. new Frame().Add(CreateTopics).Add((short)0).Add((short)4).Bytes];
            }
            await WriteAsync(client, response, writing, stop);
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
            {
                throw new NotSupportedException("Assignments and configuration are not expected.");
            }

            var error = Denies ? TopicAuthorizationFailed : Created.TryAdd(name, (partitions, replicas)) ? (short)0 : TopicAlreadyExists;
            if (error == 0)
            {
                _kafka.CreateTopic(name, partitions);
            }

            answer.Add(name).Add(error).Add((short)-1);
        }
        return answer.Bytes;
    }

    private static async Task WriteAsync(Stream stream, byte[] frame, SemaphoreSlim writing, CancellationToken stop)
    {
        await writing.WaitAsync(stop);
        await KafkaFrames.WriteAsync(stream, frame, stop);
        writing.Release();
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
