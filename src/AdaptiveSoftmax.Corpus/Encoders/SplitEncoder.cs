using System.Text;
using Microsoft.ML.Tokenizers;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Encodes text by tokens that ranks make of bytes: splits it into words, and remembers the tokens of those that it has met.</summary>
internal sealed class SplitEncoder(PreTokenizer splitter, BytePairRanks ranks, IReadOnlyDictionary<string, int> specialTokens) : TextEncoder
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
        foreach (var (offset, length) in splitter.PreTokenize(text))
        {
            if (words++ % WordsBetweenChecks == 0) cancellationToken.ThrowIfCancellationRequested();
            ids.AddRange(EncodeWord(text.AsSpan(offset, length), cancellationToken));
        }
    }

    public override IEnumerable<ReadOnlyMemory<int>> EncodeWords(string text, CancellationToken cancellationToken)
    {
        var words = 0;
        foreach (var (offset, length) in splitter.PreTokenize(text))
        {
            if (words++ % WordsBetweenChecks == 0) cancellationToken.ThrowIfCancellationRequested();
            yield return EncodeWord(text.AsSpan(offset, length), cancellationToken);
        }
    }

    private int[] EncodeWord(ReadOnlySpan<char> word, CancellationToken cancellationToken)
    {
        var lookup = _words.GetAlternateLookup<ReadOnlySpan<char>>();
        if (lookup.TryGetValue(word, out var encoded)) return encoded;
        encoded = specialTokens.TryGetValue(word.ToString(), out var special) ? [special] : Join(word, cancellationToken);
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
