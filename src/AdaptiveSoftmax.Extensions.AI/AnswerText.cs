namespace AdaptiveSoftmax.Extensions.AI;

/// <summary>The text of an answer as its tokens come: whole characters only, and no part of a stop string.</summary>
internal abstract class AnswerText
{
    /// <summary>Whether a stop string was found.</summary>
    public abstract bool IsStopped { get; }

    /// <summary>Takes a token, and gives the text that may be given out.</summary>
    public abstract string Add(int token);

    /// <summary>No more tokens come: the rest of the text.</summary>
    public abstract string Finish();
}

/// <summary>The same of tokens that are bytes.</summary>
internal sealed class ByteAnswerText(TokenBytes bytes, IReadOnlyList<string> stops, IReadOnlyList<string> startStops) : AnswerText
{
    private readonly TextAssembler _text = new(stops, startStops);

    public override bool IsStopped => _text.IsStopped;

    public override string Add(int token) => _text.Add(bytes(token));

    public override string Finish() => _text.Finish();
}

/// <summary>
/// The same of tokens that only a tokenizer knows. What a token adds can depend on those before it (a space at the start of a
/// text, say), so the last ones that were given out are decoded with it.
/// </summary>
internal sealed class DecodedAnswerText(Func<IEnumerable<int>, string?> decode, IReadOnlyList<string> stops, IReadOnlyList<string> startStops) : AnswerText
{
    // What a decoder writes for bytes that are no character, or not yet one.
    private const char Replacement = '\uFFFD';

    // A character has four bytes at most: what these tokens have not made whole is no character.
    private const int MostHeld = 8;

    private readonly StopMatcher _matcher = new(stops, startStops);
    private readonly List<int> _tokens = [];
    private int _given;
    private string _context = "";

    public override bool IsStopped => _matcher.IsStopped;

    public override string Add(int token)
    {
        _tokens.Add(token);
        var text = Decode();
        if (text.Length == 0 || (text[^1] == Replacement && _tokens.Count - _given < MostHeld)) return "";
        _tokens.RemoveRange(0, _given);
        _given = _tokens.Count;
        _context = decode(_tokens) ?? "";
        return _matcher.Add(text);
    }

    public override string Finish() => _matcher.Add(_given < _tokens.Count ? Decode().TrimEnd(Replacement) : "") + _matcher.Finish();

    // The text of the tokens that were not given out.
    private string Decode()
    {
        var text = decode(_tokens) ?? "";
        return text.Length > _context.Length ? text[_context.Length..] : "";
    }
}
