using System.Buffers;
using System.Buffers.Text;

namespace ConcertBooking.Http.Auth;

/// <summary>Decodes base64url received from clients; invalid text is refused without an exception.</summary>
internal static class Base64UrlText
{
    /// <returns>False when the text is not base64url, or longer than the destination.</returns>
    public static bool TryDecode(string text, Span<byte> destination, out int length) =>
        Base64Url.DecodeFromChars(text, destination, out var read, out length) is OperationStatus.Done && read == text.Length;
}
