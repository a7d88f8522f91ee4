using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace ConcertBooking.Concerts.SeatStreams;

/// <summary>
/// The last states of a schedule's seats, and the messages that lead from one to the newest: each is made once, for all who need
/// it. Of an older state only its id and the seats that changed are kept.
/// </summary>
internal sealed class SeatLog(long scheduleId)
{
    /// <summary>A longer delta is replaced by a snapshot, if that is shorter.</summary>
    private const int LongDeltaBytes = 16 * 1024;

    /// <summary>States that a client can resume from: ten minutes of a schedule that changes all the time.</summary>
    private const int MaximumStates = 1_200;

    /// <summary>Changed seats that are kept, or as many as the schedule has: with more a snapshot is shorter in any case.</summary>
    private const int MinimumChanges = 1_000;

    private const long Nothing = 0;

    private readonly Lock _lock = new();

    /// <summary>Oldest first; the changes of the oldest lead to it from a state that is no longer known.</summary>
    private readonly Queue<State> _states = new();

    /// <summary>To the newest state, by the version that a client has.</summary>
    private readonly Dictionary<long, ReadOnlyMemory<byte>> _messages = [];

    private byte[] _letters = [], _form = [];
    private int _available, _changes;
    private long _version;
    private string _id = "";

    private sealed record State(long Version, string Id, int[] Changes);

    /// <summary>
    /// Takes in what MySQL has. The id is a hash of the compact form and nothing else, so that every instance knows a state by the
    /// same id.
    /// </summary>
    public void Update(SeatStates states)
    {
        lock (_lock)
        {
            if (_version != Nothing && states.Letters.AsSpan().SequenceEqual(_letters))
            {
                return;
            }

            int[] changes = [];
            if (states.Letters.Length == _letters.Length)
            {
                changes = Difference(_letters, states.Letters);
            }
            else
            {
                (_changes, _version) = (0, _version + 1); // a gap: nobody can resume from before
                _states.Clear();
            }

            (_letters, _available) = (states.Letters, states.AvailableSeats);
            _form = Encoding.ASCII.GetBytes(string.Create(
                CultureInfo.InvariantCulture,
                $"{{\"scheduleId\":{scheduleId},\"availableSeats\":{_available},\"states\":\"{Encoding.ASCII.GetString(_letters)}\"}}"));
            _id = Convert.ToHexStringLower(SHA256.HashData(_form).AsSpan(0, 12));
            _messages.Clear();
            _states.Enqueue(new(++_version, _id, changes));
            _changes += changes.Length;
            while (_states.Count > MaximumStates || _changes > Math.Max(MinimumChanges, _letters.Length))
            {
                _changes -= _states.Dequeue().Changes.Length;
            }
        }
    }

    /// <returns>0 when the state is not known, or no longer.</returns>
    public long VersionOf(string? id)
    {
        lock (_lock)
        {
            return id is null ? Nothing : _states.LastOrDefault(state => state.Id == id)?.Version ?? Nothing;
        }
    }

    /// <summary>What leads a client from the version that it has to the newest one, which is returned too.</summary>
    /// <returns>An empty message when there is nothing to report.</returns>
    public (long Version, ReadOnlyMemory<byte> Message) MessageFrom(long version)
    {
        lock (_lock)
        {
            if (version == _version)
            {
                return (version, default);
            }

            var known = _states.TryPeek(out var oldest) && version >= oldest.Version ? version : Nothing;
            if (!_messages.TryGetValue(known, out var message))
            {
                _messages[known] = message = known == Nothing ? Snapshot() : Delta(known);
            }

            return (_version, message);
        }
    }

    private static int[] Difference(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other)
    {
        var seats = new List<int>();
        for (var index = 0; (index += one[index..].CommonPrefixLength(other[index..])) < one.Length; index++)
        {
            seats.Add(index);
        }

        return [.. seats];
    }

    private byte[] Snapshot() => [.. Encoding.ASCII.GetBytes($"id: {_id}\nevent: snapshot\ndata: "), .. _form, .. "\n\n"u8];

    /// <summary>A seat that has changed there and back is reported all the same.</summary>
    private ReadOnlyMemory<byte> Delta(long version)
    {
        var changed = _states.Where(state => state.Version > version).SelectMany(static state => state.Changes).Distinct().Order();
        var target = new ArrayBufferWriter<byte>(1024);
        target.Write(Encoding.ASCII.GetBytes($"id: {_id}\nevent: delta\ndata: {{\"seats\":["));
        var isFirst = true;
        foreach (var index in changed)
        {
            target.Write(isFirst ? "["u8 : ",["u8);
            isFirst = false;
            Utf8Formatter.TryFormat(index + 1, target.GetSpan(10), out var digits);
            target.Advance(digits);
            target.Write([(byte)',', (byte)'"', _letters[index], (byte)'"', (byte)']']);
        }

        target.Write(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"],\"availableSeats\":{_available}}}\n\n")));
        return target.WrittenCount > LongDeltaBytes && target.WrittenCount > _form.Length ? Snapshot() : target.WrittenMemory;
    }
}
