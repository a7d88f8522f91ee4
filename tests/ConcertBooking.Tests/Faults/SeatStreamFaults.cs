using System.Net.Sockets;
using System.Text;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Faults;

/// <summary>Streams of seats without MySQL, and with a client that does not read.</summary>
public sealed class SeatStreamFaults : SharedRigTests
{
    [Test]
    public async Task MySqlAway_StreamStaysOpenWithHeartbeats_AndGoesOn()
    {
        await using var proxy = TcpProxy.OfMySql(Rig.Database.ConnectionString);
        await using var behind = await Rig.StartAsync(new Dictionary<string, string?>
        {
            [MySqlServers.Setting] = proxy.InPlaceOf(Rig.Database),
            ["Roles"] = "api", // the other instances' work goes on
        });
        var (show, unwatched) = (await Rig.Catalogue.AddShowAsync(seats: 3), await Rig.Catalogue.AddShowAsync());
        var visitor = await Rig.NewVisitorAsync(show);
        await using var watcher = await SeatWatcher.OpenAsync(behind.Api, show);
        proxy.Refuse = true;
        proxy.Cut();
        await visitor.HeldAsync(show, seatNo: 2);

        await Eventually.TrueAsync(() => watcher.Events.Comments > 0);
        await Assert.That(watcher.Events.IsSilent).IsTrue();
        await Assert.That(watcher.Events.Ended.IsCompleted).IsFalse();
        (await behind.Api.GetAsync(SeatWatcher.PathOf(unwatched))).ExpectProblem(503, "database_unavailable").ExpectRetryAfter();

        proxy.Refuse = false;
        await watcher.NextAsync(within: Eventually.Promised(seconds: 10));
        await Assert.That(watcher.Letters).IsEqualTo("AHA");
    }

    [Test]
    public async Task ClientThatDoesNotRead_IsDisconnected_OthersGoOn()
    {
        await using var instance = await Rig.StartAsync();
        var show = await Rig.Catalogue.AddShowAsync(seats: 100_000); // a snapshot that no buffer takes
        var visitor = await Rig.NewVisitorAsync(show);
        await using var watcher = await SeatWatcher.OpenAsync(instance.Api, show);
        using var client = new TcpClient { ReceiveBufferSize = 4_096 };
        await client.ConnectAsync(instance.Api.Address.Host, instance.Api.Address.Port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"GET {SeatWatcher.PathOf(show)} HTTP/1.1\r\nHost: a\r\n\r\n"));
        await Eventually.TrueAsync(async () => await instance.OpenSeatStreamsAsync() == 2);

        await visitor.HeldAsync(show, seatNo: 99_999);
        await watcher.NextAsync(within: Eventually.Promised(seconds: 1));

        await Eventually.TrueAsync(async () => await instance.OpenSeatStreamsAsync() == 1);
        await Assert.That(await ReadAsync(client)).IsLessThan(100_000);
        await Assert.That(watcher.Events.Ended.IsCompleted).IsFalse();
    }

    /// <returns>How many bytes came before the connection was cut.</returns>
    private static async Task<int> ReadAsync(TcpClient client)
    {
        var (buffer, total) = (new byte[16 * 1024], 0);
        try
        {
            for (var read = 1; read > 0; total += read)
            {
                read = await client.GetStream().ReadAsync(buffer);
            }
        }
        catch (IOException)
        {
            // Reset.
        }

        return total;
    }
}
