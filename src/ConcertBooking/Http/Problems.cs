namespace ConcertBooking.Http;

/// <summary>Every error code of the API, in one place.</summary>
internal static class Problems
{
    public static readonly Problem InvalidRequest = new(400, "invalid_request", "The request is not valid.");
    public static readonly Problem IdempotencyKeyMissing =
        new(400, "idempotency_key_missing", "This call needs an Idempotency-Key header.");
    public static readonly Problem Unauthorized = new(401, "unauthorized", "A valid access token is needed.");
    public static readonly Problem QueueTokenMissing =
        new(401, "queue_token_missing", "This call needs a Queue-Token header.");
    public static readonly Problem QueueTokenInvalid =
        new(401, "queue_token_invalid", "The queue token is not one of ours.");
    public static readonly Problem InsufficientPoints =
        new(402, "insufficient_points", "The balance does not cover the price.");
    public static readonly Problem Forbidden = new(403, "forbidden", "The access token does not allow this.");
    public static readonly Problem QueueTokenNotActive =
        new(403, "queue_token_not_active", "The queue token is not admitted to this concert.");
    public static readonly Problem ProofOfWorkNeeded =
        new(403, "proof_of_work_needed", "Entering needs an answer to the challenge in Proof-Of-Work-Challenge.");
    public static readonly Problem NotFound = new(404, "not_found", "There is nothing at this path.");
    public static readonly Problem ConcertNotFound = new(404, "concert_not_found", "There is no such concert.");
    public static readonly Problem ScheduleNotFound = new(404, "schedule_not_found", "There is no such schedule.");
    public static readonly Problem SeatNotFound = new(404, "seat_not_found", "The schedule has no such seat.");
    public static readonly Problem HallNotFound = new(404, "hall_not_found", "There is no such hall.");
    public static readonly Problem QueueNotFound = new(404, "queue_not_found", "There is no such queue.");
    public static readonly Problem ReservationNotFound =
        new(404, "reservation_not_found", "There is no such reservation.");
    public static readonly Problem BookingNotFound = new(404, "booking_not_found", "There is no such booking.");
    public static readonly Problem PaymentNotFound = new(404, "payment_not_found", "There is no such payment.");
    public static readonly Problem MethodNotAllowed =
        new(405, "method_not_allowed", "This path does not take that method.");
    public static readonly Problem RequestTimeout = new(408, "request_timeout", "The request did not arrive in time.");
    public static readonly Problem SeatTaken = new(409, "seat_taken", "The seat is taken.");
    public static readonly Problem NoSeatsTogether =
        new(409, "no_seats_together", "No row has as many free seats side by side.");
    public static readonly Problem SoldOut = new(409, "sold_out", "There are not as many free seats.");
    public static readonly Problem ScheduleClosed = new(409, "schedule_closed", "The concert has already started.");
    public static readonly Problem SalesNotOpen = new(409, "sales_not_open", "The sale has not opened yet.");
    public static readonly Problem SalesClosed = new(409, "sales_closed", "The sale has closed.");
    public static readonly Problem PurchaseLimitReached =
        new(409, "purchase_limit_reached", "This user has as many seats of this schedule as allowed.");
    public static readonly Problem HoldLimitReached =
        new(409, "hold_limit_reached", "This user holds as many seats as allowed.");
    public static readonly Problem ExtensionLimitReached =
        new(409, "extension_limit_reached", "The hold was prolonged as often as allowed.");
    public static readonly Problem AlreadyPaid = new(409, "already_paid", "The booking is already paid.");
    public static readonly Problem IdempotencyKeyInUse =
        new(409, "idempotency_key_in_use", "The first request with this key is still running.") { RetryAfterSeconds = 1 };
    public static readonly Problem BalanceLimitExceeded =
        new(409, "balance_limit_exceeded", "The balance would exceed its limit.");
    public static readonly Problem QueueTokenExpired =
        new(410, "queue_token_expired", "The place in the queue has ended.");
    public static readonly Problem HoldExpired = new(410, "hold_expired", "The hold has ended.");
    public static readonly Problem BodyTooLarge =
        new(413, "body_too_large", "The body is too large.");
    public static readonly Problem UnsupportedMediaType =
        new(415, "unsupported_media_type", "The body must be application/json in UTF-8.");
    public static readonly Problem IdempotencyKeyReused =
        new(422, "idempotency_key_reused", "The key was used with another body.");
    public static readonly Problem TooManyRequests =
        new(429, "too_many_requests", "Too many requests.") { RetryAfterSeconds = 1 };
    public static readonly Problem Internal = new(500, "internal_error", "Something went wrong on our side.");
    public static readonly Problem QueueUnavailable =
        new(503, "queue_unavailable", "The waiting room cannot be reached; try again.") { RetryAfterSeconds = 2 };
    public static readonly Problem QueueFull =
        new(503, "queue_full", "The waiting room is full; try again later.") { RetryAfterSeconds = 30 };
    public static readonly Problem TooManyStreams =
        new(503, "too_many_streams", "This instance has as many streams as it takes; try again later.") { RetryAfterSeconds = 10 };
    public static readonly Problem RankingsUnavailable =
        new(503, "rankings_unavailable", "The rankings cannot be reached; try again.") { RetryAfterSeconds = 2 };
    public static readonly Problem IssuerUnavailable =
        new(503, "issuer_unavailable", "The issuer of access tokens cannot be reached; try again.") { RetryAfterSeconds = 2 };
    public static readonly Problem DatabaseUnavailable =
        new(503, "database_unavailable", "The database cannot be reached; try again.") { RetryAfterSeconds = 1 };

    /// <summary>The problem for a status that the framework set (unknown path, wrong method, missing credential).</summary>
    public static Problem ForStatus(int status) => status switch
    {
        400 => InvalidRequest,
        401 => Unauthorized,
        403 => Forbidden,
        404 => NotFound,
        405 => MethodNotAllowed,
        408 => RequestTimeout,
        413 => BodyTooLarge,
        415 => UnsupportedMediaType,
        429 => TooManyRequests,
        >= 500 => Internal with { Status = status },
        _ => new Problem(status, "unknown", "The request was refused."),
    };
}
