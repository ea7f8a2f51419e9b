namespace AdaptiveSoftmax;

/// <summary>
/// Looks for stop strings in text that comes in pieces. Text that may be the beginning of one is held back, so that no part
/// of a stop string is ever given out, wherever tokens and pieces end.
/// </summary>
public sealed class StopMatcher
{
    private readonly string[] _stops;
    private string _held = "";

    /// <summary>Begins with no text.</summary>
    /// <param name="stops">The stop strings; none for text that nothing ends.</param>
    /// <exception cref="ArgumentException">A stop string is null or empty.</exception>
    public StopMatcher(IEnumerable<string> stops)
    {
        ArgumentNullException.ThrowIfNull(stops);
        _stops = [.. stops];
        if (_stops.Any(string.IsNullOrEmpty)) throw new ArgumentException("A stop string is empty, and would end every text before it begins; leave it out.", nameof(stops));
    }

    /// <summary>Whether a stop string was found. Nothing comes behind it.</summary>
    public bool IsStopped { get; private set; }

    /// <summary>Takes text.</summary>
    /// <param name="text">What comes next.</param>
    /// <returns>What may be given out.</returns>
    public string Add(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (IsStopped || text.Length == 0) return "";
        if (_stops.Length == 0) return text;
        var all = _held + text;
        var length = FindStop(all);
        IsStopped = length >= 0;
        if (!IsStopped) length = all.Length - HeldLength(all);
        _held = IsStopped ? "" : all[length..];
        return all[..length];
    }

    /// <summary>No more text comes: what was held back is no stop string.</summary>
    public string Finish()
    {
        var rest = _held;
        _held = "";
        return rest;
    }

    // Of several stop strings the one that is complete first, character by character, so that the end of the text does not
    // depend on how it was divided; of those, the longest. −1 where there is none.
    private int FindStop(string text)
    {
        var (start, end) = (-1, int.MaxValue);
        foreach (var stop in _stops)
        {
            var found = text.IndexOf(stop, StringComparison.Ordinal);
            if (found < 0 || found + stop.Length > end || (found + stop.Length == end && found > start)) continue;
            (start, end) = (found, found + stop.Length);
        }

        return start;
    }

    private int HeldLength(string text)
    {
        var held = 0;
        foreach (var stop in _stops)
        {
            for (var length = Math.Min(stop.Length - 1, text.Length); length > held; length--)
            {
                if (text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length))) held = length;
            }
        }

        return held;
    }
}
