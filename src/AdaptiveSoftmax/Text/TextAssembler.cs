using System.Text;

namespace AdaptiveSoftmax;

/// <summary>
/// Makes text of a sequence's tokens, which are bytes: only whole characters come out, and no part of a stop string. A
/// character that the last token cuts off is left out.
/// </summary>
/// <param name="stops">The stop strings; none for text that nothing ends.</param>
/// <param name="startStops">Those that end the text only where it begins with them, as a <see cref="StopMatcher"/> has them.</param>
/// <exception cref="ArgumentException">A stop string is null or empty, or has half of a surrogate pair.</exception>
public sealed class TextAssembler(IEnumerable<string> stops, IEnumerable<string> startStops)
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private readonly StopMatcher _matcher = new(stops, startStops);
    private char[] _characters = new char[64];

    /// <summary>Begins with no text.</summary>
    /// <param name="stops">The stop strings; none for text that nothing ends.</param>
    /// <exception cref="ArgumentException">A stop string is null or empty, or has half of a surrogate pair.</exception>
    public TextAssembler(IEnumerable<string> stops)
        : this(stops, [])
    {
    }

    /// <summary>Whether a stop string was found.</summary>
    public bool IsStopped => _matcher.IsStopped;

    /// <summary>The characters (Unicode code points) that all tokens so far make, those held back included.</summary>
    public int Decoded { get; private set; }

    /// <summary>The characters that were given out.</summary>
    public int Released { get; private set; }

    /// <summary>Takes a token.</summary>
    /// <param name="token">Its bytes, any number of them: none for a token that has no text.</param>
    /// <returns>The text that may be given out.</returns>
    public string Add(ReadOnlySpan<byte> token)
    {
        var most = Encoding.UTF8.GetMaxCharCount(token.Length);
        if (_characters.Length < most) _characters = new char[most];
        var count = _decoder.GetChars(token, _characters, flush: false);
        Decoded += CountCharacters(_characters.AsSpan(0, count));
        return Release(_matcher.Add(new string(_characters, 0, count)));
    }

    /// <summary>No more tokens come.</summary>
    /// <returns>What was held back because it might have begun a stop string.</returns>
    public string Finish() => Release(_matcher.Finish());

    private string Release(string text)
    {
        Released += CountCharacters(text);
        return text;
    }

    private static int CountCharacters(ReadOnlySpan<char> text)
    {
        var count = 0;
        foreach (var character in text)
        {
            if (!char.IsLowSurrogate(character)) count++;
        }

        return count;
    }
}
