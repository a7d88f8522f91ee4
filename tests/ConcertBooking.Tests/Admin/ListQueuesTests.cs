using System.Text.Json;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Admin;

/// <summary>All queues with their counts, for those who watch a sale.</summary>
public sealed class ListQueuesTests : SharedRigTests
{
    [Test]
    public async Task ListQueues_Page_HasEveryQueueOnceByName()
    {
        var added = new List<string>();
        for (var index = 0; index < 3; index++)
        {
            added.Add(await Rig.Catalogue.AddQueueAsync());
        }

        var names = new List<string>();
        var cursor = "";
        do
        {
            var page = (await Rig.NewAdmin(Rig.B.Api).GetAsync($"/v1/admin/queues?limit=2&cursor={cursor}")).Expect(200);
            await Assert.That(page.Items()).Count().IsLessThanOrEqualTo(2);
            names.AddRange(page.Items().Select(static item => item.Value("queue")));
            cursor = page.Json.IsNull("nextCursor") ? null : page.Value("nextCursor");
        }
        while (cursor is not null);

        await Assert.That(names).IsEquivalentTo(names.Distinct().Order(StringComparer.Ordinal));
        await Assert.That(added.Except(names)).IsEmpty().Because("another instance knows a new queue at once");
    }

    [Test]
    public async Task ListQueues_CountsAreOfNow_AndAdmittedCountsOn()
    {
        var queue = Catalogue.NewQueueName();
        (await Rig.Catalogue.PutQueueAsync(queue, maxActive: 2, activeSeconds: 300)).Expect(200);
        await Assert.That((await ItemAsync(queue)).Number("etaSeconds")).IsEqualTo(0);
        for (var index = 0; index < 5; index++)
        {
            await Rig.NewVisitor(index % 2 == 0 ? Rig.A : Rig.B).EnteredAsync(queue);
        }

        var before = await ItemAsync(queue);
        before.ExpectMembers(
            "queue", "waiting", "active", "maxActive", "activeSeconds", "admitPerSecond", "admitted", "etaSeconds", "countedAt");
        await Assert.That((before.Number("waiting"), before.Number("active"), before.Number("admitted"))).IsEqualTo((3L, 2L, 2L));
        await Assert.That(before.IsNull("etaSeconds")).IsTrue().Because("nobody who waited was admitted yet");
        await Assert.That((before.Number("maxActive"), before.Number("activeSeconds"), before.Number("admitPerSecond")))
            .IsEqualTo((2L, 300L, 0L));

        (await Rig.Catalogue.PutQueueAsync(queue, maxActive: 4)).Expect(200);

        var after = await ItemAsync(queue);
        await Assert.That((after.Number("waiting"), after.Number("active"), after.Number("admitted"))).IsEqualTo((1L, 4L, 4L));
        await Assert.That(after.Number("etaSeconds")).IsGreaterThan(0);
        await Assert.That(after.Moment("countedAt")).IsGreaterThan(before.Moment("countedAt"));
    }

    [Test]
    [Arguments("limit=0")]
    [Arguments("limit=101")]
    [Arguments("cursor=Not%20a%20name")]
    public async Task ListQueues_MalformedPage_Returns400(string query) =>
        (await Rig.Admin.GetAsync($"/v1/admin/queues?{query}")).ExpectInvalid();

    private async Task<JsonElement> ItemAsync(string queue)
    {
        var before = $"{queue[..^1]}-"; // of all names the next one is the queue's
        var page = (await Rig.NewAdmin(Rig.B.Api).GetAsync($"/v1/admin/queues?limit=1&cursor={before}")).Expect(200);
        return page.Items().Single(item => item.Value("queue") == queue);
    }
}
