using System.Diagnostics.CodeAnalysis;

namespace ConcertBooking.Admin;

/// <summary>The times of a schedule, in UTC with milliseconds; null where a body has none.</summary>
internal readonly record struct ScheduleTimes(DateTime? StartsAt, DateTime? SalesOpenAt, DateTime? SalesCloseAt);

internal static class AdminProblems
{
    public static readonly Problem QueueName = Problem.Invalid(
        "queue", $"Must be 1 to {QueueTokens.MaximumQueueName} lower-case letters, digits, - or _.");
    public static readonly Problem SalesCloseAt = Problem.Invalid("salesCloseAt", "Must be after salesOpenAt.");

    private static readonly string[] NotChangeable = ["Is not a member that this call changes."];

    /// <summary>The members that this call cannot change, by name; null when there is none.</summary>
    public static Problem? UnknownMembers(IPatch patch) => patch.Unknown is { Count: > 0 } unknown
        ? Problems.InvalidRequest.With(unknown.ToDictionary(static member => member.Key, static _ => NotChangeable))
        : null;

    /// <summary>The times of a body, or the problem with the first that cannot be stored.</summary>
    public static bool TryUtc(
        DateTimeOffset? startsAt, DateTimeOffset? salesOpenAt, DateTimeOffset? salesCloseAt, out ScheduleTimes times,
        [NotNullWhen(false)] out Problem? problem)
    {
        times = default;
        if (!TryUtc("startsAt", startsAt, out var starts, out problem)
            || !TryUtc("salesOpenAt", salesOpenAt, out var opens, out problem)
            || !TryUtc("salesCloseAt", salesCloseAt, out var closes, out problem))
        {
            return false;
        }

        times = new(starts, opens, closes);
        return true;
    }

    /// <summary>
    /// Times are stored in UTC with milliseconds. Rounded here, as MySQL would, so that the response equals what is stored, and
    /// the last valid time is not rounded to one that no column can hold.
    /// </summary>
    /// <param name="field">The member of the body, which the problem names.</param>
    /// <param name="utc">Null where the time is.</param>
    private static bool TryUtc(string field, DateTimeOffset? time, out DateTime? utc, [NotNullWhen(false)] out Problem? problem)
    {
        (utc, problem) = (null, null);
        if (time is not { } moment)
        {
            return true;
        }

        var milliseconds = (moment.UtcTicks + (TimeSpan.TicksPerMillisecond / 2)) / TimeSpan.TicksPerMillisecond;
        if (milliseconds <= DateTime.MaxValue.Ticks / TimeSpan.TicksPerMillisecond
            && new DateTime(milliseconds * TimeSpan.TicksPerMillisecond, DateTimeKind.Utc) is { Year: >= 2000 } rounded)
        {
            utc = rounded;
            return true;
        }

        problem = Problem.Invalid(field, "Must be a moment in UTC between the years 2000 and 9999.");
        return false;
    }
}
