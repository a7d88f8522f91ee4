namespace ConcertBooking.Tests.Support;

/// <summary>Who owns what, asked of the tables.</summary>
internal static class Owners
{
    /// <summary>Fails unless the seat has exactly one live reservation, the given one if one is given.</summary>
    public static async Task ExpectOneOwnerAsync(this Database database, Show show, int seatNo, string? reservationId)
    {
        var live = await database.ColumnAsync<Guid>(
            "SELECT reservation_id FROM reservation WHERE schedule_id = @schedule AND seat_no = @seat AND status IN ('HELD', 'CONFIRMED')",
            ("@schedule", show.ScheduleId), ("@seat", seatNo));
        if (live.Count != 1 || (reservationId is not null && live[0] != Guid.Parse(reservationId)))
        {
            Assert.Fail($"Seat {seatNo} should belong to {reservationId ?? "one reservation"} but belongs to [{string.Join(", ", live)}].");
        }
    }

    /// <summary>Payments and ledger rows of a user: how many, and their sum.</summary>
    public static async Task<(long Payments, long Uses, long Used)> SpentAsync(this Database database, long userId) => (
        await database.ScalarAsync<long>("SELECT COUNT(*) FROM payment WHERE user_id = @user", ("@user", userId)),
        await database.ScalarAsync<long>("SELECT COUNT(*) FROM point_tx WHERE user_id = @user AND type = 'USE'", ("@user", userId)),
        await database.ScalarAsync<long>(
            "SELECT CAST(COALESCE(SUM(amount), 0) AS SIGNED) FROM point_tx WHERE user_id = @user AND type = 'USE'", ("@user", userId)));
}
