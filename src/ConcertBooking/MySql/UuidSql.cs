namespace ConcertBooking.MySql;

/// <summary>MySQL and MariaDB have no common function that formats a UUID.</summary>
internal static class UuidSql
{
    /// <summary>The text of a BINARY(16), as <see cref="Guid.ToString()"/> writes it.</summary>
    public static string Text(string column) =>
        $"LOWER(CONCAT_WS('-', SUBSTR(HEX({column}), 1, 8), SUBSTR(HEX({column}), 9, 4), SUBSTR(HEX({column}), 13, 4), "
            + $"SUBSTR(HEX({column}), 17, 4), SUBSTR(HEX({column}), 21)))";
}
