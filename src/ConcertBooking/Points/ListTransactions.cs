using System.Text.Json.Serialization;
using Dapper;

namespace ConcertBooking.Points;

/// <param name="Type"><c>CHARGE</c> or <c>USE</c>.</param>
/// <param name="Amount">Whole points, always positive.</param>
/// <param name="Balance">The balance after it.</param>
/// <param name="Reference">The id of the charge or the payment.</param>
public sealed record PointTransaction(string Type, long Amount, long Balance, DateTime At, string Reference)
{
    internal static PointTransaction Example => new(
        "CHARGE", 100_000, 100_000, new DateTime(2026, 12, 1, 10, 2, 0, DateTimeKind.Utc), ChargePointsResponse.ExampleId);
}

public sealed record PointTransactionList(IReadOnlyList<PointTransaction> Items, string? NextCursor);

/// <summary>Lists the caller's ledger, newest first.</summary>
internal static class ListTransactions
{
    private const char List = 't';

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/points/transactions", HandleAsync)
            .WithName("ListTransactions").WithTags("Points").WithSummary("Read the ledger")
            .WithDescription("Every change of the caller's balance, newest first, with the balance after it.")
            .WithExample(static () => new PointTransactionList([PointTransaction.Example], null))
            .WithPaging()
            .WithAccessToken()
            .Produces<PointTransactionList>()
            .WithProblems(Problems.DatabaseUnavailable);

    private static async Task<IResult> HandleAsync(
        HttpContext context, MySqlDatabase database, int? limit, string? cursor, CancellationToken cancellationToken)
    {
        var newest = (Paging.LastMoment.Ticks, Paging.LastId);
        if (!Paging.TryRead(limit, cursor, List, newest, out var size, out var key, out var problem))
        {
            return problem;
        }

        if (key.Number < DateTime.MinValue.Ticks || key.Number > Paging.LastMoment.Ticks)
        {
            return Paging.CursorProblem;
        }

        var userId = context.UserId();
        var at = new DateTime(key.Number, DateTimeKind.Utc);
        var rows = await database.ReadAsync(
            async (connection, _) => (await connection.QueryAsync<PointTransactionRow>(
                SelectSql, new { userId, at, id = key.Id, count = size + 1 }, commandTimeout: MySqlLimits.StatementSeconds)).ToList(),
            cancellationToken);
        var items = rows.Take(size).Select(static row => row.ToResponse()).ToList();
        var next = rows.Count > size ? Paging.Write(List, rows[size - 1].At.Ticks, rows[size - 1].Id) : null;
        return TypedResults.Ok(new PointTransactionList(items, next));
    }

    /// <summary>Keyset paging: rows that are added meanwhile do not shift the next page.</summary>
    private const string SelectSql = """
        SELECT point_tx_id AS Id, type AS Type, amount AS Amount, balance_after AS Balance, created_at AS At, reference AS Reference
        FROM point_tx
        WHERE user_id = @userId AND (created_at < @at OR (created_at = @at AND point_tx_id < @id))
        ORDER BY created_at DESC, point_tx_id DESC
        LIMIT @count
        """;
}

/// <summary>A row of the ledger, which Dapper fills by name.</summary>
internal sealed class PointTransactionRow
{
    public Guid Id { get; set; }
    public string Type { get; set; } = "";
    public long Amount { get; set; }
    public long Balance { get; set; }
    public DateTime At { get; set; }
    public Guid Reference { get; set; }

    public PointTransaction ToResponse() => new(Type, Amount, Balance, At, Reference.ToString());
}

[JsonSerializable(typeof(PointTransactionList))]
internal sealed partial class ListTransactionsJson : JsonSerializerContext;
