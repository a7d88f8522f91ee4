using System.Net.Sockets;
using MySqlConnector;

namespace ConcertBooking.MySql;

/// <summary>The classes of errors of MySQL, MariaDB and the connection, by what they mean for the unit of work.</summary>
internal enum MySqlFault
{
    /// <summary>Not the server's state but the statement, the data or the rights: repeating it would fail again.</summary>
    None,

    /// <summary>The server rolled the transaction back in favour of another one.</summary>
    Deadlock,

    /// <summary>The session ended, or none could be opened; the outcome of work in progress is unknown.</summary>
    ConnectionLost,

    /// <summary>The session had ended, mostly for being idle, before the statement reached it: nothing was done.</summary>
    SessionEnded,

    /// <summary>The server is up but accepts no further connections: nothing was done.</summary>
    ConnectionsExhausted,

    /// <summary>The server answers but accepts no writes; another one may be the primary by now. Nothing was done.</summary>
    NotPrimary,

    /// <summary>No space for another row, on disk or in memory; the statement was rolled back.</summary>
    OutOfSpace,

    /// <summary>A timeout of the client or the server passed.</summary>
    TimedOut,
}

/// <summary>Maps error numbers to faults: those of MySQL 9 and MariaDB 10.11, and of the proxies that stand in for them.</summary>
internal static class MySqlErrors
{
    /// <summary>Whether work may be retried that is safe to repeat after an unknown outcome.</summary>
    public static bool IsTransient(Exception exception) =>
        FaultOf(exception) is MySqlFault.ConnectionLost || HadNoEffect(exception);

    /// <summary>Whether any work may be retried: nothing of it was done.</summary>
    public static bool HadNoEffect(Exception exception) =>
        FaultOf(exception) is MySqlFault.Deadlock or MySqlFault.SessionEnded or MySqlFault.ConnectionsExhausted or MySqlFault.NotPrimary;

    /// <summary>Whether a CHECK of the schema refused the row: ER_CHECK_CONSTRAINT_VIOLATED, or ER_CONSTRAINT_FAILED of MariaDB.</summary>
    public static bool IsCheckViolation(MySqlException exception) => exception.Number is 3819 or 4025;

    /// <summary>
    /// Classifies an exception. The connector does not wrap the exception of a failed write to a connection that died in the
    /// pool.
    /// </summary>
    public static MySqlFault FaultOf(Exception exception)
    {
        if (exception is DatabaseUnavailableException)
        {
            return MySqlFault.None; // It carries the fault inside, and was given up.
        }

        if (exception is SessionEndedException)
        {
            return MySqlFault.SessionEnded;
        }

        if (exception is MySqlException mysql && FaultOf(mysql.Number) is not MySqlFault.None and var fault)
        {
            return fault;
        }

        for (var cause = exception; cause is not null; cause = cause.InnerException)
        {
            // A server that closes a session sends an unsolicited error packet, which reads as an answer out of order.
            if (cause is IOException or SocketException or MySqlProtocolException)
            {
                return MySqlFault.ConnectionLost;
            }
        }

        return MySqlFault.None;
    }

    private static MySqlFault FaultOf(int number) => number switch
    {
        1213 // ER_LOCK_DEADLOCK
            or 3101 // ER_TRANSACTION_ROLLBACK_DURING_COMMIT: group replication found a conflict
            => MySqlFault.Deadlock,

        1042 or 1043 // ER_BAD_HOST_ERROR (the connector: no connection), ER_HANDSHAKE_ERROR
            or 1053 or 1077 or 1079 or 1080 // ER_SERVER_SHUTDOWN, ER_NORMAL_SHUTDOWN, ER_SHUTDOWN_COMPLETE, ER_FORCING_CLOSE
            or 1152 or 1184 // ER_ABORTING_CONNECTION, ER_NEW_ABORTING_CONNECTION
            or 1154 or 1155 or 1156 or 1157 or 1158 or 1159 or 1160 or 1161 // ER_NET_*: reading, writing, order, compression, time
            or 1317 // ER_QUERY_INTERRUPTED: killed, mostly together with its session
            or 1927 // ER_CONNECTION_KILLED (MariaDB, MaxScale)
            or 2002 or 2003 or 2006 or 2013 or 2055 // CR_*: what a proxy reports of the server behind it
            or 3032 // ER_SERVER_OFFLINE_MODE
            or 3168 or 3169 // ER_SERVER_ISNT_AVAILABLE, ER_SESSION_WAS_KILLED
            or 9001 // ProxySQL: no connection to the hostgroup in time
            => MySqlFault.ConnectionLost,

        4031 // ER_CLIENT_INTERACTION_TIMEOUT
            => MySqlFault.SessionEnded,

        1040 // ER_CON_COUNT_ERROR
            or 1135 // ER_CANT_CREATE_THREAD
            or 1203 // ER_TOO_MANY_USER_CONNECTIONS
            or 1226 // ER_USER_LIMIT_REACHED
            => MySqlFault.ConnectionsExhausted,

        1036 // ER_OPEN_AS_READONLY (MariaDB with innodb_read_only)
            or 1047 // ER_UNKNOWN_COM_ERROR: a Galera node that left its cluster answers anything so
            or 1290 // ER_OPTION_PREVENTS_STATEMENT: read_only, super_read_only
            or 1792 // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
            or 1836 // ER_READ_ONLY_MODE
            or 1874 // ER_INNODB_READ_ONLY
            or 3100 // ER_RUN_HOOK_ERROR: group replication refuses the commit of a member that was expelled
            => MySqlFault.NotPrimary,

        3 or 20 // EE_WRITE, EE_DISK_FULL
            or 1021 // ER_DISK_FULL
            or 1026 // ER_ERROR_ON_WRITE
            or 1037 or 1041 // ER_OUTOFMEMORY, ER_OUT_OF_RESOURCES
            or 1114 // ER_RECORD_FILE_FULL
            or 1206 // ER_LOCK_TABLE_FULL
            or 3675 // ER_CREATE_TABLESPACE_FAILED_DISK_FULL
            => MySqlFault.OutOfSpace,

        -1 // the connector's CommandTimeoutExpired
            or 1205 // ER_LOCK_WAIT_TIMEOUT
            or 1969 // ER_STATEMENT_TIMEOUT (MariaDB)
            or 3024 // ER_QUERY_TIMEOUT
            => MySqlFault.TimedOut,

        _ => MySqlFault.None,
    };
}
