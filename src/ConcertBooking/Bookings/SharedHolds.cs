using System.Text.Json.Serialization;
using ConcertBooking.Reservations;
using MySqlConnector;

namespace ConcertBooking.Bookings;

/// <summary>
/// The holds of a crowd, many in one transaction (<see cref="TransactionBatcher{TRequest, TOutcome}"/>). The SQL is in
/// <see cref="SharedHoldSql"/>.
/// </summary>
internal sealed class SharedHolds(SharedTransactions shared, Settings settings)
{
    private readonly TransactionBatcher<SeatHold, SeatHolds.Outcome> _batcher = new(
        "hold", shared, (connection, holds, cancellationToken) => HoldAsync(connection, holds, settings, cancellationToken),
        static hold => hold.Keys);

    /// <inheritdoc cref="TransactionBatcher{TRequest, TOutcome}.RunAsync"/>
    public Task<SeatHolds.Outcome> RunAsync(SeatHold hold, Func<Task<SeatHolds.Outcome>> alone, Deadline deadline) =>
        _batcher.RunAsync(hold, alone, deadline);

    private static async Task<IReadOnlyList<SeatHolds.Outcome?>> HoldAsync(
        MySqlConnection connection, IReadOnlyList<SeatHold> holds, Settings settings, CancellationToken cancellationToken)
    {
        List<SharedHold> members = [.. holds.Select(static (hold, n) => SharedHold.Of(n, hold))];
        await using var command = SharedSql.Call(
            SharedHoldSql.Procedure, connection, members, SharedHoldJson.Default.ListSharedHold);
        command.Parameters.AddWithValue("@holdSeconds", (int)settings.Hold.TotalSeconds);
        command.Parameters.AddWithValue("@holdsPerUser", settings.HoldsPerUser);
        command.Parameters.AddWithValue("@purchasesPerUser", settings.PurchasesPerUser);
        command.Parameters.AddWithValue("@extensionsLeft", settings.HoldExtensions);
        var keys = members.Count(static member => member.Key is not null);
        command.Parameters.AddWithValue("@keys", keys);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var outcomes = new SeatHolds.Outcome?[holds.Count];
        if (keys < holds.Count)
        {
            var rows = new List<(int N, SeatRow Seat)>(holds.Count);
            while (await reader.ReadAsync(cancellationToken))
            {
                var n = reader.GetInt32(0);
                rows.Add((n, Read(reader, holds[n], Guid.Parse(members[n].Booking))));
            }

            foreach (var seats in rows.GroupBy(static row => row.N, static row => row.Seat))
            {
                outcomes[seats.Key] = new(null, [.. seats.OrderBy(static seat => seat.SeatNo)], IsNew: true);
            }

            await reader.NextResultAsync(cancellationToken);
        }

        while (keys > 0 && await reader.ReadAsync(cancellationToken))
        {
            outcomes[reader.GetInt32(0)] = new(null, [], IsNew: true, new StoredAnswer(reader.GetString(1), Replayed: false));
        }

        return outcomes;
    }

    /// <summary>A seat that was just held. What only refusals need to know is not read.</summary>
    private static SeatRow Read(MySqlDataReader row, SeatHold hold, Guid booking) => new(
        SeatNo: row.GetInt32(1), SeatPlace.Read(row, 7, row.GetInt32(1)), Sale: default, hold.Token.Queue, Exists: true,
        HasAllHolds: row.GetBoolean(5), HasAllPurchases: row.GetBoolean(6), Claim: row.GetGuid(2),
        new SeatReservation(
            Id: row.GetGuid(2), booking, hold.Token.UserId, Price: row.GetInt64(3), HeldUntil: row.GetDateTime(4),
            ReservationStatus.Held, IsOverdue: false, IsLasting: true, Extensions: 0, hold.SeatNos.Count));
}

/// <summary>A member of the procedure's array.</summary>
/// <param name="Last">The highest number of its seats.</param>
internal sealed record SharedHold(
    int N, long User, string Queue, long Schedule, int Count, int Last, string Booking, string Event, string? Traceparent,
    string? Key, string? Hash, string? Attempt, IReadOnlyList<SharedHoldSeat> Seats)
{
    public static SharedHold Of(int n, SeatHold hold)
    {
        var (booking, reservations) = hold.NewAttempt();
        return new(
            n, hold.Token.UserId, hold.Token.Queue, hold.ScheduleId, hold.SeatNos.Count, hold.SeatNos[^1], $"{booking:N}",
            $"{Guid.CreateVersion7():N}", hold.TraceParent, hold.Call?.Key,
            hold.Call is null ? null : Convert.ToHexString(hold.Call.BodyHash), hold.Call is null ? null : $"{hold.Call.NewAttempt():N}",
            [.. hold.SeatNos.Zip(reservations, static (seatNo, id) => new SharedHoldSeat(seatNo, $"{id:N}"))]);
    }
}

internal sealed record SharedHoldSeat(int No, string Id);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(List<SharedHold>))]
internal sealed partial class SharedHoldJson : JsonSerializerContext;
