using System.Text.Json;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Concerts;

public sealed class ListConcertsTests : SharedRigTests
{
    [Test]
    public async Task ListConcerts_PageByPage_ShowsEachOnce()
    {
        var queue = await Rig.Catalogue.AddQueueAsync();
        var mine = new List<long>();
        for (var index = 0; index < 3; index++)
        {
            mine.Add(await Rig.Catalogue.AddConcertAsync(queue, $"Concert {index}"));
        }

        var all = await AllAsync(Rig.B.Api, until: items => items.Count(item => item.Value("queue") == queue) == 3);

        var ids = all.Select(item => item.Number("concertId")).ToList();
        await Assert.That(ids.Distinct().Count()).IsEqualTo(ids.Count);
        await Assert.That(ids.Where(mine.Contains)).IsEquivalentTo(mine);
        var first = all.Single(item => item.Number("concertId") == mine[0]);
        first.ExpectMembers("concertId", "title", "queue");
        await Assert.That(first.Value("title")).IsEqualTo("Concert 0");
        await Assert.That(first.Value("queue")).IsEqualTo(queue);
    }

    [Test]
    public async Task ListConcerts_WithLimit_HasAsManyAndACursor()
    {
        var queue = await Rig.Catalogue.AddQueueAsync();
        await Rig.Catalogue.AddConcertAsync(queue);
        await Rig.Catalogue.AddConcertAsync(queue);

        var page = await Eventually.GetAsync(
            () => Rig.A.Api.GetAsync("/v1/concerts?limit=1"), page => !page.Expect(200).Json.IsNull("nextCursor"), TimeSpan.FromSeconds(1));
        page.ExpectMembers("items", "nextCursor");
        var next = (await Rig.A.Api.GetAsync($"/v1/concerts?limit=1&cursor={page.Value("nextCursor")}")).Expect(200);

        await Assert.That(page.Items()).Count().IsEqualTo(1);
        await Assert.That(next.Items()).Count().IsEqualTo(1);
        await Assert.That(next.Items()[0].Number("concertId")).IsNotEqualTo(page.Items()[0].Number("concertId"));
    }

    [Test]
    [Arguments("limit=0", "limit")]
    [Arguments("limit=-1", "limit")]
    [Arguments("limit=1000000", "limit")]
    [Arguments("limit=ten", null)]
    [Arguments("limit=99999999999", null)]
    [Arguments("cursor=x", "cursor")]
    [Arguments("cursor=%00", "cursor")]
    [Arguments("cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "cursor")]
    [Arguments("cursor=!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!", "cursor")]
    public async Task ListConcerts_InvalidQuery_Returns400(string query, string? field)
    {
        var reply = (await Rig.A.Api.GetAsync($"/v1/concerts?{query}")).ExpectProblem(400, "invalid_request");

        if (field is not null)
        {
            reply.ExpectInvalid(field);
        }
    }

    [Test]
    public async Task ListConcerts_CursorOfAnotherList_Returns400()
    {
        var visitor = Rig.NewVisitor();
        (await visitor.ChargeAsync(1)).Expect(201);
        (await visitor.ChargeAsync(2)).Expect(201);
        var cursor = (await visitor.GetAsync("/v1/points/transactions?limit=1")).Expect(200).Value("nextCursor");

        (await Rig.A.Api.GetAsync($"/v1/concerts?cursor={cursor}")).ExpectInvalid("cursor");
    }

    /// <summary>All pages; again from the start until they hold what must come, which may take a second.</summary>
    internal static Task<List<JsonElement>> AllAsync(Api api, Func<List<JsonElement>, bool> until) => Eventually.GetAsync(
        async () =>
        {
            var all = new List<JsonElement>();
            string? cursor = null;
            do
            {
                var page = (await api.GetAsync(cursor is null ? "/v1/concerts?limit=7" : $"/v1/concerts?limit=7&cursor={cursor}"))
                    .Expect(200);
                all.AddRange(page.Items());
                cursor = page.Json.GetProperty("nextCursor").GetString();
            }
            while (cursor is not null);
            return all;
        },
        until,
        TimeSpan.FromSeconds(1));
}
