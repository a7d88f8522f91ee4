namespace ConcertBooking.Points;

/// <summary>
/// Charges of several users' points in one transaction, in statements for all of them. Only plain successes: a member whose key has
/// an answer, or whose balance would pass the limit, is left out, and no row of it is touched.
/// </summary>
internal static class SharedChargeSql
{
    private const string Caller = "caller BIGINT PATH '$.caller'";
    private const string Amount = "amount BIGINT PATH '$.amount'";

    /// <summary>A row for each charge: its answer.</summary>
    public static readonly StoredProcedure Procedure = new("charge_points_shared", "@members JSON, @limit BIGINT",
        SharedSql.Variables + """
        DECLARE @won TEXT DEFAULT '';
        START TRANSACTION;

        """ + SharedSql.LockUsers
        // The rows of the users who are charged are locked, so the balances are what they are now. A key is its caller's: should
        // another instance be using it, one of the two fails at the key's row, and its members run alone.
        + $"""
        SELECT COALESCE(GROUP_CONCAT(w.n), '') INTO @won
          FROM {SharedSql.Members(SharedSql.N, SharedSql.User, Caller, Amount, SharedSql.Key)}
          STRAIGHT_JOIN user_point_balance b FORCE INDEX (PRIMARY) ON b.user_id = w.user_id
          WHERE FIND_IN_SET(w.user_id, @users) AND b.balance + w.amount <= @limit AND NOT EXISTS (SELECT 1 FROM idempotency i
            WHERE i.user_id = w.caller AND i.call_name = 'charge' AND i.idempotency_key = {SharedSql.KeySql});
        IF @won = '' THEN
          ROLLBACK;
        ELSE
          UPDATE {SharedSql.Members(SharedSql.N, SharedSql.User, Amount)}
            STRAIGHT_JOIN user_point_balance b FORCE INDEX (PRIMARY) ON b.user_id = w.user_id
            SET b.balance = b.balance + w.amount WHERE {SharedSql.Won};
          INSERT INTO point_tx (point_tx_id, user_id, type, amount, balance_after, reference)
            SELECT UNHEX(w.attempt), w.user_id, 'CHARGE', w.amount, b.balance, UNHEX(w.attempt)
            FROM {SharedSql.Members(SharedSql.N, SharedSql.User, Amount, SharedSql.Attempt)}
            STRAIGHT_JOIN user_point_balance b FORCE INDEX (PRIMARY) ON b.user_id = w.user_id WHERE {SharedSql.Won};
          INSERT INTO idempotency (user_id, call_name, idempotency_key, body_hash, attempt_id, answer)
            SELECT w.caller, 'charge', w.k, UNHEX(w.body_hash), t.point_tx_id, {ChargePoints.AnswerSql}
            FROM {SharedSql.Members(SharedSql.N, Caller, SharedSql.Key, SharedSql.Hash, SharedSql.Attempt)}
            STRAIGHT_JOIN point_tx t FORCE INDEX (PRIMARY) ON t.point_tx_id = UNHEX(w.attempt) WHERE {SharedSql.Won};
          COMMIT;
        END IF;

        """
        // After COMMIT, a plain read.
        + $"""
        SELECT w.n, i.answer FROM {SharedSql.Members(SharedSql.N, Caller, SharedSql.Key)}
          STRAIGHT_JOIN idempotency i
            ON i.user_id = w.caller AND i.call_name = 'charge' AND i.idempotency_key = {SharedSql.KeySql} WHERE {SharedSql.Won};
        """);
}
