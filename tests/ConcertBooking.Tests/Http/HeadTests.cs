using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Http;

/// <summary>HEAD is GET without its body, wherever GET is; the verbs of a path are those that Allow names.</summary>
public sealed class HeadTests : SharedRigTests
{
    private const string Stream = "/v1/queue/tokens/current/events";
    private const string SeatStream = "/v1/schedules/{scheduleId}/seats/events";

    /// <summary>What differs between any two answers, or is of the body's way alone.</summary>
    private static readonly string[] OfOneAnswer = ["Date", "Transfer-Encoding", "Cache-Status", "Connection"];

    [Test]
    public async Task Head_WhereverGetIs_HasItsStatusAndHeaders()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 200);
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        var reservationId = await visitor.HeldAsync(show);
        var paymentId = (await visitor.PayAsync(reservationId)).Expect(201).Value("paymentId");
        await visitor.EnteredAsync(show.Queue);
        var values = new Dictionary<string, string>
        {
            ["{concertId}"] = $"{show.ConcertId}",
            ["{scheduleId}"] = $"{show.ScheduleId}",
            ["{name}"] = show.Queue,
            ["{reservationId}"] = reservationId,
            ["{bookingId}"] = reservationId,
            ["{paymentId}"] = paymentId,
        };
        var document = (await Rig.A.Api.GetAsync("/openapi/v1.json")).Expect(200).Json;
        var paths = document.GetProperty("paths").EnumerateObject()
            .Where(static path => path.Value.TryGetProperty("get", out _) && path.Name is not (Stream or SeatStream))
            .Select(
                path => values.Aggregate(
                    path.Name, static (name, value) => name.Replace(value.Key, value.Value, StringComparison.Ordinal)));

        foreach (var path in paths.Concat(["/openapi/v1.json", "/scalar/", "/v1/concerts?limit=0", "/v1/points/transactions?limit=x"]))
        {
            var headers = visitor.InQueue(path.StartsWith("/v1/admin", StringComparison.Ordinal) ? Rig.Admin.Bearer : visitor.Bearer);
            await ExpectSameAsync(Rig.A.Api, path, headers);
            await ExpectSameAsync(Rig.A.Api, path); // a refusal too, where a credential is needed
        }
        foreach (var path in (string[])["/livez", "/readyz", "/metrics"])
        {
            await ExpectSameAsync(Rig.A.Management, path);
        }
    }

    [Test]
    [Arguments("br")]
    [Arguments("gzip")]
    [Arguments("identity")]
    public async Task Head_OfTheCatalogue_HasLengthAndValidator(string coding)
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 200);
        var path = $"/v1/schedules/{show.ScheduleId}/seats";
        var get = (await Rig.A.Api.GetAsync(path, ("Accept-Encoding", coding))).Expect(200);

        var head = (await Rig.A.Api.SendAsync(HttpMethod.Head, path, null, ("Accept-Encoding", coding))).Expect(200);
        var known = (await Rig.A.Api.SendAsync(HttpMethod.Head, path, null, ("If-None-Match", head.Header("ETag")!))).Expect(304);

        await Assert.That(head.Header("Content-Length")).IsEqualTo($"{get.Body.Length}");
        await Assert.That(head.Header("ETag")).IsEqualTo(get.Header("ETag"));
        await Assert.That(head.Body.Length + known.Body.Length).IsEqualTo(0);
        await Assert.That(known.Header("ETag")).IsEqualTo(get.Header("ETag"));
    }

    /// <summary>It ends at once, and takes no stream away from those who watch: the oldest of five would have to go.</summary>
    [Test]
    public async Task Head_OfAnEventStream_OpensNone()
    {
        var queue = await Rig.Catalogue.AddQueueAsync(maxActive: 1);
        await Rig.NewVisitor().EnteredAsync(queue);
        var waiting = Rig.NewVisitor();
        await waiting.EnteredAsync(queue);
        await using var watched = await PlaceEvents.OpenAsync(waiting);
        await watched.NextAsync();

        for (var time = 0; time < 5; time++)
        {
            var head = await waiting.Api.SendAsync(HttpMethod.Head, Stream, null, waiting.InQueue());
            await Assert.That(head.Status).IsEqualTo(200).Because(head.ToString());
            await Assert.That(head.ContentType).IsEqualTo("text/event-stream");
            await Assert.That(head.Header("Cache-Control")).IsEqualTo("no-store");
        }

        (await Rig.Catalogue.PutQueueAsync(queue, maxActive: 2)).Expect(200);
        await Assert.That((await watched.NextAsync()).Name).IsEqualTo("active");
    }

    /// <summary>Every path of the document, with every verb that it does not name.</summary>
    [Test]
    public async Task Head_OfASeatStream_OpensNone()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var path = SeatStream.Replace("{scheduleId}", $"{show.ScheduleId}", StringComparison.Ordinal);

        var head = await Rig.A.Api.SendAsync(HttpMethod.Head, path);

        await Assert.That((head.Status, head.ContentType, head.Header("Cache-Control")))
            .IsEqualTo((200, "text/event-stream", "no-store"));
        var unknown = SeatStream.Replace("{scheduleId}", "0", StringComparison.Ordinal);
        await ExpectSameAsync(Rig.A.Api, unknown);
    }

    [Test]
    public async Task Verb_NotOfThePath_Returns405WithAllThatAre()
    {
        var document = (await Rig.A.Api.GetAsync("/openapi/v1.json")).Expect(200).Json;
        foreach (var path in document.GetProperty("paths").EnumerateObject())
        {
            var verbs = path.Value.EnumerateObject().Select(static operation => operation.Name.ToUpperInvariant()).ToHashSet();
            if (verbs.Contains("GET"))
            {
                verbs.Add("HEAD");
            }

            var address = path.Name.Replace("{concertId}", "1", StringComparison.Ordinal)
                .Replace("{scheduleId}", "1", StringComparison.Ordinal);
            foreach (var verb in ((string[])["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"]).Except(verbs))
            {
                var reply = await Rig.Admin.SendAsync(new HttpMethod(verb), address);
                await Assert.That(reply.Status).IsEqualTo(405).Because($"{verb} {address}");
                var allowed = reply.Header("Allow")!.Split(',', StringSplitOptions.TrimEntries).Order(StringComparer.Ordinal);
                await Assert.That(string.Join(", ", allowed))
                    .IsEqualTo(string.Join(", ", verbs.Order(StringComparer.Ordinal))).Because($"{verb} {address}");
            }
        }
    }

    private static async Task ExpectSameAsync(Api api, string path, params (string Name, string Value)[] headers)
    {
        // Again where others changed what is told in between, such as a ranking.
        var (get, head, _) = await Eventually.GetAsync(
            async () => (
                Get: await api.GetAsync(path, headers), Head: await api.SendAsync(HttpMethod.Head, path, null, headers),
                After: await api.GetAsync(path, headers)),
            static replies => replies.Get.Header("ETag") == replies.After.Header("ETag"));

        await Assert.That(head.Status).IsEqualTo(get.Status).Because($"HEAD {path}:\n{head}");
        await Assert.That(head.Body).IsEmpty();
        await Assert.That(Names(head)).IsEquivalentTo(Names(get)).Because($"HEAD {path}:\n{head}\n{get}");
        foreach (var name in (string[])["Content-Type", "ETag", "Vary", "Cache-Control", "Retry-After", "WWW-Authenticate"])
        {
            await Assert.That(head.Header(name)).IsEqualTo(get.Header(name)).Because($"{name} of HEAD {path}");
        }
    }

    /// <summary>HEAD may leave out a Content-Length that only writing the body would show.</summary>
    private static IEnumerable<string> Names(Reply reply) =>
        reply.HeaderNames.Except(OfOneAnswer).Except(["Content-Length"]).Order(StringComparer.Ordinal);
}
