using System.Buffers;
using System.Buffers.Text;

namespace ConcertBooking.Http.Auth;

/// <summary>Base64url as clients hand it back to us: whatever is not it is refused, never an exception.</summary>
internal static class Base64UrlText
{
    /// <returns>False when the text is not base64url, or longer than the destination.</returns>
    public static bool TryDecode(string text, Span<byte> destination, out int length) =>
        Base64Url.DecodeFromChars(text, destination, out var read, out length) is OperationStatus.Done && read == text.Length;
}
