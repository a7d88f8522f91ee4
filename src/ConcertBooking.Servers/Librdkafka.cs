using System.Reflection;
using System.Runtime.InteropServices;

namespace ConcertBooking.Servers;

/// <summary>
/// The mock cluster in librdkafka (its rdkafka_mock.h), which Confluent.Kafka carries but does not expose:
/// a broker on loopback, in memory, that speaks the real protocol to any client.
/// </summary>
internal static partial class Librdkafka
{
    private const string Library = "librdkafka";
    private const int Producer = 0;

    static Librdkafka() => NativeLibrary.SetDllImportResolver(typeof(Librdkafka).Assembly, Resolve);

    /// <summary>A client that does nothing but carry the mock cluster.</summary>
    public static nint NewClient()
    {
        var configuration = NewConfiguration();
        var error = new byte[512];
        _ = SetConfiguration(configuration, "log_level", "0", error, (nuint)error.Length);
        var client = NewClient(Producer, configuration, error, (nuint)error.Length);
        return client != 0 ? client : throw new InvalidOperationException("librdkafka did not make a client.");
    }

    /// <summary>
    /// A mock cluster, whose thread blocks every signal: it ends for good when a handler interrupts its poll (EINTR), and .NET
    /// has handlers for the signals that a process gets when it goes on after a stop, or when a child of it ends.
    /// </summary>
    public static nint NewCluster(nint client, int brokers)
    {
        using var blocked = SignalMask.BlockAll();
        return NewClusterOfThisThread(client, brokers);
    }

    public static string BootstrapServers(nint cluster) => Marshal.PtrToStringUTF8(GetBootstrapServers(cluster))!;

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_cluster_new")]
    private static partial nint NewClusterOfThisThread(nint client, int brokers);

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_cluster_destroy")]
    public static partial void DestroyCluster(nint cluster);

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_broker_set_down")]
    public static partial int SetDown(nint cluster, int broker);

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_broker_set_up")]
    public static partial int SetUp(nint cluster, int broker);

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_broker_set_rtt")]
    public static partial int SetRoundTrip(nint cluster, int broker, int milliseconds);

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_broker_set_host_port", StringMarshalling = StringMarshalling.Utf8)]
    public static partial void SetAddress(nint cluster, int broker, string host, int port);

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_set_controller_id")]
    public static partial void SetController(nint cluster, int broker);

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_topic_create", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int CreateTopic(nint cluster, string topic, int partitions, int replicas);

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_topic_set_error", StringMarshalling = StringMarshalling.Utf8)]
    public static partial void SetTopicError(nint cluster, string topic, int error);

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_partition_set_leader", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SetLeader(nint cluster, string topic, int partition, int broker);

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_push_request_errors_array")]
    public static partial void PushErrors(nint cluster, short api, nuint count, int[] errors);

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_clear_request_errors")]
    public static partial void ClearErrors(nint cluster, short api);

    [LibraryImport(Library, EntryPoint = "rd_kafka_destroy")]
    public static partial void DestroyClient(nint client);

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_cluster_bootstraps")]
    private static partial nint GetBootstrapServers(nint cluster);

    [LibraryImport(Library, EntryPoint = "rd_kafka_conf_new")]
    private static partial nint NewConfiguration();

    [LibraryImport(Library, EntryPoint = "rd_kafka_conf_set", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetConfiguration(nint configuration, string name, string value, [Out] byte[] error, nuint errorSize);

    [LibraryImport(Library, EntryPoint = "rd_kafka_new")]
    private static partial nint NewClient(int type, nint configuration, [Out] byte[] error, nuint errorSize);

    // The package brings several builds; which of them loads depends on the libraries of this machine.
    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath)
    {
        if (name != Library)
        {
            return 0;
        }

        foreach (var build in (string[])["librdkafka", "centos8-librdkafka", "alpine-librdkafka"])
        {
            if (NativeLibrary.TryLoad(build, assembly, searchPath, out var handle))
            {
                return handle;
            }
        }
        return 0;
    }
}
