using System.Buffers.Binary;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;

namespace ConcertBooking.Http;

/// <summary>
/// Cursor pagination: an opaque cursor holds the list's letter and the sort key of the last item of the page. A cursor of
/// another list or an invalid one is refused; a forged one only moves within what its caller may see.
/// </summary>
internal static class Paging
{
    public const int DefaultLimit = 20;
    public const int MaximumLimit = 100;
    private const int Size = 1 + sizeof(long) + 16;

    /// <summary>The limit to use, or null when it is out of range.</summary>
    public static int? Limit(int? limit) => limit switch
    {
        null => DefaultLimit,
        >= 1 and <= MaximumLimit => limit,
        _ => null,
    };

    public static readonly Problem LimitProblem = Problem.Invalid("limit", $"Must be from 1 to {MaximumLimit}.");
    public static readonly Problem CursorProblem = Problem.Invalid("cursor", "Is not a cursor of this list.");

    /// <summary>For a route with both parameters: documents them and the problem.</summary>
    public static RouteHandlerBuilder WithPaging(this RouteHandlerBuilder route) =>
        route.WithLimit().WithParameter("cursor", "The `nextCursor` of the page before; without it the list starts.");

    /// <summary>For a route with a limit alone.</summary>
    public static RouteHandlerBuilder WithLimit(this RouteHandlerBuilder route) =>
        route.WithParameter("limit", $"How many items at most: 1 to {MaximumLimit}, by default {DefaultLimit}.")
            .WithProblems(LimitProblem);

    public static string Write(char list, long number, Guid id = default)
    {
        Span<byte> bytes = stackalloc byte[Size];
        bytes[0] = (byte)list;
        BinaryPrimitives.WriteInt64BigEndian(bytes[1..], number);
        id.TryWriteBytes(bytes[9..], bigEndian: true, out _);
        return Base64Url.EncodeToString(bytes);
    }

    /// <summary>Reads which page is asked for. Without a cursor the list starts at the given key.</summary>
    /// <param name="size">How many items.</param>
    /// <param name="key">After which.</param>
    public static bool TryRead(
        int? limit, string? cursor, char list, (long Number, Guid Id) start, out int size, out (long Number, Guid Id) key,
        [NotNullWhen(false)] out Problem? problem)
    {
        size = Limit(limit) ?? 0;
        var isCursor = TryRead(cursor, list, start, out key);
        problem = size == 0 ? LimitProblem : isCursor ? null : CursorProblem;
        return problem is null;
    }

    private static bool TryRead(string? cursor, char list, (long Number, Guid Id) start, out (long Number, Guid Id) key)
    {
        key = start;
        if (string.IsNullOrEmpty(cursor))
        {
            return true;
        }

        Span<byte> bytes = stackalloc byte[Size];
        if (!Base64UrlText.TryDecode(cursor, bytes, out var length) || length != Size || bytes[0] != list)
        {
            return false;
        }

        key = (BinaryPrimitives.ReadInt64BigEndian(bytes[1..]), new Guid(bytes[9..], bigEndian: true));
        return true;
    }

    /// <summary>The start of a list that is sorted by newest first.</summary>
    public static readonly Guid LastId = new("ffffffff-ffff-ffff-ffff-ffffffffffff");

    /// <summary>The last second that a TIMESTAMP can hold.</summary>
    public static readonly DateTime LastMoment = new(2038, 1, 19, 3, 14, 7, DateTimeKind.Utc);
}
