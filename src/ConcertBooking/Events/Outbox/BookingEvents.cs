using MySqlConnector;

namespace ConcertBooking.Events.Outbox;

/// <summary>The events of a booking's changes, payment aside: types, parameters and the statement that writes one.</summary>
internal static class BookingEvents
{
    public const string Held = "booking.held.v1";
    public const string Extended = "booking.extended.v1";
    public const string Expired = "booking.expired.v1";
    public const string Released = "booking.released.v1";

    /// <summary>Those of <see cref="AddTo"/>, for a stored procedure.</summary>
    public const string Parameters = """
        @booking BINARY(16), @event BINARY(16), @traceparent VARCHAR(55) CHARACTER SET ascii COLLATE ascii_bin
        """;

    /// <summary>
    /// Writes the event of the seats that this transaction changed: those whose change_id is the event's id; none when there is
    /// none, so the change and its event are one.
    /// </summary>
    /// <param name="type">One of the constants above.</param>
    /// <remarks>
    /// The JSON must equal the schemas of <c>booking.*.v1</c> in deploy/asyncapi.yaml: AsyncApiTests compares all members of each
    /// type. The service itself does not read these events, so no record has their shape.
    /// </remarks>
    public static string Sql(string type) => InsertSql(
        type, "@event", "@traceparent",
        $"""
        booking b JOIN reservation r FORCE INDEX (reservation_booking) ON r.booking_id = b.booking_id AND r.change_id = @event
          JOIN concert_schedule s ON s.schedule_id = b.schedule_id {PlacesSql}
        WHERE b.booking_id = @booking GROUP BY b.booking_id
        """,
        Joined);

    /// <summary>The same for all members of a shared transaction.</summary>
    /// <param name="type">One of the constants above.</param>
    /// <param name="which">A condition on the members.</param>
    public static string ForMembersSql(string type, string which) => InsertSql(
        type, "UNHEX(w.event)", "w.traceparent",
        $"""
        {SharedSql.Members(SharedSql.N, SharedSql.Booking, SharedSql.Event, SharedSql.TraceParent)}
          STRAIGHT_JOIN booking b FORCE INDEX (PRIMARY) ON b.booking_id = UNHEX(w.booking)
          STRAIGHT_JOIN reservation r FORCE INDEX (reservation_booking) ON r.booking_id = b.booking_id AND r.change_id = UNHEX(w.event)
          STRAIGHT_JOIN concert_schedule s ON s.schedule_id = b.schedule_id {PlacesSql}
        WHERE {which} GROUP BY w.n, w.event, w.traceparent, b.booking_id
        """,
        Joined);

    /// <summary>The same of a table <c>w</c> that has a row a seat, with all that the event says of it.</summary>
    /// <param name="type">One of the constants above.</param>
    /// <param name="seats">The table, with the columns that the tables joined above have, and event and traceparent.</param>
    public static string OfSeatsSql(string type, string seats) => InsertSql(
        type, "UNHEX(w.event)", "w.traceparent",
        $"{seats} GROUP BY w.booking_id, w.user_id, w.concert_id, w.schedule_id, w.event, w.traceparent", new("w", "w", "w", "w"));

    private static string InsertSql(string type, string eventId, string traceParent, string from, Aliases of) => $$"""
        INSERT INTO outbox (event_id, topic, event_type, event_key, payload, traceparent)
          SELECT {{eventId}}, '{{OutboxEvents.ReservationsTopic}}', '{{type}}', {{of.Booking}}.booking_id,
            CONCAT('{"bookingId":"', {{UuidSql.Text($"{of.Booking}.booking_id")}}, '","userId":', {{of.Booking}}.user_id,
              ',"concertId":', {{of.Schedule}}.concert_id, ',"scheduleId":', {{of.Booking}}.schedule_id,
              ',"seats":[', {{SeatsOf(of, more: "")}}, '],{{TimeSql(type, of)}}, '"}'), {{traceParent}}
          FROM {{from}};

        """;

    /// <summary>What the tables are called that an event is read from.</summary>
    private readonly record struct Aliases(string Booking, string Reservation, string Schedule, string Place);

    private static Aliases Joined => new("b", "r", "s", "h");

    /// <summary>
    /// The seats of <c>reservation r</c>, an aggregate: the members of an array in the order of their numbers. Needs
    /// <see cref="PlacesSql"/>; without a hall the names are empty and the label is the seat's number.
    /// </summary>
    public static string SeatsSql { get; } = SeatsOf(Joined, more: "");

    /// <summary>The same with the status of each, as answers have it.</summary>
    public static string SeatsWithStatusSql { get; } = SeatsOf(Joined, more: """, ',"status":"', r.status, '"'""");

    private static string SeatsOf(Aliases of, string more) => $$"""
        GROUP_CONCAT(CONCAT('{"reservationId":"', {{UuidSql.Text($"{of.Reservation}.reservation_id")}},
                '","seatNo":', {{of.Reservation}}.seat_no, ',"section":', JSON_QUOTE(COALESCE({{of.Place}}.section, '')),
                ',"row":', JSON_QUOTE(COALESCE({{of.Place}}.row_name, '')),
                ',"label":"', COALESCE({{of.Place}}.label, {{of.Reservation}}.seat_no),
                '","grade":', JSON_QUOTE(COALESCE({{of.Place}}.grade, '')), ',"price":', {{of.Reservation}}.price{{more}}, '}')
                ORDER BY {{of.Reservation}}.seat_no)
        """;

    /// <summary>Joins to <c>reservation r</c> of <c>concert_schedule s</c> the place of its seat.</summary>
    public const string PlacesSql = "LEFT JOIN hall_seat h ON h.hall_id = s.hall_id AND h.seat_no = r.seat_no";

    private static string TimeSql(string type, Aliases of) => type is Held or Extended
        ? $"\"heldUntil\":\"', DATE_FORMAT(MIN({of.Reservation}.held_expires_at), '%Y-%m-%dT%H:%i:%s.%fZ')"
        : "\"at\":\"', DATE_FORMAT(NOW(6), '%Y-%m-%dT%H:%i:%s.%fZ')";

    /// <returns>The id of the event, which is also the mark of the change.</returns>
    public static Guid AddTo(MySqlParameterCollection parameters, Guid bookingId)
    {
        var eventId = Guid.CreateVersion7();
        parameters.AddWithValue("@booking", bookingId);
        parameters.AddWithValue("@event", eventId);
        parameters.AddWithValue("@traceparent", Instrumentation.TraceParent);
        return eventId;
    }
}
