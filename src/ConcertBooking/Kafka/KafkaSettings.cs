using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Confluent.Kafka;

namespace ConcertBooking.Kafka;

/// <summary>The settings of the Kafka connection; part of <see cref="Settings"/>.</summary>
internal sealed class KafkaSettings
{
    private const string Protocols = "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL";

    /// <summary>Empty means that events wait in the outbox.</summary>
    public required string BootstrapServers { get; init; }

    /// <summary>Of topics that the worker creates; a replication factor of -1 is the broker's default.</summary>
    public required int Partitions { get; init; }
    public required short ReplicationFactor { get; init; }

    /// <summary>Settings of librdkafka for TLS and SASL, which every client has.</summary>
    private IReadOnlyList<(string Name, string Value)> Security { get; init; } = [];

    /// <summary>Sets the brokers, the client id and the TLS and SASL settings of a client of any kind.</summary>
    public T Configure<T>(T client) where T : ClientConfig
    {
        client.BootstrapServers = BootstrapServers;
        client.ClientId = "concert-booking";
        foreach (var (name, value) in Security)
        {
            client.Set(name, value);
        }

        return client;
    }

    /// <exception cref="SettingException">The first setting that is missing or malformed: librdkafka would retry forever.</exception>
    public static KafkaSettings Load(Settings.Reader read) => new()
    {
        BootstrapServers = LoadBrokers(read),
        Partitions = read.Integer("Kafka:Partitions", 6, 1, 10_000),
        ReplicationFactor = (short)read.Integer("Kafka:ReplicationFactor", -1, 1, 100),
        Security = LoadSecurity(read),
    };

    private static string LoadBrokers(Settings.Reader read)
    {
        const string Key = "ConnectionStrings:Kafka";
        var text = read.Text(Key, "");
        return text.Length == 0 || (read.List(Key) is { Length: > 0 } brokers && brokers.All(IsBroker))
            ? text
            : throw new SettingException("ConnectionStrings__Kafka", "must be brokers (host:port), separated by a comma");
    }

    private static bool IsBroker(string text)
    {
        var parts = text.Split("://");
        var address = parts[^1];
        var colon = address.IndexOf(':', address.LastIndexOf(']') + 1);
        return (parts.Length == 1 || (parts.Length == 2 && IsProtocol(parts[0].ToUpperInvariant())))
            && address.Length > 0 && colon != 0 && !address.Contains('/', StringComparison.Ordinal)
            && (colon < 0
                || (ushort.TryParse(address.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port > 0));
    }

    private static bool IsProtocol(string text) => text is "PLAINTEXT" or "SSL" or "SASL_PLAINTEXT" or "SASL_SSL";

    /// <summary>
    /// Settings of SASL or TLS are refused where the protocol has none: a password that is never sent, or a CA that verifies
    /// nothing, is a mistake that would go unnoticed.
    /// </summary>
    private static List<(string Name, string Value)> LoadSecurity(Settings.Reader read)
    {
        var protocol = read.Text("Kafka:SecurityProtocol", "PLAINTEXT").ToUpperInvariant();
        if (!IsProtocol(protocol))
        {
            throw new SettingException("Kafka__SecurityProtocol", $"must be {Protocols}");
        }

        List<(string, string)> security = protocol == "PLAINTEXT" ? [] : [("security.protocol", protocol.ToLowerInvariant())];
        if (protocol.EndsWith("SSL", StringComparison.Ordinal))
        {
            AddCa(read.Optional("Kafka:CaLocation"), security);
        }
        else if (read.Optional("Kafka:CaLocation") is not null)
        {
            throw new SettingException("Kafka__SecurityProtocol", "must be SSL or SASL_SSL where Kafka__CaLocation is given");
        }

        if (protocol.StartsWith("SASL", StringComparison.Ordinal))
        {
            AddSasl(read, security);
        }
        else if (read.Optional("Kafka:SaslMechanism") is not null
            || read.Optional("Kafka:Username") is not null
            || read.OptionalSecret("Kafka:Password") is not null)
        {
            throw new SettingException(
                "Kafka__SecurityProtocol", "must be SASL_SSL or SASL_PLAINTEXT where a mechanism, a user or a password is given");
        }

        return security;
    }

    /// <summary>Without one, the CAs of the system are trusted: librdkafka looks where distributions keep them.</summary>
    private static void AddCa(string? location, List<(string, string)> security)
    {
        if (location is null)
        {
            return;
        }

        try
        {
            var certificates = new X509Certificate2Collection();
            certificates.ImportFromPemFile(location);
            if (certificates.Count == 0)
            {
                throw new SettingException("Kafka__CaLocation", "names a file without a certificate in PEM");
            }
        }
        catch (Exception exception) when (exception
            is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            throw new SettingException("Kafka__CaLocation", "must name a file of certificates in PEM that can be read");
        }

        security.Add(("ssl.ca.location", location));
    }

    private static void AddSasl(Settings.Reader read, List<(string, string)> security)
    {
        var mechanism = read.Required("Kafka:SaslMechanism").ToUpperInvariant();
        if (mechanism is not ("PLAIN" or "SCRAM-SHA-256" or "SCRAM-SHA-512"))
        {
            throw new SettingException("Kafka__SaslMechanism", "must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512");
        }

        var username = read.Required("Kafka:Username");
        var password = read.OptionalSecret("Kafka:Password") ?? throw new SettingException("Kafka__Password", "is missing");
        security.Add(("sasl.mechanism", mechanism));
        security.Add(("sasl.username", username));
        security.Add(("sasl.password", password));
    }
}
