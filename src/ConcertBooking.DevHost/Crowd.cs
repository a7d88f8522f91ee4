using System.Diagnostics;

namespace ConcertBooking.DevHost;

/// <summary>Simulated buyers who use a running service for a minute, so that the page shows a real sale.</summary>
internal sealed class Crowd(CrowdOptions options, Screen screen)
{
    private const string Queue = "main";

    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1), Report = TimeSpan.FromSeconds(1);

    /// <returns>The exit code: 0 when every buyer was answered as the contract says.</returns>
    public async Task<int> RunAsync(CancellationToken stop)
    {
        try
        {
            using var api = new CrowdApi(options.Service);
            if (!await api.AnswersAsync(stop))
            {
                throw new HostException(
                    $"No service answers at {options.Service}; start it in another terminal: "
                    + "dotnet run --project src/ConcertBooking.DevHost");
            }

            return await JoinAsync(api, stop);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return 130;
        }
        catch (HostException exception)
        {
            screen.Write(exception.Message);
            return 1;
        }
    }

    private async Task<int> JoinAsync(CrowdApi api, CancellationToken stop)
    {
        var shows = await CrowdShows.FindAsync(api, Queue, stop);
        // New users each time: those of an earlier crowd may still have a place, holds or points.
        var firstUser = Random.Shared.NextInt64(1_000_000, 2_000_000_000);
        var adminToken = await CrowdBuyer.SignInAsync(api, firstUser, admin: true, stop);
        var tally = new CrowdTally(options.Buyers);
        await using (var line = await CrowdLine.OpenAsync(api, Queue, options.Buyers, adminToken, stop))
        {
            screen.Write($"""
                {options.Buyers} buyers come to {options.Service} for {options.Stay.TotalSeconds:0} s; Ctrl-C sends them away.
                Half of them want seats of "{shows.Favourite.Title}", the others of any of {shows.Count} shows.
                Join them at {options.Service}#/show/{shows.Favourite.ScheduleId}
                The queue "{Queue}" admits {line.Places} at a time{(line.IsSmaller ? " meanwhile" : "")}.

                """);
            var plan = new CrowdPlan(Queue, shows, options.Stay / Minute);
            await Task.WhenAll(BuyAsync(api, plan, tally, firstUser + 1, stop));
        }

        screen.Write(tally.Summary());
        return tally.HasFaults ? 1 : 0;
    }

    private async Task BuyAsync(CrowdApi api, CrowdPlan plan, CrowdTally tally, long firstUser, CancellationToken stop)
    {
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(stop);
        // The last sixth is for leaving: visitors in line behind the crowd are admitted before the time is over.
        leave.CancelAfter(options.Stay * 5 / 6);
        var buyers = Task.WhenAll(Enumerable.Range(0, options.Buyers).Select(async index =>
        {
            // A rush at first, then fewer and fewer, over half of the time.
            var share = (double)index / options.Buyers;
            await new CrowdBuyer(api, plan, tally, firstUser + index).RunAsync(options.Stay / 2 * share * share, leave.Token);
        }));
        while (!buyers.IsCompleted)
        {
            await Task.WhenAny(buyers, Task.Delay(Report, CancellationToken.None));
            screen.Write(tally.Progress());
        }

        await buyers;
    }
}
