namespace ConcertBooking.Servers;

/// <summary>The last lines a process wrote.</summary>
internal sealed class OutputLog(Action<string>? onLine = null)
{
    private const int Capacity = 5_000;

    private readonly Lock _gate = new();
    private readonly Queue<(string Text, bool IsError)> _lines = new();

    public void Add(string? line, bool isError)
    {
        if (line is null)
        {
            return;
        }

        lock (_gate)
        {
            if (_lines.Count == Capacity)
            {
                _lines.Dequeue();
            }

            _lines.Enqueue((line, isError));
        }
        onLine?.Invoke(line);
    }

    public string[] Lines()
    {
        lock (_gate)
        {
            return [.. _lines.Select(line => line.Text)];
        }
    }

    public string Text(bool isError)
    {
        lock (_gate)
        {
            return string.Join('\n', _lines.Where(line => line.IsError == isError).Select(line => line.Text));
        }
    }

    /// <summary>The last lines, indented, for an error message.</summary>
    public string Tail(int count = 15) => string.Join('\n', Lines().TakeLast(count).Select(line => $"    {line}"));
}
