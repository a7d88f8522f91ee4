using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Connections;

namespace ConcertBooking.Http.RateLimiting;

/// <summary>
/// Connections of one endpoint: no client address has more than its share, and a connection whose first byte does not
/// come within seconds is closed. So whoever opens connections and sends nothing locks nobody out. Known proxies, which
/// speak for many clients, have no share, but the same time.
/// </summary>
internal sealed class ConnectionLimiter(SecuritySettings settings, TimeSpan firstByteWithin)
{
    private readonly ConcurrentDictionary<RateLimitPartition, int> _open = new();

    public ConnectionDelegate Limit(ConnectionDelegate next) => async connection =>
    {
        var address = (connection.RemoteEndPoint as IPEndPoint)?.Address;
        var caller = IsKnownProxy(address) ? null : (RateLimitPartition?)RateLimitPartition.Address(address);
        if (caller is { } counted && _open.AddOrUpdate(counted, 1, static (_, open) => open + 1) > settings.MaxConnectionsPerAddress)
        {
            Closed(counted);
            connection.Abort();
            return;
        }

        try
        {
            if (await FirstByteCameAsync(connection))
            {
                await next(connection);
            }
        }
        finally
        {
            if (caller is { } open)
            {
                Closed(open);
            }
        }
    };

    /// <summary>Looks at the first bytes and leaves them where they are.</summary>
    private async Task<bool> FirstByteCameAsync(ConnectionContext connection)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(connection.ConnectionClosed);
        limit.CancelAfter(firstByteWithin);
        try
        {
            var read = await connection.Transport.Input.ReadAsync(limit.Token);
            connection.Transport.Input.AdvanceTo(read.Buffer.Start);
            return !read.Buffer.IsEmpty;
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException)
        {
            return false;
        }
    }

    private void Closed(RateLimitPartition caller)
    {
        if (_open.AddOrUpdate(caller, 0, static (_, open) => open - 1) <= 0)
        {
            _open.TryRemove(new(caller, 0));
        }
    }

    private bool IsKnownProxy(IPAddress? address) =>
        address is not null
            && settings.KnownProxies.Any(proxy => proxy.Contains(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address));
}
