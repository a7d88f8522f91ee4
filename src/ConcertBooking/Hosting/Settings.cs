using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using ConcertBooking.Concerts;
using ConcertBooking.Web;
using MySqlConnector;

namespace ConcertBooking.Hosting;

/// <summary>A setting that is missing or malformed. The message names it as an environment variable and never repeats a secret.</summary>
internal sealed class SettingException(string name, string problem) : Exception($"{name} {problem}");

/// <summary>Every setting of the service, read once at start and complete: nothing reads configuration later.</summary>
internal sealed class Settings
{
    public const int MinimumKeyBytes = 32;

    public required string MySql { get; init; }
    public required RedisSettings Redis { get; init; }

    public required KafkaSettings Kafka { get; init; }

    /// <summary>Connections to MySQL at most, for the whole process.</summary>
    public required int MaxPoolSize { get; init; }

    /// <summary>The management address is the last.</summary>
    public required ListenAddress[] Addresses { get; init; }
    public int ManagementPort => Addresses[^1].Port;

    public required AuthSettings Auth { get; init; }
    public required byte[] QueueTokenSigningKey { get; init; }

    /// <summary>Places of a queue whose row sets none.</summary>
    public required int QueueMaxActive { get; init; }
    public required TimeSpan QueueActive { get; init; }

    /// <summary>A waiting place is dropped when its client has not polled for this long.</summary>
    public required TimeSpan QueueIdle { get; init; }
    public required int QueueMaxWaiting { get; init; }

    /// <summary>How long no user is admitted after Redis lost its data, so that passes can be presented first.</summary>
    public required TimeSpan QueueSettle { get; init; }

    /// <summary>Admission slows while holds take longer than this.</summary>
    public required TimeSpan QueueSlowHold { get; init; }

    public required TimeSpan Hold { get; init; }
    public required int HoldsPerUser { get; init; }

    /// <summary>How often a hold may be prolonged.</summary>
    public required int HoldExtensions { get; init; }

    /// <summary>Seats of one booking.</summary>
    public required int BookingSeats { get; init; }

    /// <summary>Seats of a schedule that a user may hold and have paid, where the schedule names no limit; 0: any number.</summary>
    public required int PurchasesPerUser { get; init; }

    /// <summary>At SIGTERM requests are still served for this long, while readiness fails.</summary>
    public required TimeSpan Drain { get; init; }

    /// <summary>The webhook that is notified of paid seats; null: none.</summary>
    public required string? NotificationsWebhookUrl { get; init; }

    /// <summary>Where traces are sent (OTLP); null: none are collected.</summary>
    public required string? TraceCollector { get; init; }

    /// <summary>Key of the HMAC in <c>X-Signature-256</c>, which covers <c>X-Signature-Timestamp</c>.</summary>
    public required byte[] NotificationsSigningKey { get; init; }

    /// <summary>Whether users may charge their own points; where not, only cashiers charge.</summary>
    public required bool PointsSelfCharge { get; init; }

    public required bool Api { get; init; }
    public required bool Worker { get; init; }
    public required bool Development { get; init; }

    public required SecuritySettings Security { get; init; }
    public required WebSettings Web { get; init; }

    /// <summary>Reads and checks all settings that serving needs.</summary>
    /// <exception cref="SettingException">The first setting that is missing or malformed.</exception>
    public static Settings Load(IConfiguration configuration, IHostEnvironment environment)
    {
        var read = new Reader(configuration);
        var development = environment.IsDevelopment();
        var roles = read.Text("Roles", "api,worker").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (roles.Length == 0 || roles.Any(role => role is not ("api" or "worker")))
        {
            throw new SettingException("Roles", "must be api, worker or both, separated by a comma");
        }

        Instrumentation.CheckLogLevels(configuration.GetSection("Logging"));
        var webhook = read.OptionalUri("Notifications:WebhookUrl");
        return new Settings
        {
            MySql = LoadMySql(configuration),
            Redis = RedisSettings.Load(configuration),
            Kafka = KafkaSettings.Load(read),
            MaxPoolSize = read.Integer("Database:MaxPoolSize", 30, 1, 1000),
            Addresses = ListenAddresses.Load(configuration),
            Auth = AuthSettings.Load(read, development),
            QueueTokenSigningKey = read.Key("QueueToken:SigningKey", development),
            QueueMaxActive = read.Integer("Queue:MaxActive", 50, 1, 1_000_000),
            QueueActive = read.Seconds("Queue:ActiveSeconds", 600, 86_400),
            QueueIdle = read.Seconds("Queue:IdleSeconds", 120, 86_400),
            QueueMaxWaiting = read.Integer("Queue:MaxWaiting", 1_000_000, 1, 100_000_000),
            QueueSettle = read.Seconds("Queue:SettleSeconds", 12, 600),
            QueueSlowHold = TimeSpan.FromMilliseconds(read.Integer("Queue:SlowHoldMs", 1000, 1, 60_000)),
            Hold = read.Seconds("Holds:Seconds", 300, 86_400),
            HoldsPerUser = read.Integer("Holds:MaxPerUser", 4, 1, 1000),
            HoldExtensions = read.Integer("Holds:MaxExtensions", 1, 0, 100),
            BookingSeats = read.Integer("Bookings:MaxSeats", 8, 1, 50),
            PurchasesPerUser = read.Integer("Purchases:MaxPerUser", 4, 0, Catalogue.MaximumSeats),
            PointsSelfCharge = read.Flag("Points:SelfCharge", development),
            Drain = TimeSpan.FromSeconds(read.Integer("Drain:Seconds", 2, 0, 300)),
            TraceCollector = read.OptionalUri("OTEL_EXPORTER_OTLP_ENDPOINT"),
            NotificationsWebhookUrl = webhook,
            NotificationsSigningKey = webhook is null ? [] : read.Key("Notifications:SigningKey", development),
            Api = roles.Contains("api"),
            Worker = roles.Contains("worker"),
            Development = development,
            Security = SecuritySettings.Load(read),
            Web = WebSettings.Load(read),
        };
    }

    public static string LoadMySql(IConfiguration configuration)
    {
        var text = new Reader(configuration).Required("ConnectionStrings:MySql");
        try
        {
            var parsed = new MySqlConnectionStringBuilder(text);
            if (parsed.Server.Length == 0 || parsed.Database.Length == 0)
            {
                throw new SettingException("ConnectionStrings__MySql", "must name a Server and a Database");
            }

            return MySqlSession.Refusal(parsed) is { } refusal ? throw new SettingException("ConnectionStrings__MySql", refusal) : text;
        }
        catch (Exception malformed) when (malformed is ArgumentException or FormatException or InvalidCastException or OverflowException)
        {
            throw new SettingException(
                "ConnectionStrings__MySql", "is not a MySQL connection string (Server=…;Port=…;User ID=…;Password=…;Database=…)");
        }
    }

    internal sealed class Reader(IConfiguration configuration)
    {
        /// <summary>Trimmed: a value read from a file ends with a newline.</summary>
        public string? Optional(string key) => configuration[key]?.Trim() is { Length: > 0 } value ? value : null;

        /// <summary>Not trimmed: other parties sign with the same bytes.</summary>
        public string? OptionalSecret(string key) => configuration[key] is { Length: > 0 } value ? value : null;

        public string Text(string key, string fallback) => Optional(key) ?? fallback;

        public string Required(string key) =>
            Optional(key) ?? throw new SettingException(Variable(key), "is missing");

        public int Integer(string key, int fallback, int minimum, int maximum) =>
            Optional(key) is not { } text ? fallback
            : int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
                && value >= minimum && value <= maximum ? value
            : throw new SettingException(Variable(key), $"must be a whole number from {minimum} to {maximum}");

        public bool Flag(string key, bool fallback) =>
            Optional(key) is not { } text ? fallback
            : bool.TryParse(text, out var value) ? value
            : throw new SettingException(Variable(key), "must be true or false");

        public TimeSpan Seconds(string key, int fallback, int maximum) => TimeSpan.FromSeconds(Integer(key, fallback, 1, maximum));

        public string? OptionalUri(string key) =>
            Optional(key) is not { } text ? null
            : Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "https" or "http" ? text
            : throw new SettingException(Variable(key), "must be an absolute http or https address");

        /// <summary>In Development a missing key is generated: tokens are then valid for this process only.</summary>
        public byte[] Key(string key, bool development)
        {
            if (OptionalSecret(key) is not { } text)
            {
                return development
                    ? RandomNumberGenerator.GetBytes(MinimumKeyBytes)
                    : throw new SettingException(Variable(key), $"is missing; give a secret of {MinimumKeyBytes} bytes or more");
            }

            return CheckedKey(key, text);
        }

        public byte[]? OptionalKey(string key) => OptionalSecret(key) is { } text ? CheckedKey(key, text) : null;

        /// <summary>The comma-separated values; empty when the setting is missing.</summary>
        public string[] List(string key) =>
            Text(key, "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

        private static byte[] CheckedKey(string key, string text)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            return bytes.Length >= MinimumKeyBytes
                ? bytes
                : throw new SettingException(Variable(key), $"is {bytes.Length} bytes long; {MinimumKeyBytes} or more are needed");
        }

        private static string Variable(string key) => key.Replace(":", "__", StringComparison.Ordinal);
    }
}
