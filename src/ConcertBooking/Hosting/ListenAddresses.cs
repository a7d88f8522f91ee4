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

    /// <summary>Every address of this machine, which is what Kestrel takes any name but localhost to mean.</summary>
    public bool IsAny => Host != "localhost"
        && (!IPAddress.TryParse(Host, out var address) || address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any));

    /// <summary>Where a client on this machine finds it.</summary>
    public Uri Reachable => new($"http://{(!IsAny ? Host : Host == "[::]" ? "[::1]" : "127.0.0.1")}:{Port}/");
}

/// <summary>The addresses of the API, and last the management address on the host of the first.</summary>
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

        if (addresses.FirstOrDefault(address => address.Port == managementPort) is { } same)
        {
            throw new SettingException(ManagementSetting, $"{managementPort} is already the port of '{same.Url}'");
        }

        if (addresses.GroupBy(static address => address.Port).FirstOrDefault(AreTheSame) is { } twice)
        {
            throw new SettingException(addresses[0].Setting, $"names port {twice.Key} twice");
        }

        return [.. addresses, new ListenAddress(ManagementSetting, $"http://{addresses[0].Host}:{managementPort}")];
    }

    /// <summary>
    /// Whether they can be bound, asked before anything is started: a service that cannot listen has nothing to log but
    /// this. Bound only, not listened on, so that no client meets a socket that is about to close.
    /// </summary>
    /// <exception cref="SettingException">The first one that cannot be, by its setting.</exception>
    public static void Check(IEnumerable<ListenAddress> addresses)
    {
        foreach (var address in addresses)
        {
            if (Refusal(address) is { } refusal)
            {
                throw new SettingException(address.Setting, $"cannot listen on '{address.Url}': {refusal.Message}");
            }
        }
    }

    /// <summary>As Kestrel binds: localhost is there when one of both is, and names stand for all addresses.</summary>
    private static SocketException? Refusal(ListenAddress address)
    {
        if (address.Host == "localhost")
        {
            var four = Bind(new IPEndPoint(IPAddress.Loopback, address.Port));
            var six = Bind(new IPEndPoint(IPAddress.IPv6Loopback, address.Port));
            return IsInUse(four) ? four : IsInUse(six) || four is not null ? six : null;
        }

        if (IPAddress.TryParse(address.Host, out var one))
        {
            return Bind(new IPEndPoint(one, address.Port));
        }

        var all = Bind(new IPEndPoint(IPAddress.IPv6Any, address.Port));
        return all is null || IsInUse(all) ? all : Bind(new IPEndPoint(IPAddress.Any, address.Port));
    }

    private static bool IsInUse(SocketException? refusal) => refusal?.SocketErrorCode == SocketError.AddressAlreadyInUse;

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
        catch (SocketException refusal)
        {
            return refusal;
        }
    }

    private static bool AreTheSame(IEnumerable<ListenAddress> ofOnePort)
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
            // A socket file or a pipe has no second port for management.
            var parsed = BindingAddress.Parse(url);
            if (parsed is { Scheme: "http", IsUnixPipe: false, IsNamedPipe: false, Port: > 0 and <= ushort.MaxValue, PathBase: "" })
            {
                return new ListenAddress(UrlsSetting, url);
            }
        }
        catch (FormatException)
        {
            // Refused below, like those that parse but cannot be served.
        }

        throw new SettingException(UrlsSetting, $"cannot listen on '{url}'; give http://host:port, separated by ;");
    }

    private static ListenAddress ParsePort(string port) =>
        ushort.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0
            ? new ListenAddress(PortsSetting, $"http://*:{number}")
            : throw new SettingException(PortsSetting, "must be port numbers from 1 to 65535, separated by ;");
}
