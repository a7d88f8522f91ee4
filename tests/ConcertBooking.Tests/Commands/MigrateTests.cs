using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Commands;

/// <summary>The procedures of a build are named by their text, and stay behind when the build goes.</summary>
public sealed class MigrateTests : SharedRigTests
{
    private const string Older = "hold_seat_0123456789ab", Foreign = "report_of_the_month";

    [Test]
    public async Task Prune_ProceduresOfAnotherBuild_AreDroppedAndNoOthers()
    {
        var database = await Rig.AddDatabaseAsync();
        var own = await ProceduresAsync(database);
        await database.ExecuteAsync($"CREATE PROCEDURE {Older}() SELECT 1");
        await database.ExecuteAsync($"CREATE PROCEDURE {Foreign}() SELECT 1");

        var kept = await MigrateAsync(database);
        await Assert.That(kept.Output).Contains("nothing to do");
        await Assert.That(await ProceduresAsync(database)).IsEquivalentTo([.. own, Older, Foreign]);

        var pruned = await MigrateAsync(database, "--prune");
        await Assert.That(pruned.Output).Contains($"dropping {Older}").And.DoesNotContain("nothing to do");
        await Assert.That(await ProceduresAsync(database)).IsEquivalentTo([.. own, Foreign]);

        await Assert.That((await MigrateAsync(database, "--prune")).Output).Contains("nothing to do");
    }

    [Test]
    [Arguments("--purge")]
    [Arguments("--prune", "now")]
    public async Task Migrate_ArgumentUnknown_ChangesNothing(params string[] arguments)
    {
        var database = await Rig.AddDatabaseAsync(migrate: false);

        var result = await Rig.RunAsync(["migrate", .. arguments], database.Settings);

        await Assert.That(result.ExitCode).IsEqualTo(2);
        await Assert.That(result.Error).Contains("--prune");
        await Assert.That(await database.ScalarAsync<long>(
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()")).IsEqualTo(0);
    }

    private async Task<ServiceResult> MigrateAsync(Database database, params string[] arguments)
    {
        var result = await Rig.RunAsync(["migrate", .. arguments], database.Settings);
        await Assert.That(result.ExitCode).IsEqualTo(0).Because(result.Error);
        return result;
    }

    private static Task<IReadOnlyList<string>> ProceduresAsync(Database database) => database.ColumnAsync<string>(
        "SELECT routine_name FROM information_schema.routines WHERE routine_schema = DATABASE()");
}
