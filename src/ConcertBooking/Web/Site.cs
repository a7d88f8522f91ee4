using System.Collections.Frozen;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace ConcertBooking.Web;

/// <summary>What a page needs to know of its service; it reads this from a meta element.</summary>
/// <param name="DevSignIn">Whether anybody may sign in as any user (Development).</param>
/// <param name="Authority">The OpenID Connect issuer.</param>
/// <param name="ClientId">The pages as a client of that issuer.</param>
/// <param name="SelfCharge">Whether users charge their own points.</param>
/// <param name="MaxSeats">Seats of one booking.</param>
public sealed record SiteConfiguration(bool DevSignIn, string? Authority, string? ClientId, bool SelfCharge, int MaxSeats);

/// <summary>
/// The pages: static files embedded in the program. All but the pages themselves are served below a folder that is named by the hash of
/// everything in it, so clients may keep them for good, and modules import each other by relative names.
/// </summary>
internal sealed class Site
{
    private const string Prefix = "web/";
    private const string ForGood = "public, max-age=31536000, immutable";
    private const string Revalidated = "no-cache";
    private const string NotKept = "no-store";

    private readonly FrozenDictionary<string, SiteFile> _assets;
    private readonly FrozenDictionary<string, SiteFile> _ofOtherBuilds;
    private readonly string _hash;

    private Site(IReadOnlyDictionary<string, byte[]> files, Settings settings)
    {
        _hash = Hash(files);
        _assets = Assets(files, ForGood);
        _ofOtherBuilds = Assets(files, NotKept);
        Index = Page(files, "index.html", settings);
        Console = Page(files, "console.html", settings);
    }

    /// <summary>The booking page.</summary>
    public SiteFile Index { get; }

    /// <summary>The organiser's console.</summary>
    public SiteFile Console { get; }

    public static Site Load(Settings settings)
    {
        var assembly = typeof(Site).Assembly;
        var files = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var name in assembly.GetManifestResourceNames().Where(static name => name.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            using var stream = assembly.GetManifestResourceStream(name)!;
            var bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            files.Add(name[Prefix.Length..], bytes);
        }

        return new Site(files, settings);
    }

    /// <summary>
    /// Null for a file that is not there. During an update a page of another build may ask here: the file of this build serves it
    /// nearly always, where none would leave it broken, but it must not be kept under that name.
    /// </summary>
    public SiteFile? Find(string hash, string name) => (hash == _hash ? _assets : _ofOtherBuilds).GetValueOrDefault(name);

    private static FrozenDictionary<string, SiteFile> Assets(IReadOnlyDictionary<string, byte[]> files, string cacheControl) =>
        files.Where(static file => !IsPage(file.Key)).ToFrozenDictionary(
            static file => file.Key, file => new SiteFile(file.Key, file.Value, cacheControl));

    private SiteFile Page(IReadOnlyDictionary<string, byte[]> files, string name, Settings settings)
    {
        var configuration = JsonSerializer.Serialize(
            new SiteConfiguration(
                settings.Development && settings.Auth.Authority is null, settings.Auth.Authority, settings.Web.ClientId,
                settings.PointsSelfCharge, Math.Min(settings.BookingSeats, settings.HoldsPerUser)),
            SiteJson.Web.SiteConfiguration);
        var html = Encoding.UTF8.GetString(files[name])
            .Replace("{{assets}}", $"/assets/{_hash}", StringComparison.Ordinal)
            .Replace("{{configuration}}", WebUtility.HtmlEncode(configuration), StringComparison.Ordinal);
        return new SiteFile(name, Encoding.UTF8.GetBytes(html), Revalidated);
    }

    private static bool IsPage(string name) => name.EndsWith(".html", StringComparison.Ordinal);

    private static string Hash(IReadOnlyDictionary<string, byte[]> files)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (name, bytes) in files)
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{name} {bytes.Length}\n"));
            hash.AppendData(bytes);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 8));
    }
}

[JsonSerializable(typeof(SiteConfiguration))]
internal sealed partial class SiteJson : JsonSerializerContext
{
    public static SiteJson Web { get; } = new(new(JsonSerializerDefaults.Web));
}
