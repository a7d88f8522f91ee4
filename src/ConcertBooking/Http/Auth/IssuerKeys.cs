using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;

namespace ConcertBooking.Http.Auth;

/// <summary>What the issuer published at one time: its name and its keys.</summary>
internal sealed class PublishedKeys(string issuer, ICollection<SecurityKey> keys, long fetchedAt)
{
    public string Issuer { get; } = issuer;
    public ICollection<SecurityKey> Keys { get; } = keys;
    public long FetchedAt { get; } = fetchedAt;
}

/// <summary>
/// The signing keys that <c>Auth__Authority</c> publishes. They are fetched in the background, one fetch at a time for
/// all requests, and each is bounded: an issuer that hangs costs a request <see cref="WaitLimit"/> at most, and is asked
/// again by itself. Keys that are known go on counting while the issuer is away.
/// </summary>
internal sealed partial class IssuerKeys : PeriodicService
{
    /// <summary>How soon after an unknown key the issuer is asked again: strangers' tokens must not become a flood there.</summary>
    private static readonly TimeSpan AskedAgain = TimeSpan.FromSeconds(5);

    /// <summary>How soon after a failure, while there is no key at all.</summary>
    private static readonly TimeSpan TriedAgain = TimeSpan.FromSeconds(1);

    /// <summary>How long a key that the issuer has withdrawn may go on opening doors.</summary>
    private static readonly TimeSpan KeysKept = TimeSpan.FromMinutes(1);

    /// <summary>The document and the keys together.</summary>
    private static readonly TimeSpan FetchLimit = TimeSpan.FromSeconds(5);

    /// <summary>How long a request waits for a fetch.</summary>
    private static readonly TimeSpan WaitLimit = TimeSpan.FromMilliseconds(1500);

    private readonly string _document;
    private readonly Documents _documents;
    private readonly Metrics _metrics;
    private readonly ILogger<IssuerKeys> _logger;
    private readonly LogThrottle _reminder;
    private readonly Lock _gate = new();
    private volatile PublishedKeys? _known;
    private Task _fetch = Task.CompletedTask;
    private long? _endedAt;
    private bool _failed;

    public IssuerKeys(Settings settings, Metrics metrics, TimeProvider time, ILogger<IssuerKeys> logger)
        : base(TriedAgain, time, logger)
    {
        _document = $"{settings.Auth.Authority!.TrimEnd('/')}/.well-known/openid-configuration";
        _documents = new Documents(requireHttps: !settings.Development);
        (_metrics, _logger, _reminder) = (metrics, logger, new LogThrottle(time));
    }

    /// <summary>The keys; null when there are none and the issuer does not answer.</summary>
    public async ValueTask<PublishedKeys?> GetAsync(CancellationToken cancellationToken)
    {
        if (_known is null)
        {
            await WaitForFetchAsync(cancellationToken);
        }

        return _known;
    }

    /// <summary>
    /// For a token that none of these keys signed: the issuer's newer ones; the same when it was asked a moment ago; null
    /// when it does not answer, so that nobody knows whether the key is a new one.
    /// </summary>
    public async ValueTask<PublishedKeys?> GetNewerAsync(PublishedKeys than, CancellationToken cancellationToken)
    {
        if (_known is { } known && (known != than || Time.GetElapsedTime(known.FetchedAt) < AskedAgain))
        {
            return known;
        }

        await WaitForFetchAsync(cancellationToken);
        return _known is { } now && now != than ? now : null;
    }

    public override void Dispose()
    {
        _documents.Dispose();
        base.Dispose();
    }

    protected override Task RoundAsync(CancellationToken stoppingToken) =>
        _known is { } known && Time.GetElapsedTime(known.FetchedAt) < KeysKept ? Task.CompletedTask : FetchAsync().WaitAsync(stoppingToken);

    private async Task WaitForFetchAsync(CancellationToken cancellationToken)
    {
        try
        {
            await FetchAsync().WaitAsync(WaitLimit, Time, cancellationToken);
        }
        catch (TimeoutException)
        {
            // It goes on for those who come later.
        }
    }

    /// <summary>The fetch under way, or a new one unless the last has just ended. It never fails.</summary>
    private Task FetchAsync()
    {
        lock (_gate)
        {
            var pause = _failed && _known is null ? TriedAgain : AskedAgain;
            if (_fetch.IsCompleted && (_endedAt is not { } ended || Time.GetElapsedTime(ended) >= pause))
            {
                _fetch = Task.Run(FetchOnceAsync);
            }

            return _fetch;
        }
    }

    private async Task FetchOnceAsync()
    {
        var problem = await AskAsync();
        _metrics.Dependency("issuer", problem is null);
        if (problem is null && _failed)
        {
            LogBack(_logger);
        }
        else if (problem is not null && _reminder.IsDue())
        {
            LogAway(_logger, problem);
        }

        lock (_gate)
        {
            (_failed, _endedAt) = (problem is not null, Time.GetTimestamp());
        }
    }

    /// <returns>What went wrong, or null.</returns>
    private async Task<string?> AskAsync()
    {
        using var limit = new CancellationTokenSource(FetchLimit, Time);
        try
        {
            var found = await OpenIdConnectConfigurationRetriever.GetAsync(_document, _documents, limit.Token);
            // None at all: those known are withdrawn, and what comes next is asked for at once.
            _known = found.SigningKeys.Count > 0 ? new PublishedKeys(found.Issuer, found.SigningKeys, Time.GetTimestamp()) : null;
            return _known is null ? "it publishes no signing keys" : null;
        }
        catch (Exception) when (limit.IsCancellationRequested)
        {
            return $"no answer in {FetchLimit.TotalSeconds:0} s";
        }
        catch (Exception exception)
        {
            return exception.Message;
        }
    }

    /// <summary>Documents over TLS, of a size that keys have. What awaits them ends with the token, unlike the library's own.</summary>
    private sealed class Documents(bool requireHttps) : IDocumentRetriever, IDisposable
    {
        private const int MaximumBytes = 1024 * 1024;

        private readonly HttpClient _http = new() { Timeout = FetchLimit, MaxResponseContentBufferSize = MaximumBytes };

        public Task<string> GetDocumentAsync(string address, CancellationToken cancel) =>
            requireHttps && !address.StartsWith("https:", StringComparison.OrdinalIgnoreCase)
                ? throw new InvalidOperationException("the keys must be published over https")
                : _http.GetStringAsync(new Uri(address), cancel);

        public void Dispose() => _http.Dispose();
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "The issuer of access tokens (Auth__Authority) cannot be reached or has no keys, trying again: {Problem}")]
    private static partial void LogAway(ILogger logger, string problem);

    [LoggerMessage(Level = LogLevel.Information, Message = "The issuer of access tokens gives its keys again")]
    private static partial void LogBack(ILogger logger);
}
