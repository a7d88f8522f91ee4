using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Rankings;

/// <summary>MySQL is restored from a backup: what was sold since never happened, and is not ranked any more.</summary>
[ParallelLimiter<ThreeAtOnce>]
public sealed class RestoreTests : SharedRigTests
{
    [Test]
    public async Task Rankings_MySqlRestoredWhileSalesGoOn_LoseWhatNeverHappenedAndNothingElse()
    {
        await using var rig = await EventRig.StartAsync(Rig);
        using var onCall = new OnCall("Restore from a backup", rig.Fleet, new Dictionary<string, string?>());
        var (kept, other) = (await rig.Fleet.Catalogue.AddShowAsync(seats: 4), await rig.Fleet.Catalogue.AddShowAsync(seats: 50));
        await rig.SellAsync(kept, seats: 2);
        await rig.SellAsync(other, seats: 1);
        await Eventually.TrueAsync(async () => await rig.RankedAsync(kept) == 2 && await rig.RankedAsync(other) == 1);
        var lost = await rig.SellAsync(kept, seats: 2, from: 3);
        await Eventually.TrueAsync(async () => await rig.RankedAsync(kept) == 4 && (await SoldOutAsync(rig)).Contains(kept.ScheduleId));

        // No restore is done in a second.
        await Eventually.TrueAsync(
            async () => await rig.Database.ScalarAsync<long>("SELECT TIMESTAMPDIFF(SECOND, MAX(created_at), NOW(6)) FROM payment") > 1);
        await RestoreAsync(rig.Database, lost);
        using var stop = new CancellationTokenSource();
        var selling = SellOnAsync();
        await Eventually.GetAsync(
            () => rig.RankedAsync(kept),
            ranked => ranked == 2 || (ranked is 4 or -1 ? false : throw new InvalidOperationException($"{ranked} were ranked in between")));
        await stop.CancelAsync();
        var sold = await selling;

        await Eventually.GetAsync(() => rig.RankedAsync(other), ranked => ranked == 1 + sold);
        await Eventually.TrueAsync(async () => !(await SoldOutAsync(rig)).Contains(kept.ScheduleId));
        await Assert.That(await rig.RankedAsync(kept)).IsEqualTo(2);
        await Assert.That(await onCall.ShellAsync(3)).Contains("\"seatsSold\":2");

        async Task<int> SellOnAsync()
        {
            var count = 0;
            for (; !stop.IsCancellationRequested && count < 45; count++)
            {
                await rig.SellAsync(other, seats: 1, from: 2 + count);
            }

            return count;
        }
    }

    /// <summary>
    /// A dump is made while seats are sold, more are sold, and MySQL is lost. Redis and Kafka know of sales that never
    /// happened then, and Kafka delivers no event twice whose effect the dump does not have.
    /// </summary>
    [Test]
    public async Task Backup_DumpedDuringASale_IsRestoredBesideAYoungerRedisAndKafka()
    {
        await using var rig = await EventRig.StartAsync(Rig);
        using var backup = new OnCall("Backup", rig.Fleet, Rig.Settings);
        using var restore = new OnCall("Restore from a backup", rig.Fleet, Rig.Settings);
        var folder = Directory.CreateTempSubdirectory("concert-booking-backup-");
        try
        {
            var service = await DocumentedGrants.GrantAsync(rig.Database, DocumentedGrants.Service);
            var clients = await MySqlClientsAsync();
            foreach (var (onCall, user) in ((OnCall, Database)[])[(backup, service), (restore, rig.Database)])
            {
                onCall.Environment["PATH"] = $"{clients}:{onCall.Environment["PATH"]}";
                onCall.Environment["database"] = new MySqlConnectionStringBuilder(rig.Database.ConnectionString).Database;
                onCall.Environment["backup"] = Path.Combine(folder.FullName, "backup.sql.gz");
                onCall.Environment["login"] = Path.Combine(folder.FullName, $"{user == service}.cnf");
                await File.WriteAllTextAsync(onCall.Environment["login"]!, OptionFile(user));
            }
            var show = await rig.Fleet.Catalogue.AddShowAsync(seats: 500);
            var waiting = await rig.Fleet.NewVisitorAsync(show, points: show.Price);
            var paid = new List<(Visitor Visitor, string ReservationId, int SeatNo, string Key)>();
            using var stop = new CancellationTokenSource();
            var selling = SellOnAsync();
            await Eventually.TrueAsync(() => Sold() >= 10);

            await backup.ShellAsync(1);
            await backup.ShellAsync(2);
            var atBackup = Sold();
            await Eventually.TrueAsync(() => Sold() >= atBackup + 10);
            await stop.CancelAsync();
            await selling;
            await rig.ExpectEffectsOnceAsync(show, paid.Count);
            await rig.ExpectNoLagAsync();
            await rig.Fleet.StopAsync();

            await restore.ShellAsync(1, DocumentedGrants.Migrate);
            await restore.SqlAsync(2);
            await rig.Fleet.Members[0].StartAsync();
            await restore.ShellAsync(3);

            var kept = await rig.Database.ScalarAsync<long>("SELECT COUNT(*) FROM payment");
            await Assert.That(kept).IsBetween(10, paid.Count - 10);
            await Eventually.GetAsync(() => rig.RankedAsync(show), ranked => ranked == kept);
            await Eventually.TrueAsync(async () => await rig.Database.ScalarAsync<long>("SELECT COUNT(*) FROM outbox") == 0);
            // The events that waited at the time of the dump are sent again and counted now.
            await Eventually.GetAsync(rig.SeatsSoldAsync, sold => sold == kept);
            await rig.ExpectNoLagAsync();
            await Assert.That(await rig.RankedAsync(show)).IsEqualTo(kept);
            // The seat that was sold last is for sale again, to somebody who was in the line before.
            var lost = paid[^1];
            (await lost.Visitor.GetAsync($"/v1/reservations/{lost.ReservationId}")).ExpectProblem(404, "reservation_not_found");
            // Redis remembers that the place ended with the payment.
            (await lost.Visitor.PayAsync(lost.ReservationId, lost.Key)).ExpectProblem(410, "queue_token_expired");
            (await waiting.PayAsync(await waiting.HeldAsync(show, lost.SeatNo))).Expect(201);
            await Eventually.GetAsync(rig.SeatsSoldAsync, sold => sold == kept + 1);
            await rig.Fleet.VerifyAsync();
            TestContext.Current!.Output.WriteLine($"{atBackup} of {paid.Count} payments at the end of the dump, {kept} in it");

            int Sold()
            {
                lock (paid)
                {
                    return paid.Count;
                }
            }

            async Task SellOnAsync()
            {
                for (var seatNo = 1; seatNo <= 490 && !stop.IsCancellationRequested; seatNo++)
                {
                    var visitor = await rig.Fleet.NewVisitorAsync(show, points: show.Price);
                    var (reservationId, key) = (await visitor.HeldAsync(show, seatNo), Visitor.NewKey());
                    (await visitor.PayAsync(reservationId, key)).Expect(201);
                    lock (paid)
                    {
                        paid.Add((visitor, reservationId, seatNo, key));
                    }
                }
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Those that came with the server, or else Debian's: MariaDB's do not read all of MySQL.</summary>
    /// <returns>The folder of mysql and mysqldump.</returns>
    private static async Task<string> MySqlClientsAsync()
    {
        if (Environment.GetEnvironmentVariable(MySqlServers.ProgramSetting) is { Length: > 0 } server
            && Path.GetDirectoryName(server) is { } folder && File.Exists(Path.Combine(folder, "mysqldump")))
        {
            return folder;
        }
        var found = await Apt.FindOrInstallAsync(Apt.MariaDbClient, progress: null, CancellationToken.None);
        Skip.When(found is null, "There is no mysqldump here.");
        return Path.GetDirectoryName(found!)!;
    }

    private static string OptionFile(Database user)
    {
        var connection = new MySqlConnectionStringBuilder(user.ConnectionString);
        return $"[client]\nhost={connection.Server}\nport={connection.Port}\nuser={connection.UserID}\npassword={connection.Password}\n";
    }

    /// <summary>As the tables were before these were held.</summary>
    private static async Task RestoreAsync(Database database, IReadOnlyList<string> reservations)
    {
        var ids = string.Join(',', reservations.Select(id => $"X'{id.Replace("-", "", StringComparison.Ordinal)}'"));
        await database.ExecuteAsync($"""
            SET FOREIGN_KEY_CHECKS = 0;
            DELETE t FROM point_tx t JOIN payment p ON t.reference = p.payment_id WHERE p.reservation_id IN ({ids});
            DELETE FROM payment WHERE reservation_id IN ({ids});
            UPDATE seat SET reservation_id = NULL WHERE reservation_id IN ({ids});
            DELETE FROM outbox WHERE event_key IN ({ids});
            DELETE FROM reservation WHERE reservation_id IN ({ids});
            DELETE FROM booking WHERE booking_id IN ({ids});
            SET FOREIGN_KEY_CHECKS = 1
            """);
    }

    private static async Task<List<long>> SoldOutAsync(EventRig rig)
    {
        var reply = await rig.Fleet[0].GetAsync("/v1/rankings/sold-out");
        return reply.Status != 200 ? [] : [.. reply.Json.GetProperty("items").EnumerateArray().Select(
            static item => item.Number("scheduleId"))];
    }
}
