using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace ConcertBooking.DevHost;

/// <param name="Body">Null where there is none.</param>
/// <param name="Challenge">Of the proof of work that entering needs.</param>
internal sealed record CrowdAnswer(string Call, int Status, JsonNode? Body, string? Challenge)
{
    public bool IsSuccess => Status is >= 200 and < 300;

    /// <summary>The machine name of a refusal.</summary>
    public string? Code => IsSuccess ? null : (string?)Body?["code"];

    public string Text(string member) => (string?)Body?[member] ?? throw Unexpected();

    public long Number(string member) => (long?)Body?[member] ?? throw Unexpected();

    public IEnumerable<JsonNode> Items(string member) => (Body?[member] as JsonArray ?? throw Unexpected()).OfType<JsonNode>();

    public CrowdAnswer Expected() => IsSuccess ? this : throw Unexpected();

    public HostException Unexpected() => new($"{Call} answered {Status} {Body?.ToJsonString()}");
}

/// <summary>A call of the public API, with the headers that it needs.</summary>
internal sealed record CrowdCall(string Method, string Path, JsonObject? Body = null)
{
    public string? AccessToken { get; init; }

    public string? QueueToken { get; init; }

    public string? ProofOfWork { get; init; }
}

/// <summary>
/// The public API as the crowd calls it: over a few connections, and again after <c>Retry-After</c> where an instance is busy. A
/// request is never given up halfway, so that the crowd knows what it holds.
/// </summary>
internal sealed class CrowdApi(Uri address) : IDisposable
{
    private const int Connections = 32, Attempts = 5;

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1), LongestPause = TimeSpan.FromSeconds(5);

    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        AutomaticDecompression = DecompressionMethods.All,
        MaxConnectionsPerServer = Connections,
        // The service closes a connection that has sent nothing for longer.
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(5),
        UseCookies = false,
        UseProxy = false,
    })
    { BaseAddress = address, Timeout = TimeSpan.FromSeconds(15) };

    public void Dispose() => _http.Dispose();

    /// <returns>Whether there is a service at all.</returns>
    public async Task<bool> AnswersAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var response = await _http.GetAsync(new Uri("/livez", UriKind.Relative), cancellationToken);
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    /// <exception cref="HostException">The service does not answer.</exception>
    /// <exception cref="OperationCanceledException">The crowd leaves, and this call was waiting to be repeated.</exception>
    public async Task<CrowdAnswer> SendAsync(CrowdCall call, CancellationToken cancellationToken)
    {
        var key = Guid.NewGuid().ToString(); // the same for every attempt
        for (var attempt = 1; ; attempt++)
        {
            var pause = Pause;
            try
            {
                using var request = Request(call, key);
                using var response = await _http.SendAsync(request, CancellationToken.None);
                if (response.StatusCode is not (HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable) || attempt == Attempts)
                {
                    return await ReadAsync(call, response);
                }

                pause = response.Headers.RetryAfter?.Delta ?? Pause;
            }
            catch (Exception exception) when (exception is HttpRequestException or TaskCanceledException)
            {
                if (attempt == Attempts)
                {
                    throw new HostException($"{call.Method} {call.Path} was not answered: {exception.Message}");
                }
            }

            await Task.Delay(pause < LongestPause ? pause : LongestPause, cancellationToken);
        }
    }

    private static HttpRequestMessage Request(CrowdCall call, string key)
    {
        var request = new HttpRequestMessage(new HttpMethod(call.Method), new Uri(call.Path, UriKind.Relative));
        foreach (var (name, value) in new[]
        {
            ("Authorization", call.AccessToken is { } token ? $"Bearer {token}" : null),
            ("Queue-Token", call.QueueToken),
            ("Proof-Of-Work", call.ProofOfWork),
            ("Idempotency-Key", call.Body is null ? null : key),
        })
        {
            if (value is not null)
            {
                request.Headers.Add(name, value);
            }
        }

        if (call.Body is { } body)
        {
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        }

        return request;
    }

    private static async Task<CrowdAnswer> ReadAsync(CrowdCall call, HttpResponseMessage response)
    {
        var name = $"{call.Method} {call.Path}";
        var text = await response.Content.ReadAsStringAsync();
        var challenge = response.Headers.TryGetValues("Proof-Of-Work-Challenge", out var values) ? values.First() : null;
        try
        {
            return new(name, (int)response.StatusCode, text.Length == 0 ? null : JsonNode.Parse(text), challenge);
        }
        catch (JsonException)
        {
            throw new HostException($"{name} answered {(int)response.StatusCode} with something that is not JSON");
        }
    }
}
