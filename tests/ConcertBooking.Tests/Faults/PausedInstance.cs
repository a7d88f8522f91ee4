using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Faults;

/// <summary>An instance frozen in the middle of a hold, for longer than its short lock in Redis lives.</summary>
public sealed class PausedInstance : RedisFaultTests
{
    /// <summary>A holds the Redis lock, its statement waits at MySQL for a row: the transaction ends while A is frozen.</summary>
    [Test]
    public async Task Hold_InstancePausedAfterItAskedMySql_OneOwner()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 2);
        var show = await fleet.Catalogue.AddShowAsync(seats: 1);
        var (frozen, other) = (await fleet.NewVisitorAsync(show, member: 0), await fleet.NewVisitorAsync(show, member: 1));
        await using var blocker = await fleet.Database.OpenAsync();
        await using var transaction = await blocker.BeginTransactionAsync();
        await using (var seat = new MySqlCommand("SELECT seat_no FROM seat WHERE schedule_id = @schedule FOR UPDATE", blocker, transaction))
        {
            seat.Parameters.AddWithValue("@schedule", show.ScheduleId);
            await seat.ExecuteScalarAsync();
        }
        var first = Eventually.AnsweredAsync(() => frozen.HoldAsync(show)); // thawed, it may find its time over first: 503
        await fleet.Database.ExpectWaitingAsync();

        await fleet.Members[0].Instance.Process.PauseAsync();
        await transaction.RollbackAsync();
        await ExpectLockGoneAsync(show);
        var second = await other.HoldAsync(show);
        await fleet.Members[0].Instance.Process.ResumeAsync();

        var won = ((Reply[])[await first, second]).ExpectOneWinner(409, "seat_taken");
        await fleet.Database.ExpectOneOwnerAsync(show, 1, won.Value("reservationId"));
        await fleet.VerifyAsync();
    }

    /// <summary>A holds the Redis lock, its statement has not reached MySQL: B takes the seat, A must find it taken.</summary>
    [Test]
    public async Task Hold_InstancePausedBeforeItReachedMySql_TheOtherOwns()
    {
        await using var proxy = TcpProxy.OfMySql(Rig.Database.ConnectionString);
        await using var fleet = await Fleet.StartAsync(Rig, 2);
        var behind = await fleet.AddAsync((MySqlServers.Setting, proxy.InPlaceOf(fleet.Database)));
        var show = await fleet.Catalogue.AddShowAsync(seats: 1);
        var (frozen, other) = (await fleet.NewVisitorAsync(show), await fleet.NewVisitorAsync(show, member: 1));
        frozen.Api = behind.Api;
        proxy.Hold();
        var first = Eventually.AnsweredAsync(() => frozen.HoldAsync(show));
        await Eventually.TrueAsync(() => LockedAsync(show));

        await behind.Instance.Process.PauseAsync();
        await ExpectLockGoneAsync(show);
        var second = (await other.HoldAsync(show)).Expect(201);
        proxy.Release();
        await behind.Instance.Process.ResumeAsync();

        (await first).ExpectProblem(409, "seat_taken");
        await fleet.Database.ExpectOneOwnerAsync(show, 1, second.Value("reservationId"));
        await fleet.VerifyAsync();
    }

    private Task ExpectLockGoneAsync(Show show) => Eventually.TrueAsync(async () => !await LockedAsync(show));

    private async Task<bool> LockedAsync(Show show) => await Rig.SeatLockAsync(show) is not null;
}
