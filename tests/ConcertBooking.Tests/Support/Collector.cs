using System.Net;
using System.Text;
using ConcertBooking.Servers;

namespace ConcertBooking.Tests.Support;

/// <summary>A span as a collector gets it; ids in hexadecimal, the parent's empty for a root.</summary>
internal sealed record Span(string TraceId, string Id, string ParentId, string Name, SpanKind Kind);

/// <summary>By OTLP's numbers.</summary>
internal enum SpanKind
{
    Unspecified, Internal, Server, Client, Producer, Consumer,
}

/// <summary>Takes OTLP over HTTP and keeps what comes.</summary>
internal sealed class Collector : IAsyncDisposable
{
    private readonly List<byte[]> _bodies = [];
    private readonly HttpReceiver _receiver;

    public Collector()
    {
        Address = $"http://127.0.0.1:{Ports.Take()}/";
        _receiver = new HttpReceiver(Address, TakeAsync);
    }

    public string Address { get; }

    /// <summary>The settings of an instance that sends its traces here, soon after they happen.</summary>
    public IReadOnlyDictionary<string, string?> Settings => new Dictionary<string, string?>
    {
        ["OTEL_EXPORTER_OTLP_ENDPOINT"] = Address,
        ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
        ["OTEL_BSP_SCHEDULE_DELAY"] = "200",
    };

    /// <summary>Undecoded: ids and names stand in them as they are.</summary>
    public IReadOnlyList<byte[]> Bodies
    {
        get
        {
            lock (_bodies)
            {
                return [.. _bodies];
            }
        }
    }

    public IReadOnlyList<Span> Spans(string traceId) =>
        [.. Bodies.SelectMany(static body => Otlp.Spans(body)).Where(span => span.TraceId == traceId)];

    public ValueTask DisposeAsync() => _receiver.DisposeAsync();

    private async Task TakeAsync(HttpListenerContext context)
    {
        using var body = new MemoryStream();
        await context.Request.InputStream.CopyToAsync(body);
        lock (_bodies)
        {
            _bodies.Add(body.ToArray());
        }

        context.Response.Close();
    }

    /// <summary>What the tests ask of opentelemetry/proto/collector/trace/v1: request 1 resource_spans, 2 scope_spans, 2 spans.</summary>
    private static class Otlp
    {
        private const int Varint = 0, Fixed64 = 1, Bytes = 2;

        public static IEnumerable<Span> Spans(byte[] request) =>
            from resource in Fields(request)
            where resource.Number == 1
            from scope in Fields(resource.Value)
            where scope.Number == 2
            from span in Fields(scope.Value)
            where span.Number == 2
            select ToSpan(Fields(span.Value).ToList());

        private static Span ToSpan(List<(int Number, byte[] Value)> fields)
        {
            return new Span(Hex(1), Hex(2), Hex(4), Encoding.UTF8.GetString(Value(5)), (SpanKind)(Value(6) is [var kind] ? kind : 0));

            byte[] Value(int number) => fields.Where(field => field.Number == number).Select(static field => field.Value).LastOrDefault([]);
            string Hex(int number) => Convert.ToHexStringLower(Value(number));
        }

        /// <summary>The fields of a message; a number's value is its encoding.</summary>
        private static IEnumerable<(int Number, byte[] Value)> Fields(byte[] message)
        {
            for (var at = 0; at < message.Length;)
            {
                var tag = ReadVarint(message, ref at);
                var start = at;
                switch (tag & 7)
                {
                    case Varint:
                        ReadVarint(message, ref at);
                        break;
                    case Fixed64:
                        at += 8;
                        break;
                    case Bytes:
                        var length = ReadVarint(message, ref at);
                        start = at;
                        at += length;
                        break;
                    default:
                        at += 4;
                        break;
                }
                yield return (tag >> 3, message[start..at]);
            }
        }

        private static int ReadVarint(byte[] message, ref int at)
        {
            var value = 0;
            for (var shift = 0; ; shift += 7)
            {
                var next = message[at++];
                value |= (next & 0x7F) << shift;
                if (next < 0x80)
                {
                    return value;
                }
            }
        }
    }
}
