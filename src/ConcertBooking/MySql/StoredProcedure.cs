using System.Security.Cryptography;
using System.Text;
using MySqlConnector;

namespace ConcertBooking.MySql;

/// <summary>
/// A stored procedure of MySQL. A batch of statements is parsed again each time and has a result for each, which wakes the
/// service as often; a call is one short line and one result. <c>migrate</c> creates the procedures. The name includes a
/// hash of the text, so that an older and a newer instance running side by side both find theirs.
/// </summary>
/// <param name="name">What it does.</param>
/// <param name="parameters">
/// As in CREATE PROCEDURE, each as <c>@name TYPE</c>; text in the character set of the columns that it is compared with.
/// </param>
/// <param name="sql">The body, with the parameters written as in a batch.</param>
internal sealed class StoredProcedure(string name, string parameters, string sql)
{
    private readonly string _body = $"({Plain(parameters)}) SQL SECURITY INVOKER BEGIN\n{Plain(sql)}\nEND";

    public string Name => field ??= $"{name}_{Hash(MySqlSession.SqlMode + _body)}";

    public string CallSql => field ??= $"CALL {Name}({string.Join(",", Names(parameters))})";

    /// <summary>Creates the procedure unless it exists.</summary>
    public string CreateSql => $"CREATE PROCEDURE IF NOT EXISTS {Name} {_body}";

    /// <summary>A call; the caller adds the parameters.</summary>
    public MySqlCommand Call(MySqlConnection connection) => new(CallSql, connection);

    /// <summary>Within a procedure a parameter has a plain name, which no column has.</summary>
    private static string Plain(string sql) => sql.Replace("@", "p_", StringComparison.Ordinal);

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..12];

    private static IEnumerable<string> Names(string parameters) =>
        parameters.Split(',').Select(static parameter => parameter.Trim().Split(' ')[0]);
}
