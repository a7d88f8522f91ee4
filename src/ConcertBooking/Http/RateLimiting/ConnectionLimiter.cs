using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Connections;

namespace ConcertBooking.Http.RateLimiting;

/// <summary>
/// Connection limiter of one endpoint: a maximum per client address, and a timeout for the first byte of a connection, so that a
/// client that opens connections and sends nothing cannot exhaust them. Known proxies, which carry many clients, have no
/// maximum, but the same timeout.
/// </summary>
internal sealed class ConnectionLimiter(SecuritySettings settings, TimeSpan firstByteTimeout)
{
    private readonly ConcurrentDictionary<RateLimitKey, int> _open = new();

    public ConnectionDelegate Limit(ConnectionDelegate next) => async connection =>
    {
        var address = (connection.RemoteEndPoint as IPEndPoint)?.Address;
        var key = IsKnownProxy(address) ? null : (RateLimitKey?)RateLimitKey.Address(address);
        if (key is { } counted && _open.AddOrUpdate(counted, 1, static (_, open) => open + 1) > settings.MaxConnectionsPerAddress)
        {
            Release(counted);
            connection.Abort();
            return;
        }

        try
        {
            if (await HasFirstByteAsync(connection))
            {
                await next(connection);
            }
        }
        finally
        {
            if (key is { } open)
            {
                Release(open);
            }
        }
    };

    /// <summary>Waits for the first bytes without consuming them.</summary>
    private async Task<bool> HasFirstByteAsync(ConnectionContext connection)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(connection.ConnectionClosed);
        limit.CancelAfter(firstByteTimeout);
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

    private void Release(RateLimitKey key)
    {
        if (_open.AddOrUpdate(key, 0, static (_, open) => open - 1) <= 0)
        {
            _open.TryRemove(new(key, 0));
        }
    }

    private bool IsKnownProxy(IPAddress? address) =>
        address is not null
            && settings.KnownProxies.Any(proxy => proxy.Contains(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address));
}
