using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace ConcertBooking.DevHost;

/// <summary>A seat that was free a moment ago.</summary>
internal sealed record Seat(string Queue, long ConcertId, long ScheduleId, int SeatNo, long Price);

/// <summary>The booking journey of one user, from sign-in to a confirmed seat, printed step by step.</summary>
internal sealed class Journey(Uri address, Screen screen)
{
    private const string Queue = "main";

    private static readonly TimeSpan QueueTimeout = TimeSpan.FromMinutes(5);
    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(30) };

    private string? _accessToken, _queueToken;

    /// <exception cref="HostException">A response does not match the contract.</exception>
    public async Task WalkAsync(CancellationToken cancellationToken)
    {
        // A new user each time: an earlier one may still have a place, holds or points.
        var userId = Random.Shared.Next(1_000_000, 2_000_000_000);
        var signIn = await CallAsync("POST", "/dev/sign-in", new JsonObject { ["userId"] = userId, ["admin"] = false }, cancellationToken);
        _accessToken = Text(signIn, "accessToken");

        await EnterAsync(cancellationToken);
        var seat = await FindSeatAsync(cancellationToken, show: true)
            ?? throw new HostException("Every seat is sold; start again with -- --fresh.");

        var hold = await CallAsync(
            "POST", "/v1/reservations", new JsonObject { ["scheduleId"] = seat.ScheduleId, ["seatNo"] = seat.SeatNo }, cancellationToken);
        var reservationId = Text(hold, "reservationId");
        await CallAsync("POST", "/v1/points/charges", new JsonObject { ["amount"] = Number(hold, "price") }, cancellationToken);
        await CallAsync("POST", "/v1/payments", new JsonObject { ["reservationId"] = reservationId }, cancellationToken);

        var reservation = await CallAsync("GET", $"/v1/reservations/{reservationId}", null, cancellationToken);
        if (Text(reservation, "status") is not "CONFIRMED" and var status)
        {
            throw new HostException($"the reservation is {status}, not CONFIRMED");
        }
    }

    /// <returns>The first available seat of a concert of the main queue; null when all are taken.</returns>
    public async Task<Seat?> FindSeatAsync(CancellationToken cancellationToken, bool show = false)
    {
        var concerts = await CallAsync("GET", "/v1/concerts", null, cancellationToken, show);
        foreach (var concert in Items(concerts, "items").Where(concert => Text(concert, "queue") == Queue))
        {
            var concertId = Number(concert, "concertId");
            var schedules = await CallAsync("GET", $"/v1/concerts/{concertId}/schedules", null, cancellationToken, show);
            foreach (var schedule in Items(schedules, "items").Where(schedule => Number(schedule, "availableSeats") > 0))
            {
                var scheduleId = Number(schedule, "scheduleId");
                var seats = await CallAsync("GET", $"/v1/schedules/{scheduleId}/seats", null, cancellationToken, show);
                if (Items(seats, "seats").FirstOrDefault(seat => Text(seat, "status") == "AVAILABLE") is { } free)
                {
                    return new Seat(Queue, concertId, scheduleId, (int)Number(free, "seatNo"), Number(schedule, "price"));
                }
            }
        }
        return null;
    }

    private async Task EnterAsync(CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(QueueTimeout);
        var place = await CallAsync("POST", "/v1/queue/tokens", new JsonObject { ["queue"] = Queue }, deadline.Token);
        _queueToken = Text(place, "token");
        while (Text(place, "status") != "ACTIVE")
        {
            await Task.Delay(TimeSpan.FromMilliseconds(Number(place, "pollAfterMs")), deadline.Token);
            place = await CallAsync("GET", "/v1/queue/tokens/current", null, deadline.Token);
            _queueToken = Text(place, "token");
        }
    }

    private async Task<JsonNode> CallAsync(
        string method, string path, JsonObject? body, CancellationToken cancellationToken, bool show = true)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(address, path));
        if (_accessToken is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _accessToken);
        }

        if (_queueToken is not null)
        {
            request.Headers.Add("Queue-Token", _queueToken);
        }

        if (body is not null)
        {
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
            request.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString());
        }

        if (show)
        {
            screen.Write($"\n{method} {path} {body?.ToJsonString()}".TrimEnd());
        }

        using var answer = await Http.SendAsync(request, cancellationToken);
        var text = await answer.Content.ReadAsStringAsync(cancellationToken);
        if (show)
        {
            screen.Write($"{(int)answer.StatusCode} {Short(text)}");
        }

        if (!answer.IsSuccessStatusCode)
        {
            throw new HostException($"{method} {path} answered {(int)answer.StatusCode} {Short(text)}");
        }

        return JsonNode.Parse(text) ?? throw new HostException($"{method} {path} answered without a body");
    }

    private static string Short(string text) => text.Length <= 300 ? text : $"{text[..297]}...";

    private static IEnumerable<JsonNode> Items(JsonNode node, string name) => (node[name] as JsonArray ?? []).OfType<JsonNode>();

    private static string Text(JsonNode node, string name) =>
        (string?)node[name] ?? throw new HostException($"an answer lacks {name}");

    private static long Number(JsonNode node, string name) =>
        (long?)node[name] ?? throw new HostException($"an answer lacks {name}");
}
