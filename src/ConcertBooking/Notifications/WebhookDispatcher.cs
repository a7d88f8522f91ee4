using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using ConcertBooking.Events.Consuming;

namespace ConcertBooking.Notifications;

/// <summary>
/// POSTs payments to the webhook, each until it returns 2xx: at-least-once delivery. After a crash between the response and
/// the record of it the same event is sent again with the same <c>Idempotency-Key</c>, so that the receiver can skip it.
/// </summary>
internal sealed class WebhookDispatcher(Settings settings, MySqlDatabase database, ConsumerParts parts, ILogger<WebhookDispatcher> logger)
    : EventConsumer("notifications", parts, logger, batchSize: 64)
{
    private const int MaximumConcurrency = 8;
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        ActivityHeadersPropagator = null, // our trace ids are internal
        AllowAutoRedirect = false, // the signature is for this receiver only
        ConnectTimeout = TimeSpan.FromSeconds(2),
        MaxConnectionsPerServer = MaximumConcurrency,
        PooledConnectionLifetime = TimeSpan.FromMinutes(2),
        UseCookies = false,
    })
    { Timeout = Timeout, MaxResponseContentBufferSize = 64 * 1024 };

    /// <summary>Concurrent over keys, in order within a key: events behind a failed one of their key wait.</summary>
    protected override async Task TryAsync(IReadOnlyList<ReceivedEvent> events)
    {
        var sent = await FindSentAsync(events);
        if (sent is null)
        {
            return;
        }

        await Parallel.ForEachAsync(
            events.GroupBy(static received => received.Key),
            new ParallelOptions { MaxDegreeOfParallelism = MaximumConcurrency },
            async (ofKey, _) =>
            {
                Exception? earlier = null;
                foreach (var received in ofKey)
                {
                    received.Failure = earlier is not null
                        ? new TargetUnavailableException($"waits for the one before it: {earlier.Message}", earlier)
                        : await SendAsync(received, sent);
                    received.Attempts++;
                    earlier ??= received.Failure is EventRefusedException ? null : received.Failure;
                }
            });
        await RememberAsync(events, sent);
    }

    /// <summary>The ids of events that were sent before; null when the database cannot be reached.</summary>
    private async Task<HashSet<Guid>?> FindSentAsync(IReadOnlyList<ReceivedEvent> events)
    {
        try
        {
            var ids = events.Select(static received => received.Id).ToList();
            return await database.RunAsync(
                (connection, token) => EventInbox.FindAsync(connection, Name, ids, token), CancellationToken.None, MySqlLimits.Background);
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

    /// <summary>Records the ids. If this fails, the events may be sent again; the receiver recognises their keys.</summary>
    private async Task RememberAsync(IReadOnlyList<ReceivedEvent> events, HashSet<Guid> before)
    {
        var done = events.Where(received => received.Failure is null && !before.Contains(received.Id))
            .Select(static received => received.Id).Distinct().ToList();
        if (done.Count == 0)
        {
            return;
        }

        try
        {
            await database.RunAsync(
                (connection, token) => EventInbox.RememberAsync(connection, Name, done, token),
                CancellationToken.None, MySqlLimits.Background);
        }
        catch (DatabaseUnavailableException)
        {
            // They were delivered, and their offsets will be committed.
        }
    }

    /// <returns>Why it failed; null when the receiver has the event.</returns>
    private async Task<Exception?> SendAsync(ReceivedEvent received, HashSet<Guid> sent)
    {
        try
        {
            if (sent.Contains(received.Id) || received.Payment is not { } payment)
            {
                return null;
            }

            if (received.ReplayGroup is null && EventInbox.MayBeForgotten(payment, Time))
            {
                return new EventRefusedException(
                    "it is older than the memory of sent notifications; put back as a dead letter, it is sent");
            }

            using var request = CreateRequest(received);
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            return FailureOf(response.StatusCode);
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

    private HttpRequestMessage CreateRequest(ReceivedEvent received)
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
    /// HMAC-SHA256 of <c>timestamp.body</c>. The timestamp lets the receiver refuse replayed requests, so each attempt is
    /// signed anew.
    /// </summary>
    private byte[] Sign(string timestamp, byte[] body)
    {
        using var hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, settings.NotificationsSigningKey);
        hash.AppendData(Encoding.ASCII.GetBytes($"{timestamp}."));
        hash.AppendData(body);
        return hash.GetHashAndReset();
    }

    /// <summary>Whether a status is the receiver's fault or the event's. A plain 500 can be either.</summary>
    private static Exception? FailureOf(HttpStatusCode status) => (int)status switch
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
