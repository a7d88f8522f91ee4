using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Races;

/// <summary>Groups and single users want the same seats: a booking is whole at every moment, or not there.</summary>
[NotInParallel]
public sealed class GroupRaces : SharedRigTests
{
    [Test]
    public Task Hold_FiftyGroupsForThirtySeats_NoPartialBooking() => RunAsync(seats: 30, groups: 50);

    [Test, Category("Long"), Explicit]
    public Task Hold_ThousandGroupsForFiveHundredSeats_NoPartialBooking() => RunAsync(seats: 500, groups: 1000);

    private async Task RunAsync(int seats, int groups)
    {
        await using var fleet = await GroupSale.StartFleetAsync(Rig);
        var sale = await GroupSale.OpenAsync(fleet, seats, groups);
        await sale.RunAsync();
    }
}
