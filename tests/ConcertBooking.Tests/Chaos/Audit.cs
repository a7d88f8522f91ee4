using System.Text;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Chaos;

/// <summary>
/// Compares what callers were told with what the database holds, row by row: every ok is there with the right amounts,
/// nothing is there that was only ever refused, and what is unknown is wholly there or wholly not. For a database in
/// which the journal's calls are the only ones. An event is in the outbox or was published, perhaps more than once.
/// </summary>
internal sealed class Audit
{
    private sealed record Reservation(Guid BookingId, long UserId, long ScheduleId, int SeatNo, string Status, long Price);

    /// <param name="Subject">Its seats, as a hold names them.</param>
    /// <param name="Statuses">Of its seats: one, if the booking is whole.</param>
    private sealed record Booking(Guid Id, long UserId, string Subject, string Statuses, long Total);

    private sealed record Payment(Guid Id, Guid BookingId, long UserId, long Amount);

    private sealed record LedgerRow(long UserId, string Type, long Amount, long Balance, Guid Reference);

    private sealed record Remembered(long UserId, string Call, string Key, Guid AttemptId, string? Answer);

    private readonly List<string> _violations = [];
    private readonly Journal _journal;
    private readonly Dictionary<Guid, Booking> _bookings;
    private readonly Dictionary<Guid, Payment> _payments;
    private readonly Dictionary<Guid, LedgerRow> _ledger;
    private readonly Dictionary<(long, string, string), Remembered> _remembered;
    private readonly ILookup<Guid, string> _events;

    private Audit(
        Journal journal, List<Reservation> reservations, List<Payment> payments, List<LedgerRow> ledger, List<Remembered> remembered,
        List<(Guid Key, string Type)> events)
    {
        _journal = journal;
        _bookings = reservations.GroupBy(row => row.BookingId).Select(seats => new Booking(
            seats.Key, seats.First().UserId,
            $"{seats.First().ScheduleId}/{string.Join('+', seats.Select(seat => seat.SeatNo).Order())}",
            string.Join(", ", seats.Select(seat => seat.Status).Distinct()), seats.Sum(seat => seat.Price))).ToDictionary(row => row.Id);
        _payments = payments.ToDictionary(row => row.Id);
        _ledger = ledger.ToDictionary(row => row.Reference);
        _remembered = remembered.ToDictionary(row => (row.UserId, row.Call, row.Key));
        _events = events.ToLookup(row => row.Key, row => row.Type);
    }

    /// <summary>Fails with every difference. Nothing may be under way any more.</summary>
    public static async Task CheckAsync(Journal journal, Database database, IReadOnlyCollection<PublishedEvent> published)
    {
        await using var connection = await database.OpenAsync();
        var audit = new Audit(
            journal,
            await ReadAsync(connection, "SELECT booking_id, user_id, schedule_id, seat_no, status, price FROM reservation",
                row => new Reservation(
                    row.GetGuid(0), row.GetInt64(1), row.GetInt64(2), row.GetInt32(3), row.GetString(4), row.GetInt64(5))),
            await ReadAsync(connection, "SELECT payment_id, booking_id, user_id, amount FROM payment",
                row => new Payment(row.GetGuid(0), row.GetGuid(1), row.GetInt64(2), row.GetInt64(3))),
            await ReadAsync(connection, "SELECT user_id, type, amount, balance_after, reference FROM point_tx",
                row => new LedgerRow(row.GetInt64(0), row.GetString(1), row.GetInt64(2), row.GetInt64(3), row.GetGuid(4))),
            await ReadAsync(connection, "SELECT user_id, call_name, idempotency_key, attempt_id, answer FROM idempotency",
                row => new Remembered(
                    row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetGuid(3), row.IsDBNull(4) ? null : row.GetString(4))),
            [.. (await ReadAsync(
                connection, "SELECT event_id, event_key, event_type FROM outbox",
                row => (Id: row.GetGuid(0), Key: row.GetGuid(1), Type: row.GetString(2))))
                .Concat(published.Select(known => (known.Id, Key: Guid.Parse(known.Key), known.Type)))
                .DistinctBy(known => known.Id)
                .Select(known => (known.Key, known.Type))]);
        audit.Check();
        if (audit._violations.Count > 0)
        {
            Assert.Fail(
                $"{audit._violations.Count} differences between the journal and the database:\n"
                    + $"{string.Join('\n', audit._violations.Take(40))}");
        }
    }

    private void Check()
    {
        foreach (var surprise in _journal.Surprises)
        {
            _violations.Add(surprise);
        }

        CheckHolds();
        CheckPayments();
        CheckReleases();
        CheckCharges();
        CheckWhole();
        CheckEvents();
    }

    private void CheckHolds()
    {
        var known = new HashSet<Guid>();
        foreach (var hold in Of("hold", Outcome.Ok))
        {
            var id = Guid.Parse(hold.Reply!.Value("bookingId"));
            var total = hold.Reply.Json.TryGetProperty("total", out var sum) ? sum.GetInt64() : hold.Reply.Number("price");
            known.Add(id);
            if (!_bookings.TryGetValue(id, out var row))
            {
                _violations.Add($"Hold {id} was answered {hold.Reply.Status} and is not there.");
            }
            else if (row.UserId != hold.UserId || row.Subject != hold.Subject || row.Total != total)
            {
                _violations.Add($"Hold {id} of user {hold.UserId} for {hold.Subject} is there as {row}.");
            }
        }

        var unknown = Of("hold", Outcome.Unknown).CountBy(hold => (hold.UserId, hold.Subject)).ToDictionary();
        foreach (var (hold, count) in _bookings.Values.Where(row => !known.Contains(row.Id)).CountBy(row => (row.UserId, row.Subject)))
        {
            if (count > unknown.GetValueOrDefault(hold))
            {
                _violations.Add($"User {hold.UserId} has {count} bookings of {hold.Subject} that no answer explains.");
            }
        }
    }

    private void CheckPayments()
    {
        var known = new HashSet<Guid>();
        foreach (var pay in Of("pay", Outcome.Ok))
        {
            var id = Guid.Parse(pay.Reply!.Value("paymentId"));
            known.Add(id);
            if (pay.Reply.Value("bookingId") != pay.Subject)
            {
                _violations.Add($"The payment of {pay.Subject} was answered with that of another:\n{pay.Reply}");
            }

            if (!_payments.TryGetValue(id, out var row))
            {
                _violations.Add($"Payment {id} was answered 201 and is not there.");
            }
            else if (row.BookingId != Guid.Parse(pay.Subject) || row.UserId != pay.UserId || row.Amount != pay.Reply.Number("amount"))
            {
                _violations.Add($"Payment {id} of user {pay.UserId} for {pay.Subject} is there as {row}.");
            }

            CheckAnswer(pay, id, "USE");
        }

        var unknown = Of("pay", Outcome.Unknown).Select(pay => Guid.Parse(pay.Subject)).ToHashSet();
        foreach (var row in _payments.Values.Where(row => !known.Contains(row.Id) && !unknown.Contains(row.BookingId)))
        {
            _violations.Add($"No answer explains {row}.");
        }
    }

    private void CheckReleases()
    {
        var ok = Of("release", Outcome.Ok).Select(release => Guid.Parse(release.Subject)).ToHashSet();
        var unknown = Of("release", Outcome.Unknown).Select(release => Guid.Parse(release.Subject)).ToHashSet();
        foreach (var id in ok.Where(id => _bookings.GetValueOrDefault(id)?.Statuses != "RELEASED"))
        {
            _violations.Add($"The release of {id} was answered 204, but it is there as {_bookings.GetValueOrDefault(id)}.");
        }

        foreach (var row in _bookings.Values.Where(
            row => row.Statuses == "RELEASED" && !ok.Contains(row.Id) && !unknown.Contains(row.Id)))
        {
            _violations.Add($"Nobody released {row}.");
        }
    }

    private void CheckCharges()
    {
        foreach (var charge in Of("charge", Outcome.Ok))
        {
            CheckAnswer(charge, Guid.Parse(charge.Reply!.Value("chargeId")), "CHARGE");
        }
    }

    /// <summary>An answer with a key: its ledger row is there, and the same bytes are remembered.</summary>
    private void CheckAnswer(Attempt attempt, Guid reference, string type)
    {
        if (!_ledger.TryGetValue(reference, out var row)
            || row != new LedgerRow(attempt.UserId, type, attempt.Reply!.Number("amount"), attempt.Reply.Number("balance"), reference))
        {
            _violations.Add($"The ledger has {row} for:\n{attempt.Reply}");
        }
        if (type == "CHARGE" && attempt.Reply!.Number("amount") != long.Parse(
            attempt.Subject, System.Globalization.CultureInfo.InvariantCulture))
        {
            _violations.Add($"{attempt.Subject} points were to be charged, but the answer is:\n{attempt.Reply}");
        }

        if (_remembered.GetValueOrDefault((attempt.UserId, attempt.Call, attempt.Key!))?.Answer is not { } answer
            || !Encoding.UTF8.GetBytes(answer).AsSpan().SequenceEqual(attempt.Reply!.Body))
        {
            _violations.Add($"Other bytes are remembered for key {attempt.Key} than were sent:\n{attempt.Reply}");
        }
    }

    /// <summary>Each effect has its remembered key and each key its effect; a key that was only ever refused has neither.</summary>
    private void CheckWhole()
    {
        var owners = _remembered.Values.ToDictionary(row => row.AttemptId);
        foreach (var row in _ledger.Values)
        {
            if (!owners.TryGetValue(row.Reference, out var key) || key.UserId != row.UserId
                || key.Call != (row.Type == "USE" ? "pay" : "charge"))
            {
                _violations.Add($"{row} has no remembered key.");
            }

            if ((row.Type == "USE") != _payments.ContainsKey(row.Reference))
            {
                _violations.Add($"{row} and its payment do not go together.");
            }
        }

        var open = _journal.Attempts.Where(attempt => attempt.Outcome is not Outcome.Refused && attempt.Key is not null)
            .Select(attempt => (attempt.UserId, attempt.Call, attempt.Key!)).ToHashSet();
        foreach (var (key, row) in _remembered)
        {
            if (row.Answer is null || !_ledger.ContainsKey(row.AttemptId))
            {
                _violations.Add($"{row} is remembered without its effect.");
            }

            if (!open.Contains(key))
            {
                _violations.Add($"{row} is remembered although every call with that key was refused.");
            }
        }
    }

    private void CheckEvents()
    {
        var paid = _payments.Values.Select(row => row.BookingId).ToHashSet();
        foreach (var row in _bookings.Values)
        {
            List<string> expected = ["booking.held.v1"];
            if (row.Statuses is not ("HELD" or "CONFIRMED"))
            {
                expected.Add($"booking.{row.Statuses.ToLowerInvariant()}.v1"); // a part of one has no such name
            }

            if (paid.Contains(row.Id))
            {
                expected.Add("payment.completed.v2");
            }

            if (!_events[row.Id].Order(StringComparer.Ordinal).SequenceEqual(expected.Order(StringComparer.Ordinal)))
            {
                _violations.Add($"{row} has the events [{string.Join(", ", _events[row.Id])}], not [{string.Join(", ", expected)}].");
            }
        }
    }

    private IEnumerable<Attempt> Of(string call, Outcome outcome) =>
        _journal.Attempts.Where(attempt => attempt.Call == call && attempt.Outcome == outcome);

    private static async Task<List<T>> ReadAsync<T>(MySqlConnection connection, string sql, Func<MySqlDataReader, T> read)
    {
        await using var command = new MySqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<T>();
        while (await reader.ReadAsync())
        {
            rows.Add(read(reader));
        }

        return rows;
    }
}
