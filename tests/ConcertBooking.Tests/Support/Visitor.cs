using System.Text.Json;

namespace ConcertBooking.Tests.Support;

/// <summary>One user with an access token and, once in a queue, the newest queue token.</summary>
public sealed class Visitor(Api api, long userId, string accessToken)
{
    public long UserId { get; } = userId;

    public string AccessToken { get; } = accessToken;

    /// <summary>The instance that is asked; a test may change it midway.</summary>
    public Api Api { get; set; } = api;

    /// <summary>The newest that an answer gave; a test may set another.</summary>
    public string? QueueToken { get; set; }

    public (string Name, string Value) Bearer => ("Authorization", $"Bearer {AccessToken}");

    public async Task<Reply> EnterAsync(string? queue) =>
        Remember(await PostAsync("/v1/queue/tokens", queue is null ? null : $$"""{"queue":{{Quote(queue)}}}"""));

    public async Task<Reply> PlaceAsync() => Remember(await Api.GetAsync("/v1/queue/tokens/current", InQueue()));

    public Task<Reply> LeaveAsync() => Api.SendAsync(HttpMethod.Delete, "/v1/queue/tokens/current", null, InQueue());

    /// <param name="show">Of its seats.</param>
    /// <param name="wish">The object bestAvailable.</param>
    /// <param name="key">The idempotency key; null for a fresh one.</param>
    public Task<Reply> HoldBestAsync(Show show, string wish, string? key = null) => Api.SendAsync(
        HttpMethod.Post, "/v1/bookings", $$"""{"scheduleId":{{show.ScheduleId}},"bestAvailable":{{wish}}}""",
        InQueue(("Idempotency-Key", key ?? NewKey())));

    public Task<Reply> HoldAsync(long scheduleId, long seatNo) =>
        Api.SendAsync(HttpMethod.Post, "/v1/reservations", $$"""{"scheduleId":{{scheduleId}},"seatNo":{{seatNo}}}""", InQueue());

    public Task<Reply> HoldAsync(Show show, long seatNo = 1) => HoldAsync(show.ScheduleId, seatNo);

    public Task<Reply> ReleaseAsync(string reservationId) => SendAsync(HttpMethod.Delete, $"/v1/reservations/{reservationId}");

    /// <summary>Holds several seats as one booking.</summary>
    public Task<Reply> HoldTogetherAsync(Show show, params IReadOnlyList<int> seatNos) => Api.SendAsync(
        HttpMethod.Post, "/v1/bookings", $$"""{"scheduleId":{{show.ScheduleId}},"seatNos":[{{string.Join(',', seatNos)}}]}""", InQueue());

    public Task<Reply> BookingAsync(string bookingId) => GetAsync($"/v1/bookings/{bookingId}");

    public Task<Reply> ReleaseBookingAsync(string bookingId) => SendAsync(HttpMethod.Delete, $"/v1/bookings/{bookingId}");

    public Task<Reply> ExtendAsync(string bookingId) =>
        Api.SendAsync(HttpMethod.Post, $"/v1/bookings/{bookingId}/extension", null, InQueue());

    public Task<Reply> ReservationAsync(string reservationId) => GetAsync($"/v1/reservations/{reservationId}");

    /// <param name="amount">Whole points.</param>
    /// <param name="key">The idempotency key; null for a fresh one.</param>
    public Task<Reply> ChargeAsync(long amount, string? key = null) =>
        PostAsync("/v1/points/charges", $$"""{"amount":{{amount}}}""", ("Idempotency-Key", key ?? NewKey()));

    /// <summary>Charges another user's points, which only a cashier may.</summary>
    public Task<Reply> ChargeForAsync(long target, long amount, string? key = null) =>
        PostAsync("/v1/points/charges", $$"""{"userId":{{target}},"amount":{{amount}}}""", ("Idempotency-Key", key ?? NewKey()));

    /// <inheritdoc cref="ChargeAsync"/>
    public Task<Reply> PayAsync(string reservationId, string? key = null, params (string Name, string Value)[] headers) => Api.SendAsync(
        HttpMethod.Post, "/v1/payments", $$"""{"reservationId":{{Quote(reservationId)}}}""",
        InQueue([("Idempotency-Key", key ?? NewKey()), .. headers]));

    /// <inheritdoc cref="ChargeAsync"/>
    public Task<Reply> PayBookingAsync(string bookingId, string? key = null) => Api.SendAsync(
        HttpMethod.Post, "/v1/payments", $$"""{"bookingId":{{Quote(bookingId)}}}""", InQueue(("Idempotency-Key", key ?? NewKey())));

    public async Task<long> BalanceAsync() => (await GetAsync("/v1/points")).Expect(200).Number("balance");

    public Task<Reply> GetAsync(string path) => SendAsync(HttpMethod.Get, path);

    public Task<Reply> PostAsync(string path, string? json, params (string Name, string Value)[] headers) =>
        SendAsync(HttpMethod.Post, path, json, headers);

    /// <summary>Sends with the access token.</summary>
    public Task<Reply> SendAsync(HttpMethod method, string path, string? json = null, params (string Name, string Value)[] headers) =>
        Api.SendAsync(method, path, json, [Bearer, .. headers]);

    /// <summary>Enters a queue where the user has no place. An entry whose answer was too late may count: then the next finds it.</summary>
    public async Task<Reply> EnteredAsync(string? queue)
    {
        var wasLate = false;
        var entered = await Eventually.AnsweredAsync(async () =>
        {
            var reply = await EnterAsync(queue);
            wasLate |= reply.Status == 503;
            return reply;
        });
        return wasLate ? entered.ExpectWon() : entered.Expect(201);
    }

    /// <summary>Enters the show's queue, is admitted, and charges that many points.</summary>
    public async Task<Visitor> AdmittedAsync(Show show, long points = 0)
    {
        var reply = await Eventually.ReachedAsync(() => EnterAsync(show.Queue));
        if (!reply.IsWon || reply.Value("status") != "ACTIVE")
        {
            throw new InvalidOperationException($"Not admitted:\n{reply}");
        }

        if (points > 0)
        {
            var key = NewKey();
            (await Eventually.AnsweredAsync(() => ChargeAsync(points, key))).Expect(201);
        }

        return this;
    }

    /// <summary>Holds a seat that is free.</summary>
    /// <returns>The reservation's id.</returns>
    public async Task<string> HeldAsync(Show show, long seatNo = 1)
    {
        var reply = await Eventually.AnsweredAsync(() => HoldAsync(show, seatNo));
        return reply.ExpectWon().Value("reservationId");
    }

    /// <summary>Holds seats that are free, as one booking.</summary>
    /// <returns>The booking's id.</returns>
    public async Task<string> HeldTogetherAsync(Show show, params IReadOnlyList<int> seatNos)
    {
        var reply = await Eventually.AnsweredAsync(() => HoldTogetherAsync(show, seatNos));
        return reply.ExpectWon().Value("bookingId");
    }

    public static string NewKey() => Guid.NewGuid().ToString();

    /// <summary>The headers of a call that takes the queue token alone.</summary>
    public (string Name, string Value)[] InQueue(params (string Name, string Value)[] more) =>
        QueueToken is { } token ? [("Queue-Token", token), .. more] : more;

    private static string Quote(string text) => $"\"{JsonEncodedText.Encode(text)}\"";

    private Reply Remember(Reply reply)
    {
        if (reply.Status is 200 or 201)
        {
            QueueToken = reply.Value("token");
        }

        return reply;
    }
}
