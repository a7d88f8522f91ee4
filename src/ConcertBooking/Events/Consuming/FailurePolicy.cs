namespace ConcertBooking.Events.Consuming;

/// <summary>What a failed delivery says about its event and about the target.</summary>
internal enum FailureKind
{
    /// <summary>Either of them may be at fault.</summary>
    Unknown,

    /// <summary>The event is at fault, and no retry helps; it says nothing about the target.</summary>
    EventRefused,

    /// <summary>A receiver outside this system refused the event. If it refuses everything, the receiver may be at fault.</summary>
    ReceiverRefused,

    /// <summary>The target did not respond; it says nothing about the event.</summary>
    TargetUnavailable,
}

internal enum FailureAction
{
    PutOff,
    DeadLetter,
}

/// <summary>An event that failed all retries of a round.</summary>
/// <param name="Kind">How its last attempt failed.</param>
/// <param name="FailedRounds">Rounds in which it failed while the target worked.</param>
internal readonly record struct FailedEvent(FailureKind Kind, int FailedRounds);

/// <param name="Action">What to do with the event.</param>
/// <param name="FailedRounds">As in <see cref="FailedEvent"/>, with this round.</param>
internal readonly record struct FailureDecision(FailureAction Action, int FailedRounds);

/// <param name="IsOutage">The target is at fault, not the events.</param>
/// <param name="RefusalsInARow">For the next round.</param>
/// <param name="Decisions">In the order of the failed events.</param>
internal sealed record RoundDecision(bool IsOutage, int RefusalsInARow, IReadOnlyList<FailureDecision> Decisions);

/// <summary>
/// Failure policy of a consumer group: pure functions from a round's outcome to what happens next. An event that fails while
/// others succeed becomes a dead letter after some rounds. If nearly all fail, the target is at fault, and all are put off.
/// </summary>
internal static class FailurePolicy
{
    public static readonly TimeSpan InitialPause = TimeSpan.FromMilliseconds(500);

    /// <summary>A pause of this length or more is not doubled again.</summary>
    private static readonly TimeSpan LongPause = TimeSpan.FromSeconds(5);

    private const int MaximumFailedRounds = 3;

    /// <summary>
    /// Refusals by a receiver without a success between them. After more, the receiver may be at fault: then one event a
    /// round becomes a dead letter, so that those behind it are tried too; once one of them succeeds, so do the others.
    /// </summary>
    private const int MaximumRefusalsInARow = 20;

    /// <param name="succeeded">Events that succeeded in this round.</param>
    /// <param name="failed">Events that failed in this round, in their order.</param>
    /// <param name="refusalsInARow">From the round before.</param>
    public static RoundDecision Decide(int succeeded, IReadOnlyList<FailedEvent> failed, int refusalsInARow)
    {
        // Failures that may be the target's fault; nine of ten make an outage.
        var doubtful = failed.Count(static failure => failure.Kind is not FailureKind.EventRefused);
        var isOutage = succeeded * 9 < doubtful;
        var refusals = succeeded > 0 ? 0 : refusalsInARow;
        var hasDeadLetter = false;
        var decisions = new List<FailureDecision>(failed.Count);
        foreach (var (kind, earlierRounds) in failed)
        {
            var failedRounds = earlierRounds + (isOutage ? 0 : 1);
            refusals += kind is FailureKind.ReceiverRefused && succeeded == 0 ? 1 : 0;
            var isDeadLetter = kind switch
            {
                FailureKind.EventRefused => true,
                FailureKind.ReceiverRefused => succeeded > 0 || refusals <= MaximumRefusalsInARow || !hasDeadLetter,
                _ when failedRounds >= MaximumFailedRounds => true,
                FailureKind.TargetUnavailable => false,
                _ => !isOutage && succeeded >= doubtful,
            };
            hasDeadLetter |= isDeadLetter;
            decisions.Add(new FailureDecision(isDeadLetter ? FailureAction.DeadLetter : FailureAction.PutOff, failedRounds));
        }

        return new RoundDecision(isOutage, refusals, decisions);
    }

    /// <summary>The pause before the next round, if something was put off: longer in an outage.</summary>
    public static TimeSpan NextPause(TimeSpan pause, bool isOutage) => isOutage && pause < LongPause ? pause * 2 : pause;
}
