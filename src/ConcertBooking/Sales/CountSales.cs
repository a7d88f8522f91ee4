using ConcertBooking.Events.Consuming;
using MySqlConnector;

namespace ConcertBooking.Sales;

/// <summary>Adds payments to <c>sales_daily</c> exactly once: the sums and the ids of their events commit together.</summary>
internal sealed class CountSales(MySqlDatabase database, ConsumerParts parts, ILogger<CountSales> logger)
    : EventConsumer("sales", parts, logger)
{
    /// <summary>Run in the order of the key, so that two instances do not deadlock.</summary>
    private const string AddSql = """
        INSERT INTO sales_daily (day, concert_id, seats_sold, amount) VALUES (@day, @concert, @seats, @amount)
          ON DUPLICATE KEY UPDATE seats_sold = seats_sold + @seats, amount = amount + @amount
        """;

    protected override Task TryAsync(IReadOnlyList<ReceivedEvent> events) => BatchAttempt.TryAsync(events, ApplyAsync);

    private Task ApplyAsync(IReadOnlyList<ReceivedEvent> events)
    {
        var payments = events.Where(static received => received.Payment is not null).DistinctBy(static received => received.Id)
            .ToDictionary(static received => received.Id, static received => received.Payment!);
        if (payments.Values.Any(payment => EventInbox.MayBeForgotten(payment, Time)))
        {
            throw new EventRefusedException("it is older than the memory of counted events, so that it may be counted already");
        }

        return payments.Count == 0 ? Task.CompletedTask : database.RunAsync(
            async (connection, token) =>
            {
                await using var transaction = await TimedTransaction.BeginAsync(connection);
                var fresh = await EventInbox.RememberAsync(connection, Name, payments.Keys, token);
                foreach (var sales in fresh.Select(id => payments[id])
                    .GroupBy(static payment => (payment.PaidAt.UtcDateTime.Date, payment.ConcertId)).OrderBy(static sales => sales.Key))
                {
                    await using var add = new MySqlCommand(AddSql, connection);
                    add.Parameters.AddWithValue("@day", sales.Key.Date);
                    add.Parameters.AddWithValue("@concert", sales.Key.ConcertId);
                    add.Parameters.AddWithValue("@seats", sales.Sum(static payment => payment.Seats.Count));
                    add.Parameters.AddWithValue("@amount", sales.Sum(static payment => payment.Amount));
                    await add.ExecuteNonQueryAsync(token);
                }

                await transaction.CommitAsync();
                return fresh.Count;
            },
            CancellationToken.None, MySqlLimits.Background);
    }
}
