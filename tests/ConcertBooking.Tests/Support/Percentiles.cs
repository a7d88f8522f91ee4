namespace ConcertBooking.Tests.Support;

internal static class Percentiles
{
    /// <summary>The value that this part of all is below, e.g. 0.95.</summary>
    public static T Part<T>(this IReadOnlyCollection<T> values, double part) => values.Order().ElementAt((int)(values.Count * part));
}
