using System.Diagnostics;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Measurements;

/// <summary>A long outage is over: how fast what has waited is sent.</summary>
[Category("Measurement"), Explicit, NotInParallel]
public sealed class DrainMeasurements : SharedRigTests
{
    private const int Waiting = 20_000;

    /// <summary>
    /// What half a processor can do is told from the processor time that the instance took, everything in it: relay,
    /// consumers, producer, and the calls it goes on answering.
    /// </summary>
    [Test]
    public async Task Drain_TwentyThousandWaiting_TwoThousandASecondInHalfAProcessor()
    {
        await using var rig = await EventRig.StartAsync(Rig, changes: ("Notifications__WebhookUrl", null));
        var show = await rig.Fleet.Catalogue.AddShowAsync(seats: 20);
        await rig.SellAsync(show, seats: 10); // warms up
        await Eventually.GetAsync(rig.SeatsSoldAsync, sold => sold == 10);
        await rig.Kafka.KillAsync();
        await Eventually.TrueAsync(
            async () => (await rig.Fleet[0].GetAsync("/readyz")).Json.GetProperty("checks").Value("kafka") == "down");
        await FillAsync(rig.Database, show);

        var processId = rig.Fleet.Members[0].Instance.Process.ProcessId;
        await rig.Kafka.StartAsync();
        await Eventually.TrueAsync(async () => await LeftAsync(rig) < Waiting);
        var (started, left, used) = (Stopwatch.GetTimestamp(), await LeftAsync(rig), ProcessorTime(processId));
        var visitor = rig.Fleet.NewVisitor();
        while (await LeftAsync(rig) > 0 && Stopwatch.GetElapsedTime(started) < TimeSpan.FromSeconds(60))
        {
            (await rig.Fleet[0].GetAsync($"/v1/schedules/{show.ScheduleId}/seats")).Expect(200);
            (await visitor.GetAsync("/v1/points")).Expect(200);
        }
        var elapsed = Stopwatch.GetElapsedTime(started);
        var processor = ProcessorTime(processId) - used;

        var inHalf = left / Math.Max(processor.TotalSeconds * 2, elapsed.TotalSeconds);
        var possible = left / (processor.TotalSeconds * 2);
        TestContext.Current!.Output.WriteLine(
            $"{left} events in {elapsed.TotalSeconds:0.0} s and {processor.TotalSeconds:0.0} s of processor: {possible:0} a "
                + $"second in half a processor ({inHalf:0} here)");
        await Assert.That(possible).IsGreaterThan(2000);
    }

    private static Task<long> LeftAsync(EventRig rig) => rig.Database.ScalarAsync<long>("SELECT COUNT(*) FROM outbox");

    /// <summary>Payments with all that belongs to them, and their events, as if they had been made while Kafka was away.</summary>
    private static async Task FillAsync(Database database, Show show)
    {
        const int Seats = Waiting / 2;
        await database.ExecuteAsync(
            "INSERT INTO concert_schedule (concert_id, starts_at, price, seat_count) VALUES (@concert, '2035-01-01', 10, @seats)",
            ("@concert", show.ConcertId), ("@seats", Seats));
        var scheduleId = await database.ScalarAsync<long>("SELECT MAX(schedule_id) FROM concert_schedule");
        for (var from = 0; from < Seats; from += 500)
        {
            var numbers = Enumerable.Range(from + 1, 500)
                .Select(seat => (Seat: seat, Reservation: Guid.CreateVersion7(), Payment: Guid.CreateVersion7())).ToList();
            await database.ExecuteAsync(
                "INSERT INTO booking (booking_id, user_id, schedule_id, status, held_expires_at) VALUES "
                    + $"{Rows(numbers, n => $"({Hex(n.Reservation)},1,{scheduleId},'CONFIRMED',NOW())")}");
            await database.ExecuteAsync(
                "INSERT INTO reservation (reservation_id, booking_id, payment_id, user_id, schedule_id, seat_no, status, price, "
                    + "held_expires_at) VALUES " + Rows(numbers, n =>
                        $"({Hex(n.Reservation)},{Hex(n.Reservation)},{Hex(n.Payment)},1,{scheduleId},{n.Seat},'CONFIRMED',10,NOW())"));
            await database.ExecuteAsync(
                "INSERT INTO payment (payment_id, booking_id, reservation_id, user_id, amount) VALUES "
                    + $"{Rows(numbers, n => $"({Hex(n.Payment)},{Hex(n.Reservation)},{Hex(n.Reservation)},1,10)")}");
            await AddEventsAsync("reservations", "booking.held.v1", n => $$"""
                {"bookingId":"{{n.Reservation}}","userId":1,"concertId":{{show.ConcertId}},"scheduleId":{{scheduleId}},
                "seats":[{"reservationId":"{{n.Reservation}}","seatNo":{{n.Seat}},"price":10}],"heldUntil":"2030-01-01T00:00:00.000000Z"}
                """);
            await AddEventsAsync("payments", "payment.completed.v2", n => $$"""
                {"paymentId":"{{n.Payment}}","bookingId":"{{n.Reservation}}","userId":1,"concertId":{{show.ConcertId}},
                "scheduleId":{{scheduleId}},"seats":[{"reservationId":"{{n.Reservation}}","seatNo":{{n.Seat}},"price":10}],
                "amount":10,"paidAt":"{{DateTime.UtcNow:yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'}}"}
                """);

            Task AddEventsAsync(string topic, string type, Func<(int Seat, Guid Reservation, Guid Payment), string> payload) =>
                database.ExecuteAsync("INSERT INTO outbox (event_id, topic, event_type, event_key, payload) VALUES " + Rows(
                    numbers,
                    n => $"({Hex(Guid.CreateVersion7())},'concert-booking.{topic}','{type}',{Hex(n.Reservation)},'{payload(n)}')"));
        }
    }

    private static string Rows<T>(IEnumerable<T> rows, Func<T, string> sql) => string.Join(',', rows.Select(sql));

    private static string Hex(Guid id) => $"X'{Convert.ToHexString(id.ToByteArray(bigEndian: true))}'";

    private static TimeSpan ProcessorTime(int processId)
    {
        using var process = Process.GetProcessById(processId);
        return process.TotalProcessorTime;
    }
}
