using System.Diagnostics;
using ConcertBooking.Events.Outbox;

namespace ConcertBooking.Events.Consuming;

/// <summary>
/// Trace context across Kafka: spans of the producer and the consumer in the trace of the request that wrote the event. The
/// outbox row stores the parent, the message names the sending span. Without a parent there is no span.
/// </summary>
internal static class MessageSpan
{
    public const string Header = "traceparent";

    public static Activity? Send(OutboxEvent outboxEvent) =>
        Start("send", ActivityKind.Producer, outboxEvent.Topic, outboxEvent.TraceParent);

    /// <summary>One span for each event with a trace. Only a single event's span is current, so that its effect is a child.</summary>
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

    /// <summary>Ends the span, with an error status after a failure.</summary>
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
                ?.SetTag("messaging.system", "kafka")
                .SetTag("messaging.operation.type", operation)
                .SetTag("messaging.destination.name", topic)
            : null;
}
