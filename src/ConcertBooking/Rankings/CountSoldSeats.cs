using ConcertBooking.Events.Consuming;
using MySqlConnector;

namespace ConcertBooking.Rankings;

/// <summary>Counts paid seats in the ranking as their events arrive.</summary>
internal sealed class CountSoldSeats(Ranking ranking, MySqlDatabase database, ConsumerParts parts, ILogger<CountSoldSeats> logger)
    : EventConsumer("ranking", parts, logger)
{
    protected override Task TryAsync(IReadOnlyList<ReceivedEvent> events) => BatchAttempt.TryAsync(events, ApplyAsync);

    private async Task ApplyAsync(IReadOnlyList<ReceivedEvent> events)
    {
        var payments = events.Select(static received => received.Payment).OfType<PaymentCompleted>().ToList();
        if (payments.Count == 0)
        {
            return;
        }

        var seatCounts = await SeatCountsAsync([.. payments.Select(static payment => payment.ScheduleId).Distinct()]);
        await ranking.AddAsync(payments.SelectMany(payment => payment.Seats.Select(seat => new SoldSeat(
            payment.PaymentId, payment.ConcertId, payment.ScheduleId, seat.SeatNo, payment.PaidAt.UtcDateTime,
            seatCounts.TryGetValue(payment.ScheduleId, out var count)
                ? count
                : throw new EventRefusedException($"there is no schedule {payment.ScheduleId}")))).ToList());
    }

    private Task<Dictionary<long, int>> SeatCountsAsync(List<long> schedules) => database.RunAsync(
        async (connection, token) =>
        {
            await using var command = new MySqlCommand(
                $"SELECT schedule_id, seat_count FROM concert_schedule WHERE schedule_id IN ({string.Join(',', schedules)})", connection);
            await using var reader = await command.ExecuteReaderAsync(token);
            var counts = new Dictionary<long, int>();
            while (await reader.ReadAsync(token))
            {
                counts.Add(reader.GetInt64(0), reader.GetInt32(1));
            }

            return counts;
        },
        CancellationToken.None, MySqlLimits.Background);
}
