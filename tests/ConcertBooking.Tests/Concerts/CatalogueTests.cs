using System.IO.Compression;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Concerts;

/// <summary>What all cached calls have in common: validators, cache status, compression.</summary>
public sealed class CatalogueTests : SharedRigTests
{
    private const int ManySeats = 200;

    [Test]
    [Arguments("/v1/concerts")]
    [Arguments("/v1/concerts/{0}/schedules")]
    [Arguments("/v1/schedules/{1}/seats")]
    public async Task Get_Twice_ReturnsETagAndCacheStatus(string path)
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var address = string.Format(null, path, show.ConcertId, show.ScheduleId);

        var first = (await Rig.A.Api.GetAsync(address)).Expect(200);
        var hit = await Eventually.GetAsync(
            () => Rig.A.Api.GetAsync(address), reply => IsHit(reply.Expect(200)));

        await Assert.That(first.Header("ETag")).IsNotNull().And.Matches("^(W/)?\"[^\"]+\"$");
        await Assert.That(first.Header("Cache-Status")).IsNotNull();
        await Assert.That(hit.Header("ETag")).IsNotNull();
    }

    [Test]
    public async Task Get_FirstTime_IsNoHit()
    {
        var show = await Rig.Catalogue.AddShowAsync();

        var reply = (await Rig.A.Api.GetAsync($"/v1/schedules/{show.ScheduleId}/seats")).Expect(200);

        await Assert.That(IsHit(reply)).IsFalse();
        await Assert.That(reply.Header("Cache-Status")!).Contains("fwd=");
    }

    [Test]
    [Arguments("/v1/concerts/{0}/schedules")]
    [Arguments("/v1/schedules/{1}/seats")]
    public async Task Get_WithTheETagItHas_Returns304OnBothInstances(string path)
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var address = string.Format(null, path, show.ConcertId, show.ScheduleId);
        var etag = (await Rig.A.Api.GetAsync(address)).Expect(200).Header("ETag")!;

        foreach (var instance in (Instance[])[Rig.A, Rig.B])
        {
            var reply = (await instance.Api.GetAsync(address, ("If-None-Match", etag))).Expect(304);
            await Assert.That(reply.Body).IsEmpty();
            await Assert.That(reply.Header("ETag")).IsEqualTo(etag);
            await Assert.That(reply.Header("Cache-Status")).IsNotNull();
        }
    }

    [Test]
    public async Task Get_WithOneOfSeveralETags_Returns304()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var address = $"/v1/schedules/{show.ScheduleId}/seats";
        var etag = (await Rig.A.Api.GetAsync(address)).Expect(200).Header("ETag")!;

        (await Rig.A.Api.GetAsync(address, ("If-None-Match", $"\"other\", {etag}"))).Expect(304);
        (await Rig.A.Api.GetAsync(address, ("If-None-Match", "*"))).Expect(304);
        (await Rig.A.Api.GetAsync(address, ("If-None-Match", "\"other\""))).Expect(200);
    }

    [Test]
    public async Task Get_AfterAChange_Returns200WithAnotherETag()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var address = $"/v1/schedules/{show.ScheduleId}/seats";
        var etag = (await Rig.B.Api.GetAsync(address)).Expect(200).Header("ETag")!;
        var visitor = await Rig.NewVisitorAsync(show);
        await visitor.HeldAsync(show);

        var changed = await Eventually.GetAsync(
            () => Rig.B.Api.GetAsync(address, ("If-None-Match", etag)), reply => reply.Status == 200, TimeSpan.FromSeconds(1));

        await Assert.That(changed.Header("ETag")).IsNotEqualTo(etag);
    }

    [Test]
    [Arguments("gzip", "gzip")]
    [Arguments("br", "br")]
    [Arguments("gzip;q=0.5, br;q=0, identity", "gzip")]
    public async Task Get_Over1KiB_IsCompressedWhenAskedFor(string accepted, string coding)
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: ManySeats);
        var address = $"/v1/schedules/{show.ScheduleId}/seats";
        var plain = (await Rig.A.Api.GetAsync(address)).Expect(200);

        var packed = (await Rig.A.Api.GetAsync(address, ("Accept-Encoding", accepted))).Expect(200);

        await Assert.That(plain.Header("Content-Encoding")).IsNull();
        await Assert.That(packed.Header("Content-Encoding")).IsEqualTo(coding);
        await Assert.That(packed.Body.Length).IsLessThan(plain.Body.Length / 2);
        await Assert.That(Unpack(packed.Body, coding)).IsEquivalentTo(plain.Body);
        await Assert.That(packed.Header("Vary")).IsNotNull().And.Contains("Accept-Encoding");
    }

    [Test]
    [Arguments("identity")]
    [Arguments("gzip;q=0")]
    [Arguments("zebra")]
    public async Task Get_WithoutAKnownCoding_IsPlain(string accepted)
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: ManySeats);

        var reply = (await Rig.A.Api.GetAsync($"/v1/schedules/{show.ScheduleId}/seats", ("Accept-Encoding", accepted))).Expect(200);

        await Assert.That(reply.Header("Content-Encoding")).IsNull();
        await Assert.That(reply.Items("seats")).Count().IsEqualTo(ManySeats);
    }

    /// <summary>As RFC 9211 writes it: members by comma, parameters by semicolon.</summary>
    private static bool IsHit(Reply reply) =>
        reply.Header("Cache-Status")!.Split(',')[^1].Split(';', StringSplitOptions.TrimEntries).Contains("hit");

    private static byte[] Unpack(byte[] packed, string coding)
    {
        using var source = new MemoryStream(packed);
        using Stream unpacking = coding == "br"
            ? new BrotliStream(source, CompressionMode.Decompress)
            : new GZipStream(source, CompressionMode.Decompress);
        using var target = new MemoryStream();
        unpacking.CopyTo(target);
        return target.ToArray();
    }
}
