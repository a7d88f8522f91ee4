using System.Text.Json;

namespace ConcertBooking.Http;

/// <summary>
/// The body of a PATCH request. Other requests ignore unknown members; a PATCH refuses them, since a change that is not made
/// must not be answered with success.
/// </summary>
internal interface IPatch
{
    Dictionary<string, JsonElement>? Unknown { get; }
}
