namespace ConcertBooking.Servers;

/// <summary>Requests of the Kafka protocol that a mock cluster can be made to refuse, by their API key.</summary>
internal enum KafkaRequest : short
{
    Produce = 0,
    InitProducerId = 22,
}

/// <summary>Error codes of the Kafka protocol.</summary>
internal enum KafkaError
{
    None = 0,
    UnknownTopicOrPartition = 3,
    ClusterAuthorizationFailed = 31,
    OutOfOrderSequenceNumber = 45,
}

/// <summary>Fault injection into a running mock cluster.</summary>
internal sealed partial class MockKafka
{
    /// <summary>Sets the advertised address of the broker, for a proxy in front of it.</summary>
    public void Advertise(string host, int port) => Librdkafka.SetAddress(_cluster, Broker, host, port);

    /// <summary>Delays the broker's replies by that time.</summary>
    public void SetRoundTrip(TimeSpan time) =>
        ThrowOnError(Librdkafka.SetRoundTrip(_cluster, Broker, (int)time.TotalMilliseconds));

    public void CreateTopic(string topic, int partitions) =>
        ThrowOnError(Librdkafka.CreateTopic(_cluster, topic, partitions, 1));

    /// <summary>The error of a topic that exists, as its metadata gives it; <see cref="KafkaError.None"/> clears it.</summary>
    public void SetTopicError(string topic, KafkaError error) => Librdkafka.SetTopicError(_cluster, topic, (int)error);

    public void RemoveLeader(string topic, int partition) =>
        ThrowOnError(Librdkafka.SetLeader(_cluster, topic, partition, -1));

    public void RestoreLeader(string topic, int partition) =>
        ThrowOnError(Librdkafka.SetLeader(_cluster, topic, partition, Broker));

    /// <summary>The next requests of that kind fail.</summary>
    public void Fail(KafkaRequest request, KafkaError error, int times = 1) =>
        Librdkafka.PushErrors(_cluster, (short)request, (nuint)times, [.. Enumerable.Repeat((int)error, times)]);

    /// <summary>Clears the failures set by <see cref="Fail"/>.</summary>
    public void Heal(KafkaRequest request) => Librdkafka.ClearErrors(_cluster, (short)request);
}
