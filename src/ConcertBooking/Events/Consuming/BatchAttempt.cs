namespace ConcertBooking.Events.Consuming;

/// <summary>Tries events in one batch; if it fails through an event's fault, each event alone.</summary>
internal static class BatchAttempt
{
    /// <param name="events">Tried once each; those that failed get a <see cref="ReceivedEvent.Failure"/>.</param>
    /// <param name="apply">Makes the effect of all given events or of none; skips an event that already had its effect.</param>
    public static async Task TryAsync(IReadOnlyList<ReceivedEvent> events, Func<IReadOnlyList<ReceivedEvent>, Task> apply)
    {
        var failure = await AttemptAsync(events, apply);
        if (failure is not null and not TargetUnavailableException && events.Count > 1)
        {
            foreach (var single in events)
            {
                single.Attempts--; // counted in the batch
                await AttemptAsync([single], apply);
            }
        }
    }

    private static async Task<Exception?> AttemptAsync(IReadOnlyList<ReceivedEvent> events, Func<IReadOnlyList<ReceivedEvent>, Task> apply)
    {
        Exception? failure = null;
        try
        {
            await apply(events);
        }
        catch (Exception exception)
        {
            failure = exception is DatabaseUnavailableException or RedisUnavailableException
                ? new TargetUnavailableException(exception.Message, exception)
                : exception;
        }

        foreach (var tried in events)
        {
            tried.Attempts++;
            tried.Failure = failure;
        }

        return failure;
    }
}
