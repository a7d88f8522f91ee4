using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace ConcertBooking.Hosting;

/// <summary>An address to listen on, and the setting that names it.</summary>
internal sealed record ListenAddress(string Setting, string Url)
{
    private readonly BindingAddress _parsed = BindingAddress.Parse(Url);

    public string Host => _parsed.Host;

    public int Port => _parsed.Port;

    /// <summary>Whether it means every address of this machine, as Kestrel interprets any name but localhost.</summary>
    public bool IsAny => Host != "localhost"
        && (!IPAddress.TryParse(Host, out var address) || address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any));

    /// <summary>The URL for a client on this machine.</summary>
    public Uri LocalUri => new($"http://{(!IsAny ? Host : Host == "[::]" ? "[::1]" : "127.0.0.1")}:{Port}/");
}

/// <summary>The listen addresses: those of the API, and last the management address, on the host of the first.</summary>
internal static class ListenAddresses
{
    private const string UrlsSetting = "ASPNETCORE_URLS";
    private const string PortsSetting = "ASPNETCORE_HTTP_PORTS";
    private const string ManagementSetting = "Management__Port";

    public static ListenAddress[] Load(IConfiguration configuration)
    {
        var managementPort = new Settings.Reader(configuration).Integer("Management:Port", 8081, 1, 65535);
        ListenAddress[] addresses = configuration["URLS"] is { Length: > 0 } urls
            ? [.. Split(urls).Select(Parse)]
            : [.. Split(configuration["HTTP_PORTS"] is { Length: > 0 } ports ? ports : "8080").Select(ParsePort)];
        if (addresses.Length == 0)
        {
            throw new SettingException(UrlsSetting, "names no address");
        }

        if (addresses.FirstOrDefault(address => address.Port == managementPort) is { } conflict)
        {
            throw new SettingException(ManagementSetting, $"{managementPort} is already the port of '{conflict.Url}'");
        }

        if (addresses.GroupBy(static address => address.Port).FirstOrDefault(Conflict) is { } duplicate)
        {
            throw new SettingException(addresses[0].Setting, $"names port {duplicate.Key} twice");
        }

        return [.. addresses, new ListenAddress(ManagementSetting, $"http://{addresses[0].Host}:{managementPort}")];
    }

    /// <summary>
    /// Checks before anything is started that the addresses can be bound: a service that cannot listen should log nothing but
    /// this. The sockets are bound but do not listen, so that no client connects to one that is about to close.
    /// </summary>
    /// <exception cref="SettingException">The first address that cannot be bound, by its setting.</exception>
    public static void Check(IEnumerable<ListenAddress> addresses)
    {
        foreach (var address in addresses)
        {
            if (BindError(address) is { } error)
            {
                throw new SettingException(address.Setting, $"cannot listen on '{address.Url}': {error.Message}");
            }
        }
    }

    /// <summary>Binds as Kestrel does: localhost needs one of IPv4 and IPv6, and a name stands for all addresses.</summary>
    private static SocketException? BindError(ListenAddress address)
    {
        if (address.Host == "localhost")
        {
            var ipv4 = Bind(new IPEndPoint(IPAddress.Loopback, address.Port));
            var ipv6 = Bind(new IPEndPoint(IPAddress.IPv6Loopback, address.Port));
            return IsInUse(ipv4) ? ipv4 : IsInUse(ipv6) || ipv4 is not null ? ipv6 : null;
        }

        if (IPAddress.TryParse(address.Host, out var one))
        {
            return Bind(new IPEndPoint(one, address.Port));
        }

        var all = Bind(new IPEndPoint(IPAddress.IPv6Any, address.Port));
        return all is null || IsInUse(all) ? all : Bind(new IPEndPoint(IPAddress.Any, address.Port));
    }

    private static bool IsInUse(SocketException? error) => error?.SocketErrorCode == SocketError.AddressAlreadyInUse;

    private static SocketException? Bind(IPEndPoint endpoint)
    {
        try
        {
            using var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            if (endpoint.Address.Equals(IPAddress.IPv6Any))
            {
                socket.DualMode = true;
            }

            socket.Bind(endpoint);
            return null;
        }
        catch (SocketException error)
        {
            return error;
        }
    }

    private static bool Conflict(IEnumerable<ListenAddress> ofOnePort)
    {
        var hosts = ofOnePort.ToArray();
        return hosts.Length > 1
            && (hosts.Any(static address => address.IsAny)
                || hosts.DistinctBy(static address => address.Host).Count() < hosts.Length);
    }

    private static string[] Split(string text) => text.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    private static ListenAddress Parse(string url)
    {
        try
        {
            // A Unix socket or a pipe has no second port for management.
            var parsed = BindingAddress.Parse(url);
            if (parsed is { Scheme: "http", IsUnixPipe: false, IsNamedPipe: false, Port: > 0 and <= ushort.MaxValue, PathBase: "" })
            {
                return new ListenAddress(UrlsSetting, url);
            }
        }
        catch (FormatException)
        {
            // Reported below, like those that parse but cannot be served.
        }

        throw new SettingException(UrlsSetting, $"cannot listen on '{url}'; give http://host:port, separated by ;");
    }

    private static ListenAddress ParsePort(string port) =>
        ushort.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0
            ? new ListenAddress(PortsSetting, $"http://*:{number}")
            : throw new SettingException(PortsSetting, "must be port numbers from 1 to 65535, separated by ;");
}
