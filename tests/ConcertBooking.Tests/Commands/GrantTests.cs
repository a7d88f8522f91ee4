using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Commands;

/// <summary>The rights that deploy/security.md lists are enough, for each of its two users.</summary>
public sealed class GrantTests : SharedRigTests
{
    [Test]
    public async Task DocumentedRights_MigrateAndServe_AreEnough()
    {
        var database = await Rig.AddDatabaseAsync(migrate: false);
        var (migrate, service) = (
            await DocumentedGrants.GrantAsync(database, DocumentedGrants.Migrate),
            await DocumentedGrants.GrantAsync(database, DocumentedGrants.Service));

        foreach (var _ in (int[])[1, 2])
        {
            var migrated = await Rig.RunAsync(["migrate"], migrate.Settings);
            await Assert.That(migrated.ExitCode).IsEqualTo(0).Because(migrated.Error);
        }
        await using var instance = await Rig.StartAsync(service.Settings);
        var admin = new Visitor(instance.Api, Rig.Admin.UserId, Rig.Admin.AccessToken);
        var show = await new Catalogue(admin).AddShowAsync();
        var user = await Rig.NewVisitor(instance).AdmittedAsync(show);
        (await user.ChargeAsync(show.Price)).Expect(201);
        var released = await user.HeldAsync(show, 2);
        (await user.ReleaseAsync(released)).Expect(204);
        (await user.PayAsync(await user.HeldAsync(show))).Expect(201);
        foreach (var command in (string[])["seed", "verify"])
        {
            var result = await Rig.RunAsync([command], service.Settings);
            await Assert.That(result.ExitCode).IsEqualTo(0).Because(result.Output + result.Error);
        }
    }
}
