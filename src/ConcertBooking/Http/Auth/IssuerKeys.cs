using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;

namespace ConcertBooking.Http.Auth;

/// <summary>A snapshot of the issuer's name and signing keys (JWKS).</summary>
internal sealed class PublishedKeys(string issuer, ICollection<SecurityKey> keys, long fetchedAt)
{
    public string Issuer { get; } = issuer;
    public ICollection<SecurityKey> Keys { get; } = keys;
    public long FetchedAt { get; } = fetchedAt;
}

/// <summary>
/// Cache of the signing keys (JWKS) that <c>Auth__Authority</c> publishes. They are fetched in the background, one fetch at a time
/// for all requests, each with a timeout: an issuer that hangs costs a request <see cref="RequestTimeout"/> at most, and the
/// fetch is retried by itself. Known keys stay valid while the issuer cannot be reached.
/// </summary>
internal sealed partial class IssuerKeys : PeriodicService
{
    /// <summary>Between two fetches for unknown keys: forged tokens must not flood the issuer.</summary>
    private static readonly TimeSpan MinimumRefreshInterval = TimeSpan.FromSeconds(5);

    /// <summary>Between attempts while there is no key at all.</summary>
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(1);

    /// <summary>How long a key that the issuer has withdrawn may still be accepted.</summary>
    private static readonly TimeSpan KeyLifetime = TimeSpan.FromMinutes(1);

    /// <summary>For the discovery document and the keys together.</summary>
    private static readonly TimeSpan FetchTimeout = TimeSpan.FromSeconds(5);

    /// <summary>How long a request waits for a fetch.</summary>
    private static readonly TimeSpan RequestTimeout = TimeSpan.FromMilliseconds(1500);

    private readonly string _metadataAddress;
    private readonly DocumentRetriever _retriever;
    private readonly Metrics _metrics;
    private readonly ILogger<IssuerKeys> _logger;
    private readonly LogThrottle _reminder;
    private readonly Lock _gate = new();
    private volatile PublishedKeys? _keys;
    private Task _fetch = Task.CompletedTask;
    private long? _lastFetchAt;
    private bool _failed;

    public IssuerKeys(Settings settings, Metrics metrics, TimeProvider time, ILogger<IssuerKeys> logger)
        : base(RetryInterval, time, logger)
    {
        _metadataAddress = $"{settings.Auth.Authority!.TrimEnd('/')}/.well-known/openid-configuration";
        _retriever = new DocumentRetriever(requireHttps: !settings.Development);
        (_metrics, _logger, _reminder) = (metrics, logger, new LogThrottle(time));
    }

    /// <summary>The keys; null when none are known and the issuer cannot be reached.</summary>
    public async ValueTask<PublishedKeys?> GetAsync(CancellationToken cancellationToken)
    {
        if (_keys is null)
        {
            await WaitForFetchAsync(cancellationToken);
        }

        return _keys;
    }

    /// <summary>
    /// For a token that none of these keys signed: the issuer's newer ones; the same when they were fetched a moment ago; null
    /// when the issuer cannot be reached, so that it is unknown whether the key is a new one.
    /// </summary>
    public async ValueTask<PublishedKeys?> GetNewerAsync(PublishedKeys than, CancellationToken cancellationToken)
    {
        if (_keys is { } known && (known != than || Time.GetElapsedTime(known.FetchedAt) < MinimumRefreshInterval))
        {
            return known;
        }

        await WaitForFetchAsync(cancellationToken);
        return _keys is { } now && now != than ? now : null;
    }

    public override void Dispose()
    {
        _retriever.Dispose();
        base.Dispose();
    }

    protected override Task RoundAsync(CancellationToken stoppingToken) =>
        _keys is { } known && Time.GetElapsedTime(known.FetchedAt) < KeyLifetime
            ? Task.CompletedTask
            : FetchAsync().WaitAsync(stoppingToken);

    private async Task WaitForFetchAsync(CancellationToken cancellationToken)
    {
        try
        {
            await FetchAsync().WaitAsync(RequestTimeout, Time, cancellationToken);
        }
        catch (TimeoutException)
        {
            // The fetch goes on for later requests.
        }
    }

    /// <summary>The fetch in progress, or a new one unless the last has just ended. It never fails.</summary>
    private Task FetchAsync()
    {
        lock (_gate)
        {
            var pause = _failed && _keys is null ? RetryInterval : MinimumRefreshInterval;
            if (_fetch.IsCompleted && (_lastFetchAt is not { } ended || Time.GetElapsedTime(ended) >= pause))
            {
                _fetch = Task.Run(FetchAndReportAsync);
            }

            return _fetch;
        }
    }

    private async Task FetchAndReportAsync()
    {
        var problem = await TryFetchAsync();
        _metrics.Dependency("issuer", problem is null);
        if (problem is null && _failed)
        {
            LogBack(_logger);
        }
        else if (problem is not null && _reminder.IsDue())
        {
            LogUnavailable(_logger, problem);
        }

        lock (_gate)
        {
            (_failed, _lastFetchAt) = (problem is not null, Time.GetTimestamp());
        }
    }

    /// <returns>What went wrong, or null.</returns>
    private async Task<string?> TryFetchAsync()
    {
        using var limit = new CancellationTokenSource(FetchTimeout, Time);
        try
        {
            var found = await OpenIdConnectConfigurationRetriever.GetAsync(_metadataAddress, _retriever, limit.Token);
            // None at all: the known keys are withdrawn, and the next request fetches again.
            _keys = found.SigningKeys.Count > 0 ? new PublishedKeys(found.Issuer, found.SigningKeys, Time.GetTimestamp()) : null;
            return _keys is null ? "it publishes no signing keys" : null;
        }
        catch (Exception) when (limit.IsCancellationRequested)
        {
            return $"no answer in {FetchTimeout.TotalSeconds:0} s";
        }
        catch (Exception exception)
        {
            return exception.Message;
        }
    }

    /// <summary>
    /// Retrieves documents over TLS, with a size limit. Unlike the library's own it honours the cancellation token.
    /// </summary>
    private sealed class DocumentRetriever(bool requireHttps) : IDocumentRetriever, IDisposable
    {
        private const int MaximumBytes = 1024 * 1024;

        private readonly HttpClient _http = new() { Timeout = FetchTimeout, MaxResponseContentBufferSize = MaximumBytes };

        public Task<string> GetDocumentAsync(string address, CancellationToken cancel) =>
            requireHttps && !address.StartsWith("https:", StringComparison.OrdinalIgnoreCase)
                ? throw new InvalidOperationException("the keys must be published over https")
                : _http.GetStringAsync(new Uri(address), cancel);

        public void Dispose() => _http.Dispose();
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "The issuer of access tokens (Auth__Authority) cannot be reached or has no keys, trying again: {Problem}")]
    private static partial void LogUnavailable(ILogger logger, string problem);

    [LoggerMessage(Level = LogLevel.Information, Message = "The issuer of access tokens is back")]
    private static partial void LogBack(ILogger logger);
}
