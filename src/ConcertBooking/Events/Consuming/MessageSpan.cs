using System.Diagnostics;
using ConcertBooking.Events.Outbox;

namespace ConcertBooking.Events.Consuming;

/// <summary>
/// The spans on both sides of Kafka, in the trace of the request that wrote the event: its row in the outbox remembers
/// the parent, its message names the sending span. Where there is no parent, there is no span.
/// </summary>
internal static class MessageSpan
{
    public const string Header = "traceparent";

    public static Activity? Send(OutboxEvent outboxEvent) => Start("send", ActivityKind.Producer, outboxEvent.Topic, outboxEvent.TraceParent);

    /// <summary>One for each event that tells of a trace. Current is the span of an event that is tried alone, so that its effect is within.</summary>
    public static List<(ReceivedEvent Event, Activity Span)> Process(IReadOnlyList<ReceivedEvent> events, string group)
    {
        var spans = new List<(ReceivedEvent, Activity)>();
        foreach (var received in events)
        {
            if (Start("process", ActivityKind.Consumer, received.Result.Topic, received.Header(Header)) is { } span)
            {
                spans.Add((received, span.SetTag("messaging.consumer.group.name", group)));
            }
        }

        if (events.Count > 1)
        {
            Activity.Current = null;
        }

        return spans;
    }

    /// <summary>Ends it, telling what went wrong.</summary>
    public static void End(this Activity span, Exception? failure)
    {
        if (failure is not null)
        {
            span.SetStatus(ActivityStatusCode.Error, failure.Message);
        }

        span.Dispose();
    }

    private static Activity? Start(string operation, ActivityKind kind, string topic, string? traceParent) =>
        Instrumentation.Source.HasListeners() && ActivityContext.TryParse(traceParent, null, isRemote: true, out var parent)
            ? Instrumentation.Source.StartActivity($"{operation} {topic}", kind, parent)
                ?.SetTag("messaging.system", "kafka").SetTag("messaging.operation.type", operation).SetTag("messaging.destination.name", topic)
            : null;
}
