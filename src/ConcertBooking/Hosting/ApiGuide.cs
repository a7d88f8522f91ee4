namespace ConcertBooking.Hosting;

/// <summary>The text around the calls in the OpenAPI document.</summary>
internal static class ApiGuide
{
    public const string Introduction = """
        Waiting room, seats, holds and payments by points.

        1. Enter a queue with an access token (`POST /v1/queue/tokens`) and ask for your place, or watch it, until its status is `ACTIVE`.
        2. Look at concerts, schedules and seats. This needs no credential.
        3. Hold a seat (`POST /v1/reservations`) or several (`POST /v1/bookings`) with the queue token. A hold lasts some minutes.
        4. Charge points, then pay (`POST /v1/payments`) with the queue token and an `Idempotency-Key`.

        Every refusal is `application/problem+json` with a stable `code`. Times are UTC, money is whole points. Clients ignore members
        that they do not know: more may be added.
        """;

    /// <summary>In the order in which a visitor comes to them, then those of operators.</summary>
    public static readonly IReadOnlyList<ApiTag> Tags =
    [
        new("Queue", "The waiting room. Each concert names its queue; an admitted place (`ACTIVE`) allows to hold and to pay."),
        new("Catalogue", "Concerts, their schedules, and the plan and the seats of each. Public, with `ETag`."),
        new("Bookings", "Several seats of a schedule that are held, prolonged, paid and released together, all or none."),
        new("Reservations", "One seat each. `POST /v1/reservations` makes a booking of one seat."),
        new("Payments", "Pay a held booking, once, with points."),
        new("Points", "The caller's balance and ledger, and charges."),
        new("Rankings", "What sells best. Public, with `ETag`."),
        new("Admin", "Concerts, schedules, halls, queues and events, for an access token with the role `admin`."),
        new("Development", "Only where the environment is Development."),
        new("Operations", "Health, for load balancers and orchestrators."),
    ];
}
