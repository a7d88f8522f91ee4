namespace ConcertBooking.Queue;

internal enum PlaceStatus
{
    Gone,
    Waiting,
    Active,
    Full,
}

/// <summary>
/// A user's place. <paramref name="Position"/> is 1 for the next in line and 0 when active;
/// <paramref name="Pace"/> is how many waiting users are admitted per second, 0 while unknown;
/// <paramref name="Now"/> is Redis's clock in µs.
/// </summary>
internal readonly record struct Place(
    PlaceStatus Status, PlaceOrigin Origin, long Ticket, long AdmittedUntil, long Position, double Pace, long Now);

/// <param name="AdmitPerSecond">0: as many as there are places.</param>
/// <param name="Pace">How many waiting users are admitted per second, 0 while unknown.</param>
/// <param name="Admitted">All users that were admitted since the queue's data began, also those who did not have to wait.</param>
/// <param name="Now">Redis's clock in µs.</param>
internal readonly record struct QueueCounts(
    long Waiting, long Active, int MaxActive, int ActiveSeconds, int AdmitPerSecond, double Pace, long Admitted, long Now);

/// <summary>Where a place comes from.</summary>
internal enum PlaceOrigin
{
    Known,
    New,

    /// <summary>An admission restored from a token after Redis lost its data.</summary>
    Restored,
}

/// <summary>Gone and Active have the same numbers as in <see cref="PlaceStatus"/>: the scripts use one name for both.</summary>
internal enum PassStatus
{
    Gone,
    NotActive,
    Active,

    /// <summary>Admitted, but another user's hold of the seat is in progress or ended less than half a second ago.</summary>
    SeatBusy,
}
