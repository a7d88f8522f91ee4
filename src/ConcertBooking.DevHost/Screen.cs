namespace ConcertBooking.DevHost;

/// <summary>Thread-safe console output.</summary>
internal sealed class Screen(TextWriter output) : IProgress<string>
{
    private readonly Lock _gate = new();

    /// <summary>Progress of a server or a subcommand.</summary>
    public void Report(string value) => Write($"  {value}");

    public void Write(string text)
    {
        lock (_gate)
        {
            output.WriteLine(text);
            output.Flush();
        }
    }
}
