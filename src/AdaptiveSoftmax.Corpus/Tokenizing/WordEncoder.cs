using Microsoft.ML.Tokenizers;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// Encodes text on one thread. The tokenizer itself may be shared, but its cache of words takes a lock a word, so that
/// threads gain nothing from each other; each encoder therefore remembers the words that it has met.
/// </summary>
internal sealed class WordEncoder
{
    // Text repeats its words so often that starting over costs little; the limit bounds the memory.
    private const int MaxWords = 1 << 18;
    private const int MaxWordLength = 128;

    private readonly TiktokenTokenizer _tokenizer;
    private readonly Dictionary<string, int[]> _words = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int[]>.AlternateLookup<ReadOnlySpan<char>> _lookup;

    public WordEncoder(TiktokenTokenizer tokenizer)
    {
        _tokenizer = tokenizer;
        _lookup = _words.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>Appends the ids of a text, the same ids as the tokenizer gives for the whole of it.</summary>
    public void Encode(string text, List<int> ids)
    {
        foreach (var word in EncodeWords(text)) ids.AddRange(word.Span);
    }

    /// <summary>Yields the ids of a text word by word.</summary>
    public IEnumerable<ReadOnlyMemory<int>> EncodeWords(string text)
    {
        foreach (var (offset, length) in _tokenizer.PreTokenizer!.PreTokenize(text)) yield return EncodeWord(text.AsSpan(offset, length));
    }

    private int[] EncodeWord(ReadOnlySpan<char> word)
    {
        if (_lookup.TryGetValue(word, out var encoded)) return encoded;
        encoded = [.. _tokenizer.EncodeToIds(word, considerPreTokenization: false)];
        if (word.Length > MaxWordLength) return encoded;
        if (_words.Count == MaxWords) _words.Clear();
        _lookup[word] = encoded;
        return encoded;
    }
}
