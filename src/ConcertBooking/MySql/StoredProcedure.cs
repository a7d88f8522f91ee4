using System.Security.Cryptography;
using System.Text;
using MySqlConnector;

namespace ConcertBooking.MySql;

/// <summary>
/// Statements that MySQL keeps. A batch of statements is parsed anew each time and has an answer to each, which wakes
/// the service as often; a call is one short line and one answer. <c>migrate</c> makes the procedures. Each is named by
/// its own text as well, so that an older and a newer instance beside each other both find theirs.
/// </summary>
/// <param name="name">What it does.</param>
/// <param name="parameters">As in CREATE PROCEDURE, each as <c>@name TYPE</c>; text in the character set of the columns that it meets.</param>
/// <param name="sql">What is done, with the parameters as a batch would have them.</param>
internal sealed class StoredProcedure(string name, string parameters, string sql)
{
    private readonly string _body = $"({Plain(parameters)}) SQL SECURITY INVOKER BEGIN\n{Plain(sql)}\nEND";

    public string Name => field ??= $"{name}_{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(MySqlSession.SqlMode + _body)))[..12]}";

    public string CallSql => field ??= $"CALL {Name}({string.Join(",", parameters.Split(',').Select(static parameter => parameter.Trim().Split(' ')[0]))})";

    /// <summary>Makes it, unless it is there.</summary>
    public string CreateSql => $"CREATE PROCEDURE IF NOT EXISTS {Name} {_body}";

    /// <summary>A call, whose parameters are yet to be added.</summary>
    public MySqlCommand Call(MySqlConnection connection) => new(CallSql, connection);

    /// <summary>Within a procedure a parameter has a plain name, which no column has.</summary>
    private static string Plain(string sql) => sql.Replace("@", "p_", StringComparison.Ordinal);
}
