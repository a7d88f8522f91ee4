namespace ConcertBooking.Admin;

internal static class AdminProblems
{
    public static readonly Problem QueueName = Problem.Invalid(
        "queue", $"Must be 1 to {QueueTokens.MaximumQueueName} lower-case letters, digits, - or _.");
    public static readonly Problem StartsAt = Problem.Invalid("startsAt", "Must be a moment in UTC between the years 2000 and 9999.");

    private static readonly string[] NotChangeable = ["Is not a member that this call changes."];

    /// <summary>The members that this call cannot change, by name; null when there is none.</summary>
    public static Problem? UnknownMembers(IPatch patch) => patch.Unknown is { Count: > 0 } unknown
        ? Problems.InvalidRequest.With(unknown.ToDictionary(static member => member.Key, static _ => NotChangeable))
        : null;

    /// <summary>
    /// Times are stored in UTC with milliseconds; one without a time zone is taken as UTC. Rounded here, as MySQL would, so that
    /// the response equals what is stored, and the last valid time is not rounded to one that no column can hold.
    /// </summary>
    public static bool TryUtc(DateTimeOffset moment, out DateTime utc)
    {
        var milliseconds = (moment.UtcTicks + (TimeSpan.TicksPerMillisecond / 2)) / TimeSpan.TicksPerMillisecond;
        if (milliseconds > DateTime.MaxValue.Ticks / TimeSpan.TicksPerMillisecond)
        {
            utc = default;
            return false;
        }

        utc = new DateTime(milliseconds * TimeSpan.TicksPerMillisecond, DateTimeKind.Utc);
        return utc.Year >= 2000;
    }
}
