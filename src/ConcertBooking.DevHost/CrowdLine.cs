using System.Text.Json.Nodes;

namespace ConcertBooking.DevHost;

/// <summary>
/// Makes the queue short of places while the crowd is there, where it would admit most of it at once, and puts its size back afterwards.
/// </summary>
internal sealed class CrowdLine : IAsyncDisposable
{
    /// <summary>A buyer has a place for about five seconds: with a place for every tenth, all have their turn within a minute.</summary>
    private const int BuyersPerPlace = 10;

    private readonly CrowdApi _api;
    private readonly CrowdCall _admin;
    private readonly long _size;

    private CrowdLine(CrowdApi api, CrowdCall admin, long size, long places) => (_api, _admin, _size, Places) = (api, admin, size, places);

    /// <summary>How many are admitted at a time.</summary>
    public long Places { get; }

    /// <param name="api">Of a service in Development, where anybody may be an admin.</param>
    /// <param name="queue">Its name.</param>
    /// <param name="buyers">How many will come.</param>
    /// <param name="adminToken">An admin's access token.</param>
    /// <param name="cancellationToken">Before anything was changed.</param>
    public static async Task<CrowdLine> OpenAsync(
        CrowdApi api, string queue, int buyers, string adminToken, CancellationToken cancellationToken)
    {
        var admin = new CrowdCall("PUT", $"/v1/admin/queues/{queue}") { AccessToken = adminToken };
        var size = (await api.SendAsync(admin with { Method = "GET" }, cancellationToken)).Expected().Number("maxActive");
        var line = new CrowdLine(api, admin, size, Math.Clamp(buyers / BuyersPerPlace, 1, size));
        if (line.IsSmaller)
        {
            await line.SetAsync(line.Places);
        }

        return line;
    }

    public bool IsSmaller => Places < _size;

    public async ValueTask DisposeAsync()
    {
        if (IsSmaller)
        {
            await SetAsync(_size);
        }
    }

    private async Task SetAsync(long places) =>
        (await _api.SendAsync(_admin with { Body = new JsonObject { ["maxActive"] = places } }, CancellationToken.None)).Expected();
}
