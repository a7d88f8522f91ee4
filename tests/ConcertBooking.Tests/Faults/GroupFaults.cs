using ConcertBooking.Tests.Races;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Faults;

/// <summary>Groups race for a hall while a server or an instance goes: no booking is left in part.</summary>
public sealed class GroupFaults : FaultTests
{
    private const int Seats = 500, Groups = 1000;

    [Test, Category("Long"), Explicit]
    public async Task Hold_ThousandGroupsWhileRedisIsStopped_NoPartialBooking()
    {
        await using var fleet = await GroupSale.StartFleetAsync(Rig);
        var sale = await GroupSale.OpenAsync(fleet, Seats, Groups);

        await sale.RunAsync(async () =>
        {
            await Rig.Servers.Redis.StopAsync();
            await sale.UntilAsync(0.75);
            await Rig.Servers.Redis.StartAsync();
        });
    }

    [Test, Category("Long"), Explicit]
    [Arguments(false)]
    [Arguments(true)]
    public async Task Hold_ThousandGroupsWhileMySqlIsRestarted_NoPartialBooking(bool killed)
    {
        await using var fleet = await GroupSale.StartFleetAsync(Rig);
        var sale = await GroupSale.OpenAsync(fleet, Seats, Groups);

        await sale.RunAsync(async () =>
        {
            await (killed ? Rig.Servers.MySql.KillAsync() : Rig.Servers.MySql.StopAsync());
            await Rig.Servers.MySql.StartAsync();
        });
    }

    [Test, Category("Long"), Explicit]
    public async Task Hold_ThousandGroupsWhileAnInstanceIsKilled_NoPartialBooking()
    {
        await using var fleet = await GroupSale.StartFleetAsync(Rig);
        var sale = await GroupSale.OpenAsync(fleet, Seats, Groups);

        await sale.RunAsync(async () =>
        {
            await fleet.Members[1].KillAsync();
            await sale.UntilAsync(0.75);
            await fleet.Members[1].StartAsync();
        });
    }
}
