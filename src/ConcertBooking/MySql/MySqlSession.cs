using MySqlConnector;

namespace ConcertBooking.MySql;

/// <summary>
/// The session settings of every connection of the service, its probes and its commands, so that no default of the server
/// changes what a statement means.
/// </summary>
internal static class MySqlSession
{
    /// <summary>
    /// Strict, and without NO_BACKSLASH_ESCAPES (the connector escapes ids with backslashes) or ANSI_QUOTES. A stored
    /// procedure keeps the mode that it was made in, so the mode is part of its name.
    /// </summary>
    public const string SqlMode = "STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION";

    /// <summary>
    /// READ COMMITTED: every statement sees what is committed when it starts, so a statement that waited for a lock decides
    /// on current data. The time zone makes TIMESTAMP columns read as UTC, and no hour come twice. The longest text made of several
    /// rows, on MariaDB also JSON_ARRAYAGG, has place for the seats of all payments of a shared transaction.
    /// </summary>
    private const string Sql = $"""
        SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE;
        SET SESSION sql_mode = '{SqlMode}', time_zone = '+00:00', autocommit = 1, completion_type = 0,
          foreign_key_checks = 1, unique_checks = 1, sql_safe_updates = 0, group_concat_max_len = 1000000;

        """;

    /// <summary>The connection string with the options that the statements of this build need.</summary>
    public static MySqlConnectionStringBuilder Settings(string connectionString) => new(connectionString)
    {
        GuidFormat = MySqlGuidFormat.Binary16,
        DateTimeKind = MySqlDateTimeKind.Utc,
        UseAffectedRows = true,
        AllowUserVariables = true, // set and read within one batch
        ApplicationName = "concert-booking",
    };

    /// <summary>A data source whose sessions are set up when they are opened.</summary>
    /// <param name="settings">Made by <see cref="Settings"/>.</param>
    /// <param name="more">Further statements for each session.</param>
    /// <param name="opened">Called with each new session.</param>
    public static MySqlDataSource Source(
        MySqlConnectionStringBuilder settings, string more = "", Func<MySqlConnection, CancellationToken, Task>? opened = null) =>
        Source(settings.ConnectionString, more, opened);

    /// <inheritdoc cref="Source(MySqlConnectionStringBuilder, string, Func{MySqlConnection, CancellationToken, Task})"/>
    public static MySqlDataSource Source(string settings, string more, Func<MySqlConnection, CancellationToken, Task>? opened)
    {
        var builder = new MySqlDataSourceBuilder(settings);
        builder.UseConnectionOpenedCallback(async (context, cancellationToken) =>
        {
            if (context.Conditions.HasFlag(MySqlConnectionOpenedConditions.New))
            {
                await using var command = new MySqlCommand(Sql + more, context.Connection);
                await command.ExecuteNonQueryAsync(cancellationToken);
                await (opened?.Invoke(context.Connection, cancellationToken) ?? Task.CompletedTask);
            }
        });
        return builder.Build();
    }

    /// <summary>Options of a connection string that would change what the service does, each with the only value that is allowed.</summary>
    private static readonly (string Name, object Allowed, string Why)[] FixedOptions =
    [
        (nameof(MySqlConnectionStringBuilder.MinimumPoolSize), 0u, "connections are opened as they are needed"),
        (nameof(MySqlConnectionStringBuilder.Pooling), true, "the service pools its connections"),
        (nameof(MySqlConnectionStringBuilder.OldGuids), false, "ids are BINARY(16)"),
        (nameof(MySqlConnectionStringBuilder.GuidFormat), MySqlGuidFormat.Binary16, "ids are BINARY(16)"),
        (nameof(MySqlConnectionStringBuilder.DateTimeKind), MySqlDateTimeKind.Utc, "all times are UTC"),
        (nameof(MySqlConnectionStringBuilder.AllowZeroDateTime), false, "there are none"),
        (nameof(MySqlConnectionStringBuilder.ConvertZeroDateTime), false, "there are none"),
        (nameof(MySqlConnectionStringBuilder.NoBackslashEscapes), false, "each session sets its own sql_mode"),
        (nameof(MySqlConnectionStringBuilder.UseAffectedRows), true, "rows that were changed decide"),
        (nameof(MySqlConnectionStringBuilder.AllowUserVariables), true, "statements use them"),
        (nameof(MySqlConnectionStringBuilder.TreatTinyAsBoolean), true, "statements rely on it"),
        (nameof(MySqlConnectionStringBuilder.UseXaTransactions), true, "there are none"),
        (nameof(MySqlConnectionStringBuilder.ForceSynchronous), false, "it would block threads"),
    ];

    /// <summary>Why a connection string cannot be used, or null.</summary>
    public static string? Refusal(MySqlConnectionStringBuilder settings)
    {
        const string MaximumPoolSize = nameof(MySqlConnectionStringBuilder.MaximumPoolSize);
        if (settings.ContainsKey(MaximumPoolSize))
        {
            return $"must not set {MaximumPoolSize}: Database__MaxPoolSize is the setting for it";
        }

        foreach (var (name, allowed, why) in FixedOptions)
        {
            if (settings.ContainsKey(name) && !allowed.Equals(settings[name]))
            {
                return $"must not set {name}: {why}";
            }
        }

        return null;
    }
}
