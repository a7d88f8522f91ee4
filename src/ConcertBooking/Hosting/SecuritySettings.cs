using System.Net;

namespace ConcertBooking.Hosting;

/// <summary>The settings of abuse protection: keys, CORS, proxies, limits; part of <see cref="Settings"/>.</summary>
internal sealed class SecuritySettings
{
    /// <summary>About a minute on a laptop.</summary>
    public const int MaximumProofOfWorkBits = 28;

    /// <summary>The key before the last rotation, used only for verification; null: there is none.</summary>
    public required byte[]? QueueTokenPreviousSigningKey { get; init; }

    /// <summary>CORS: the origins whose pages may call the API; empty: none.</summary>
    public required string[] AllowedOrigins { get; init; }

    /// <summary>The proxies whose <c>X-Forwarded-For</c> is trusted.</summary>
    public required IPNetwork[] KnownProxies { get; init; }

    public required int MaxConnections { get; init; }

    /// <summary>Per client address, on each of the two ports; known proxies are exempt.</summary>
    public required int MaxConnectionsPerAddress { get; init; }

    /// <summary>The difficulty (zero bits) of entering a queue that sets none itself; 0: no proof of work.</summary>
    public required int ProofOfWorkBits { get; init; }

    /// <summary>Requests in ten seconds; 0: no limit.</summary>
    public required int RatePerUser { get; init; }
    public required int RatePerAddress { get; init; }

    public static SecuritySettings Load(Settings.Reader read)
    {
        var connections = read.Integer("Limits:MaxConnections", 20_000, 1, 1_000_000);
        return new SecuritySettings
        {
            QueueTokenPreviousSigningKey = read.OptionalKey("QueueToken:PreviousSigningKey"),
            AllowedOrigins = [.. read.List("Cors:AllowedOrigins").Select(static text => IsOrigin(text) ? text
                : throw new SettingException("Cors__AllowedOrigins", "must be origins (https://host), separated by a comma"))],
            KnownProxies = [.. read.List("ForwardedHeaders:KnownProxies").Select(static text => ReadNetwork(text)
                ?? throw new SettingException(
                    "ForwardedHeaders__KnownProxies", "must be IP addresses or networks (10.0.0.0/8), separated by a comma"))],
            MaxConnections = connections,
            MaxConnectionsPerAddress = read.Integer("Limits:MaxConnectionsPerAddress", Math.Max(1, connections / 4), 1, 1_000_000),
            ProofOfWorkBits = read.Integer("Queue:ProofOfWorkBits", 0, 0, MaximumProofOfWorkBits),
            RatePerUser = read.Integer("RateLimits:PerUser", 1_000, 0, 100_000_000),
            RatePerAddress = read.Integer("RateLimits:PerAddress", 100_000, 0, 100_000_000),
        };
    }

    /// <summary>Scheme, host and port as a browser sends them: no path, not even a slash.</summary>
    private static bool IsOrigin(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "https" or "http"
            && uri.GetLeftPart(UriPartial.Authority) == text;

    private static IPNetwork? ReadNetwork(string text) =>
        IPAddress.TryParse(text, out var address) ? new IPNetwork(address, address.GetAddressBytes().Length * 8)
        : IPNetwork.TryParse(text, out var network) ? network
        : null;
}
