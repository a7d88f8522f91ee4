using System.Buffers.Binary;

namespace ConcertBooking.Tests.Support;

/// <summary>What goes over a connection to a broker: a length of four bytes, then a request or an answer of that length.</summary>
internal static class KafkaFrames
{
    public static async Task<byte[]> ReadAsync(Stream stream, CancellationToken cancellationToken)
    {
        var size = new byte[4];
        await stream.ReadExactlyAsync(size, cancellationToken);
        var frame = new byte[BinaryPrimitives.ReadInt32BigEndian(size)];
        await stream.ReadExactlyAsync(frame, cancellationToken);
        return frame;
    }

    public static async Task WriteAsync(Stream stream, byte[] frame, CancellationToken cancellationToken)
    {
        var bytes = new byte[4 + frame.Length];
        BinaryPrimitives.WriteInt32BigEndian(bytes, frame.Length);
        frame.CopyTo(bytes, 4);
        await stream.WriteAsync(bytes, cancellationToken);
        await stream.FlushAsync(cancellationToken);
    }
}
