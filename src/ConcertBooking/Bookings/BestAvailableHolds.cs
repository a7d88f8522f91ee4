using System.Diagnostics;
using ConcertBooking.Queue;

namespace ConcertBooking.Bookings;

/// <summary>
/// Holds the best available seats, once for an idempotency key: a search in this instance's picture of the seats, then a hold of
/// just these, all or none (<see cref="SeatHolds"/>). After a lost race it searches again, a few times.
/// </summary>
internal sealed class BestAvailableHolds(SeatPictures pictures, SeatHolds holds, IdempotentAnswers answers, Metrics metrics)
{
    private const int MaximumAttempts = 5;

    /// <exception cref="DatabaseUnavailableException">MySQL did not answer in time.</exception>
    public async Task<IResult> HoldAsync(QueueToken token, long scheduleId, SeatWish wish, IdempotentCall call)
    {
        var deadline = MySqlLimits.Request; // for all attempts together
        var since = Stopwatch.GetTimestamp(); // what is refused must be true after this moment
        var kept = pictures.Of(scheduleId);
        for (var losses = 0; losses < MaximumAttempts; losses++)
        {
            await kept.RefreshAsync(deadline);
            if (Refuse(kept.Picture.Plan, wish) is { } refusal)
            {
                return refusal;
            }

            var choice = kept.Picture.Choose(wish, losses, asReported: false);
            if (choice.SeatNos is [])
            {
                // The picture may be old, or others are about to take the last places, and may not get them.
                await kept.RefreshAsync(deadline, since);
                choice = kept.Picture.Choose(wish, losses, asReported: true);
            }

            if (choice.SeatNos is [])
            {
                return await answers.FindAsync(call) ?? Refuse(kept.Picture.Plan, choice.FreeSeats, wish, token);
            }

            var held = await HoldAsync(kept.Picture, choice.SeatNos, token, scheduleId, call, deadline);
            if (held.Remembered is { } answer)
            {
                return answer;
            }

            // Another booking has the seats, perhaps one of this user, or they have gone from the schedule.
            if (held.Refusal is { Code: var code } other && code != Problems.SeatTaken.Code && code != Problems.SeatNotFound.Code)
            {
                return other;
            }

            metrics.BestAvailableLost();
            since = Stopwatch.GetTimestamp();
        }

        return Problems.SeatTaken.With("Others took the seats that were found, again and again; try again.");
    }

    private async Task<SeatHolds.Outcome> HoldAsync(
        SeatPicture picture, IReadOnlyList<int> seatNos, QueueToken token, long scheduleId, IdempotentCall call, Deadline deadline)
    {
        IReadOnlySet<int> taken = new HashSet<int>();
        try
        {
            var held = await holds.HoldAsync(new(token, scheduleId, seatNos, call), deadline);
            taken = held.Seats.Count == 0
                ? seatNos.ToHashSet() // reserved without the seats' rows
                : held.Seats.Where(static seat => seat.Reservation is { IsLive: true } || !seat.Exists)
                    .Select(static seat => seat.SeatNo).ToHashSet();
            return held;
        }
        finally
        {
            picture.Settle(seatNos, taken);
        }
    }

    /// <summary>Null where seats can be searched for.</summary>
    private static Problem? Refuse(SchedulePlan? plan, SeatWish wish) => plan switch
    {
        null => Problems.ScheduleNotFound,
        _ when wish.Section is not null && !plan.Rows.Any(row => row.Section == wish.Section) =>
            Problem.Invalid("bestAvailable.section", "The schedule has no such section."),
        _ when wish.Grade is not null && !plan.Rows.Any(wish.Matches) => Problem.Invalid(
            "bestAvailable.grade", wish.Section is null ? "The schedule has no such grade." : "The section has no such grade."),
        _ => null,
    };

    /// <summary>Why there is no place, as the picture was after the request came.</summary>
    private static Problem Refuse(SchedulePlan? plan, int freeSeats, SeatWish wish, QueueToken token) => plan switch
    {
        null => Problems.ScheduleNotFound,
        _ when plan.Queue != token.Queue => Problems.QueueTokenNotActive,
        { Sale.Refusal: { } refusal } => refusal,
        _ when freeSeats >= wish.Count => Problems.NoSeatsTogether,
        _ => Problems.SoldOut.With(freeSeats == 0 ? Problems.SoldOut.Title : $"Only {freeSeats} of these seats are left."),
    };
}
