using TUnit.Core.Interfaces;

namespace ConcertBooking.Tests.Support;

/// <summary>For tests that start a Kafka and a Redis of their own.</summary>
public sealed class ThreeAtOnce : IParallelLimit
{
    public int Limit => 3;
}
