using System.Text.Json;

namespace ConcertBooking.Http;

/// <summary>
/// The body of a PATCH. Elsewhere members that a call does not know are ignored; a change that is not made must not be
/// answered as if it were.
/// </summary>
internal interface IPatch
{
    Dictionary<string, JsonElement>? Unknown { get; }
}
