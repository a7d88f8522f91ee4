using StackExchange.Redis;

namespace ConcertBooking.Redis;

/// <summary>How Redis is reached.</summary>
/// <param name="Options">The connection.</param>
/// <param name="KeyPrefix">
/// Begins every key and channel, so that several installations may share one Redis; it has no braces, since those of a key
/// name its slot in a cluster.
/// </param>
internal sealed record RedisSettings(ConfigurationOptions Options, string KeyPrefix)
{
    private const int MaximumPrefix = 64;

    /// <exception cref="SettingException">The first setting that is missing or malformed.</exception>
    public static RedisSettings Load(IConfiguration configuration)
    {
        var read = new Settings.Reader(configuration);
        var prefix = read.Text("Redis:KeyPrefix", "");
        return prefix.Length <= MaximumPrefix && prefix.All(static c => char.IsAsciiLetterOrDigit(c) || c is ':' or '-' or '_' or '.')
            ? new RedisSettings(Parse(read.Required("ConnectionStrings:Redis")), prefix)
            : throw new SettingException(
                "Redis__KeyPrefix", $"must be at most {MaximumPrefix} letters, digits, colons, dashes, underscores and dots");
    }

    private static ConfigurationOptions Parse(string text)
    {
        try
        {
            var options = ConfigurationOptions.Parse(text);
            return options.EndPoints.Count > 0
                ? options
                : throw new SettingException("ConnectionStrings__Redis", "must name at least one host:port");
        }
        catch (Exception malformed) when (malformed is ArgumentException or FormatException or OverflowException)
        {
            throw new SettingException("ConnectionStrings__Redis", "is not a Redis connection string (host:port[,option=value…])");
        }
    }
}
