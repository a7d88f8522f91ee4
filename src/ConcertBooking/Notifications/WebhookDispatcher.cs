using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using ConcertBooking.Events.Consuming;

namespace ConcertBooking.Notifications;

/// <summary>
/// POSTs payments to the webhook, each until it answers 2xx. No transaction spans two systems: after a crash between
/// the answer and the note of it the same event is sent again, with the same <c>Idempotency-Key</c>, by which the
/// receiver knows it.
/// </summary>
internal sealed class WebhookDispatcher(Settings settings, MySqlDatabase database, ConsumerParts parts, ILogger<WebhookDispatcher> logger)
    : EventConsumer("notifications", parts, logger)
{
    private const int AtOnce = 8;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        ActivityHeadersPropagator = null, // our traces are nothing to the receiver
        AllowAutoRedirect = false, // the signature is for this receiver only
        ConnectTimeout = TimeSpan.FromSeconds(2),
        MaxConnectionsPerServer = AtOnce,
        PooledConnectionLifetime = TimeSpan.FromMinutes(2),
        UseCookies = false,
    })
    { Timeout = Limit, MaxResponseContentBufferSize = 64 * 1024 };

    protected override int BatchSize => 64;

    /// <summary>Side by side, but the events of one key one after the other: what follows a failure must not overtake it.</summary>
    protected override async Task TryAsync(IReadOnlyList<ReceivedEvent> events)
    {
        var sent = await KnownAsync(events);
        if (sent is null)
        {
            return;
        }

        await Parallel.ForEachAsync(
            events.GroupBy(static received => received.Key),
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce },
            async (ofKey, _) =>
            {
                Exception? earlier = null;
                foreach (var received in ofKey)
                {
                    received.Failure = earlier is not null
                        ? new TargetUnavailableException($"waits for the one before it: {earlier.Message}", earlier)
                        : await FailureAsync(received, sent);
                    received.Attempts++;
                    earlier ??= received.Failure is EventRefusedException ? null : received.Failure;
                }
            });
        await RememberAsync(events, sent);
    }

    protected override Task ApplyAsync(IReadOnlyList<ReceivedEvent> events) => TryAsync(events);

    /// <summary>Those that were sent before; null when the database does not say.</summary>
    private async Task<HashSet<Guid>?> KnownAsync(IReadOnlyList<ReceivedEvent> events)
    {
        try
        {
            var ids = events.Select(static received => received.Id).ToList();
            return await database.RunAsync((connection, token) => EventInbox.KnownAsync(connection, Name, ids, token), CancellationToken.None, MySqlLimits.Background);
        }
        catch (DatabaseUnavailableException exception)
        {
            foreach (var received in events)
            {
                received.Attempts++;
                received.Failure = new TargetUnavailableException(exception.Message, exception);
            }

            return null;
        }
    }

    /// <summary>When this fails, the next round finds them unknown and sends them again; the receiver knows them.</summary>
    private async Task RememberAsync(IReadOnlyList<ReceivedEvent> events, HashSet<Guid> before)
    {
        var done = events.Where(received => received.Failure is null && !before.Contains(received.Id)).Select(static received => received.Id).Distinct().ToList();
        if (done.Count == 0)
        {
            return;
        }

        try
        {
            await database.RunAsync((connection, token) => EventInbox.RememberAsync(connection, null, Name, done, token), CancellationToken.None, MySqlLimits.Background);
        }
        catch (DatabaseUnavailableException)
        {
            // They were delivered, and their offsets will be committed.
        }
    }

    /// <returns>Null when the receiver has it.</returns>
    private async Task<Exception?> FailureAsync(ReceivedEvent received, HashSet<Guid> sent)
    {
        try
        {
            if (sent.Contains(received.Id) || received.Payment is not { } payment)
            {
                return null;
            }

            if (received.ReplayGroup is null && EventInbox.MayBeForgotten(payment, Time))
            {
                return new EventRefusedException("it is older than the memory of sent notifications; put back as a dead letter, it is sent");
            }

            using var request = Request(received);
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            return Judge(response.StatusCode);
        }
        catch (FormatException exception)
        {
            return new EventRefusedException($"its headers cannot be passed on: {exception.Message}");
        }
        catch (Exception exception) when (exception is HttpRequestException or OperationCanceledException)
        {
            return new TargetUnavailableException($"the webhook does not answer: {exception.Message}", exception);
        }
    }

    private HttpRequestMessage Request(ReceivedEvent received)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, settings.NotificationsWebhookUrl)
        {
            Content = new ByteArrayContent(received.Value) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
        };
        var timestamp = Time.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        request.Headers.TryAddWithoutValidation("X-Signature-Timestamp", timestamp);
        request.Headers.TryAddWithoutValidation("X-Signature-256", $"sha256={Convert.ToHexStringLower(Sign(timestamp, received.Value))}");
        request.Headers.TryAddWithoutValidation("Idempotency-Key", received.Id.ToString());
        foreach (var attribute in (string[])["id", "source", "type", "specversion", "time"])
        {
            request.Headers.TryAddWithoutValidation($"ce-{attribute}", received.Header($"ce_{attribute}"));
        }

        return request;
    }

    /// <summary>
    /// Over the time of sending, a point and the body, so that what was once overheard is refused later. Each try is
    /// signed anew.
    /// </summary>
    private byte[] Sign(string timestamp, byte[] body)
    {
        using var hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, settings.NotificationsSigningKey);
        hash.AppendData(Encoding.ASCII.GetBytes($"{timestamp}."));
        hash.AppendData(body);
        return hash.GetHashAndReset();
    }

    /// <summary>Some statuses are of the receiver or of its address, some of the event; of a plain 500 nobody knows.</summary>
    private static Exception? Judge(HttpStatusCode status) => (int)status switch
    {
        >= 200 and < 300 => null,
        400 or 409 or 410 or 413 or 415 or 422 => new ReceiverRefusedException($"the webhook refused it with {(int)status}"),
        < 500 or 502 or 503 or 504 => new TargetUnavailableException($"the webhook answered {(int)status}"),
        _ => new HttpRequestException($"the webhook answered {(int)status}"),
    };

    public override void Dispose()
    {
        _http.Dispose();
        base.Dispose();
    }
}
