using System.Text;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Encodes text by tokens that ranks make of bytes: splits it into words, and remembers the tokens of those that it has met.</summary>
internal sealed class SplitEncoder(WordSplitter splitter, BytePairRanks ranks, IReadOnlyDictionary<string, int> specialTokens) : TextEncoder
{
    // Text repeats its words so often that starting over costs little; the limit bounds the memory.
    private const int MaxWords = 1 << 18;
    private const int MaxWordLength = 128;
    private const int WordsBetweenChecks = 1 << 10;

    private readonly BytePairEncoder _encoder = new(ranks);
    private readonly Dictionary<string, int[]> _words = new(StringComparer.Ordinal);
    private readonly List<int> _ids = [];
    private byte[] _bytes = [];

    public override void Encode(string text, bool startsDocument, List<int> ids, CancellationToken cancellationToken)
    {
        var words = 0;
        splitter.Begin(text);
        while (splitter.TryRead(out var start, out var length, out var isSpecial))
        {
            if (words++ % WordsBetweenChecks == 0) cancellationToken.ThrowIfCancellationRequested();
            ids.AddRange(EncodeWord(text.AsSpan(start, length), isSpecial, cancellationToken).AsSpan());
        }
    }

    public override IEnumerable<ReadOnlyMemory<int>> EncodeWords(string text, CancellationToken cancellationToken)
    {
        var words = 0;
        splitter.Begin(text);
        while (splitter.TryRead(out var start, out var length, out var isSpecial))
        {
            if (words++ % WordsBetweenChecks == 0) cancellationToken.ThrowIfCancellationRequested();
            yield return EncodeWord(text.AsSpan(start, length), isSpecial, cancellationToken);
        }
    }

    private int[] EncodeWord(ReadOnlySpan<char> word, bool isSpecial, CancellationToken cancellationToken)
    {
        var lookup = _words.GetAlternateLookup<ReadOnlySpan<char>>();
        if (lookup.TryGetValue(word, out var encoded)) return encoded;
        encoded = isSpecial ? [specialTokens[word.ToString()]] : Join(word, cancellationToken);
        if (word.Length > MaxWordLength) return encoded;
        if (_words.Count == MaxWords) _words.Clear();
        lookup[word] = encoded;
        return encoded;
    }

    private int[] Join(ReadOnlySpan<char> word, CancellationToken cancellationToken)
    {
        if (_bytes.Length < Encoding.UTF8.GetMaxByteCount(word.Length)) _bytes = new byte[Encoding.UTF8.GetMaxByteCount(word.Length)];
        _ids.Clear();
        _encoder.Encode(_bytes.AsSpan(0, Encoding.UTF8.GetBytes(word, _bytes)), _ids, cancellationToken);
        return [.. _ids];
    }
}
