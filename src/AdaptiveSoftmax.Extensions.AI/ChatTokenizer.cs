namespace AdaptiveSoftmax.Extensions.AI;

/// <summary>The bytes of a token's text in UTF-8, which need not be whole characters; none for a token that has no text.</summary>
/// <param name="token">A token id.</param>
public delegate ReadOnlySpan<byte> TokenBytes(int token);

/// <summary>
/// Makes tokens of text and text of tokens, by functions of any tokenizer. Both are called by many threads at once.
/// </summary>
public sealed class ChatTokenizer
{
    private readonly Func<string, IReadOnlyList<int>> _encode;
    private readonly Func<IReadOnlyList<string>, IReadOnlyList<string>, AnswerText> _start;

    /// <summary>
    /// A tokenizer that decodes to strings, such as one of Microsoft.ML.Tokenizers:
    /// <c>new ChatTokenizer(text => tokenizer.EncodeToIds(text), tokenizer.Decode)</c>.
    /// </summary>
    /// <param name="encode">The token ids of a text.</param>
    /// <param name="decode">
    /// The text of token ids, with U+FFFD for a character that they have a part of. Text that ends in U+FFFD is therefore held
    /// back until more tokens show what it is.
    /// </param>
    public ChatTokenizer(Func<string, IReadOnlyList<int>> encode, Func<IEnumerable<int>, string?> decode)
    {
        ArgumentNullException.ThrowIfNull(encode);
        ArgumentNullException.ThrowIfNull(decode);
        (_encode, _start) = (encode, (stops, startStops) => new DecodedAnswerText(decode, stops, startStops));
    }

    /// <summary>A tokenizer whose tokens are bytes: a text is that of its tokens' bytes one behind the other.</summary>
    /// <param name="encode">The token ids of a text.</param>
    /// <param name="bytes">The bytes of a token, none for one without text, such as an end of text.</param>
    public ChatTokenizer(Func<string, IReadOnlyList<int>> encode, TokenBytes bytes)
    {
        ArgumentNullException.ThrowIfNull(encode);
        ArgumentNullException.ThrowIfNull(bytes);
        (_encode, _start) = (encode, (stops, startStops) => new ByteAnswerText(bytes, stops, startStops));
    }

    /// <summary>The token ids of a text.</summary>
    /// <param name="text">The text.</param>
    /// <exception cref="InvalidOperationException">The function that encodes gave null.</exception>
    public IReadOnlyList<int> Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return _encode(text) ?? throw new InvalidOperationException("The tokenizer's function that encodes gave null; it must give token ids, none for a text without.");
    }

    /// <summary>Begins the text of an answer, which stop strings end, some only at its start.</summary>
    internal AnswerText StartText(IReadOnlyList<string> stops, IReadOnlyList<string> startStops) => _start(stops, startStops);
}
