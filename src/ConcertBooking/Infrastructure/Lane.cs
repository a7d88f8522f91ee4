namespace ConcertBooking.Infrastructure;

/// <summary>
/// Calls to the waiting room take turns at Redis, so that a flood of them does not stand before those who pay, whose
/// calls go past here. The turn comes in order; who would wait too long hears 429 instead.
/// </summary>
internal sealed class Lane(int width) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private const int MaximumWaiting = 20_000;

    private readonly SemaphoreSlim _turns = new(width);
    private int _waiting;

    /// <summary>Waits for a turn; whoever got one must <see cref="Leave"/>.</summary>
    /// <returns>False: it did not come in time.</returns>
    public ValueTask<bool> Enter(CancellationToken cancellationToken) =>
        _turns.Wait(0, CancellationToken.None) ? new(true) : new(Wait(cancellationToken));

    public void Leave() => _turns.Release();

    public void Dispose() => _turns.Dispose();

    private async Task<bool> Wait(CancellationToken cancellationToken)
    {
        if (Interlocked.Increment(ref _waiting) > MaximumWaiting)
        {
            Interlocked.Decrement(ref _waiting);
            return false;
        }

        try
        {
            return await _turns.WaitAsync(Patience, cancellationToken);
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }
}
