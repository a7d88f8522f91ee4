using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Races;

/// <summary>
/// A user pays in one tab what another tab adds to: a seat that was held can be paid, whatever the first payment did to the
/// place meanwhile.
/// </summary>
[NotInParallel]
public sealed class TwoTabs : SharedRigTests
{
    private const int Tries = 150;
    private const int MaximumDelay = 8; // ms

    [Test]
    public async Task PayFirstSeatWhileTheSecondIsHeld_TheSecondCanBePaid()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 2 * Tries, price: 10);
        var held = 0;
        for (var attempt = 0; attempt < Tries; attempt++)
        {
            var visitor = await Rig.NewVisitorAsync(show, points: 20);
            var first = await visitor.HeldAsync(show, seatNo: 1 + (2 * attempt));
            var otherTab = new Visitor(Rig.B.Api, visitor.UserId, visitor.AccessToken) { QueueToken = visitor.QueueToken };

            var paying = Eventually.AnsweredAsync(() => visitor.PayAsync(first, key: first));
            await Task.Delay(attempt % (MaximumDelay + 1));
            var second = await Eventually.AnsweredAsync(() => otherTab.HoldAsync(show, seatNo: 2 + (2 * attempt)));

            (await paying).Expect(201);
            if (!second.IsWon)
            {
                second.ExpectProblem(410, "queue_token_expired");
                continue;
            }

            held++;
            var reservation = second.Value("reservationId");
            (await Eventually.AnsweredAsync(() => otherTab.PayAsync(reservation, key: reservation))).Expect(201);
        }

        Console.WriteLine($"{held} of {Tries} second seats were held");
        await Assert.That(held).IsGreaterThan(0);
        await Assert.That(await Rig.Database.ScalarAsync<long>(
            "SELECT COUNT(*) FROM reservation WHERE schedule_id = @schedule AND status <> 'CONFIRMED'",
            ("@schedule", show.ScheduleId))).IsEqualTo(0);
        await Rig.VerifyAsync();
    }
}
