namespace AdaptiveSoftmax;

/// <summary>
/// Looks for stop strings in text that comes in pieces. Text that may be the beginning of one is held back, so that no part
/// of a stop string is ever given out, wherever tokens and pieces end.
/// </summary>
public sealed class StopMatcher
{
    private readonly string[] _stops;
    private string[] _startStops;
    private string _held = "";

    /// <summary>Begins with no text.</summary>
    /// <param name="stops">The stop strings; none for text that nothing ends.</param>
    /// <exception cref="ArgumentException">A stop string is null or empty, or has half of a surrogate pair.</exception>
    public StopMatcher(IEnumerable<string> stops)
        : this(stops, [])
    {
    }

    /// <summary>Begins with no text.</summary>
    /// <param name="stops">The stop strings; none for text that nothing ends.</param>
    /// <param name="startStops">
    /// Those that end the text where it begins with them, and are text anywhere else: what is left of a stop string whose first
    /// line end is the prompt's last.
    /// </param>
    /// <exception cref="ArgumentException">A stop string is null or empty, or has half of a surrogate pair.</exception>
    public StopMatcher(IEnumerable<string> stops, IEnumerable<string> startStops)
    {
        (_stops, _startStops) = (Check(stops, nameof(stops)), Check(startStops, nameof(startStops)));
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
        if (_stops.Length == 0 && _startStops.Length == 0) return text;
        var all = _held + text;
        var length = FindStop(all);
        IsStopped = length >= 0;
        if (!IsStopped) length = all.Length - HeldLength(all);
        _held = IsStopped ? "" : all[length..];
        if (length > 0) _startStops = [];
        return all[..length];
    }

    /// <summary>No more text comes: what was held back is no stop string.</summary>
    public string Finish()
    {
        var rest = _held;
        _held = "";
        return rest;
    }

    private static string[] Check(IEnumerable<string> stops, string parameter)
    {
        ArgumentNullException.ThrowIfNull(stops, parameter);
        string[] all = [.. stops];
        if (all.Any(string.IsNullOrEmpty)) throw new ArgumentException("A stop string is empty, and would end every text before it begins; leave it out.", parameter);
        // Runes write half of a pair as another character.
        if (all.Any(stop => string.Concat(stop.EnumerateRunes()) != stop)) throw new ArgumentException("A stop string has half of a surrogate pair, which is no character and would cut one in two; give whole characters.", parameter);
        return all;
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

        foreach (var stop in _startStops)
        {
            if (stop.Length <= end && text.StartsWith(stop, StringComparison.Ordinal)) (start, end) = (0, stop.Length);
        }

        return start;
    }

    private int HeldLength(string text)
    {
        if (_startStops.Any(stop => stop.StartsWith(text, StringComparison.Ordinal))) return text.Length;
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
