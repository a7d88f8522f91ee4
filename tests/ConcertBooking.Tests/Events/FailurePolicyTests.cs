using System.Globalization;
using ConcertBooking.Events.Consuming;

namespace ConcertBooking.Tests.Events;

/// <summary>What becomes of events that failed all retries of a round, as a table.</summary>
public sealed class FailurePolicyTests
{
    /// <param name="succeeded">Events of the round that succeeded.</param>
    /// <param name="failed">
    /// Those that failed: U(nknown), E(ventRefused), R(eceiverRefused), T(argetUnavailable), and the failed rounds before.
    /// </param>
    /// <param name="refusals">Refusals by the receiver before this round.</param>
    /// <param name="expected">D(eadLetter) or P(utOff) for each, and its failed rounds now.</param>
    /// <param name="isOutage">Whether the target is at fault.</param>
    [Test]
    // Refused events never come back.
    [Arguments(0, "E0", 0, "D1", false)]
    [Arguments(9, "E0 E0", 0, "D1 D1", false)]
    // An outage puts everything off and counts no round, however long it lasts.
    [Arguments(0, "T0 T0", 0, "P0 P0", true)]
    [Arguments(0, "U0", 0, "P0", true)]
    [Arguments(1, "U2 U2 U2 U2 U2 U2 U2 U2 U2 U2", 0, "P2 P2 P2 P2 P2 P2 P2 P2 P2 P2", true)]
    [Arguments(0, "E0 T0", 0, "D0 P0", true)]
    // Nine failures for a success are no outage yet.
    [Arguments(1, "U0 U0 U0 U0 U0 U0 U0 U0 U0", 0, "P1 P1 P1 P1 P1 P1 P1 P1 P1", false)]
    // Half or more succeeded: an unknown failure is the event's.
    [Arguments(1, "U0", 0, "D1", false)]
    [Arguments(2, "U0 U0", 0, "D1 D1", false)]
    [Arguments(1, "U0 E0", 0, "D1 D1", false)]
    // Fewer succeeded: it becomes a dead letter in its third failed round.
    [Arguments(1, "U0 U0", 0, "P1 P1", false)]
    [Arguments(1, "U1 U2", 0, "P2 D3", false)]
    // An unavailable target is never the event's fault, but the third failed round is the last one.
    [Arguments(9, "T0", 0, "P1", false)]
    [Arguments(9, "T2", 0, "D3", false)]
    // Rounds counted before an outage count in it too.
    [Arguments(0, "T3", 0, "D3", true)]
    // A receiver's refusals, first up to twenty in a row, then one a round, and all once it takes an event.
    [Arguments(0, "R0", 0, "D0", true)]
    [Arguments(0, "R0 R0 R0", 18, "D0 D0 P0", true)]
    [Arguments(0, "R0 R0", 20, "D0 P0", true)]
    [Arguments(0, "E0 R0", 20, "D0 P0", true)]
    [Arguments(1, "R0 R0", 20, "D1 D1", false)]
    public async Task Decide_RoundWithFailures_IsByTheTable(int succeeded, string failed, int refusals, string expected, bool isOutage)
    {
        var decision = FailurePolicy.Decide(succeeded, Parse(failed), refusals);

        await Assert.That(string.Join(' ', decision.Decisions.Select(Format))).IsEqualTo(expected);
        await Assert.That(decision.IsOutage).IsEqualTo(isOutage);
    }

    [Test]
    [Arguments(0, "R0 R0", 5, 7)]
    [Arguments(0, "T0 E0", 5, 5)]
    [Arguments(1, "R0", 5, 0)]
    [Arguments(1, "", 5, 0)]
    public async Task Decide_Refusals_AreCountedUntilASuccess(int succeeded, string failed, int before, int after)
    {
        await Assert.That(FailurePolicy.Decide(succeeded, Parse(failed), before).RefusalsInARow).IsEqualTo(after);
    }

    [Test]
    [Arguments(500, true, 1_000)]
    [Arguments(4_000, true, 8_000)]
    [Arguments(8_000, true, 8_000)]
    [Arguments(4_000, false, 4_000)]
    public async Task NextPause_InAnOutage_Doubles(int pause, bool isOutage, int next)
    {
        await Assert.That(FailurePolicy.NextPause(TimeSpan.FromMilliseconds(pause), isOutage)).IsEqualTo(TimeSpan.FromMilliseconds(next));
    }

    private static List<FailedEvent> Parse(string failed) => failed.Split(' ', StringSplitOptions.RemoveEmptyEntries)
        .Select(static word => new FailedEvent(
            word[0] switch
            {
                'E' => FailureKind.EventRefused,
                'R' => FailureKind.ReceiverRefused,
                'T' => FailureKind.TargetUnavailable,
                _ => FailureKind.Unknown,
            },
            int.Parse(word.AsSpan(1), CultureInfo.InvariantCulture)))
        .ToList();

    private static string Format(FailureDecision decision) =>
        string.Create(CultureInfo.InvariantCulture, $"{(decision.Action is FailureAction.DeadLetter ? 'D' : 'P')}{decision.FailedRounds}");
}
