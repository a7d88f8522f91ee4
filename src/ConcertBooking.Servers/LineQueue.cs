using System.Threading.Channels;

namespace ConcertBooking.Servers;

/// <summary>Queue of the lines that a process prints in reply to commands.</summary>
internal sealed class LineQueue
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();

    public void Add(string line) => _lines.Writer.TryWrite(line);

    /// <exception cref="InvalidOperationException">The process ended instead of answering.</exception>
    /// <exception cref="TimeoutException">It does not answer.</exception>
    public async Task<string> TakeAsync(ChildProcess process, CancellationToken cancellationToken)
    {
        var line = _lines.Reader.ReadAsync(cancellationToken).AsTask().WaitAsync(Patience, cancellationToken);
        if (await Task.WhenAny(line, process.WaitForExitAsync(cancellationToken)) != line && !line.IsCompleted)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new InvalidOperationException($"Process {process.Id} ended instead of answering:\n{process.Log.Tail()}");
        }
        return await line;
    }
}
