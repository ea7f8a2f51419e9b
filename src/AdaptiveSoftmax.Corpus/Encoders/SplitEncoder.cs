using System.Runtime.InteropServices;
using System.Text;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Encodes text by tokens that ranks make of bytes: splits it into words, and remembers the tokens of those that it has met.</summary>
internal sealed class SplitEncoder(WordSplitter splitter, BytePairRanks ranks, IReadOnlyDictionary<string, int> specialTokens) : TextEncoder
{
    private const int WordsBetweenChecks = 1 << 10;

    private readonly BytePairEncoder _encoder = new(ranks);
    private readonly WordMemory _words = new();
    private readonly List<int> _ids = [];
    private byte[] _bytes = [];

    public override void Encode(string text, bool startsDocument, List<int> ids, CancellationToken cancellationToken)
    {
        var words = 0;
        splitter.Begin(text);
        while (splitter.TryRead(out var start, out var length, out var isSpecial))
        {
            if (words++ % WordsBetweenChecks == 0) cancellationToken.ThrowIfCancellationRequested();
            Append(text.AsSpan(start, length), isSpecial, ids, cancellationToken);
        }
    }

    public override IEnumerable<ReadOnlyMemory<int>> EncodeWords(string text, CancellationToken cancellationToken)
    {
        var words = 0;
        var ids = new List<int>();
        splitter.Begin(text);
        while (splitter.TryRead(out var start, out var length, out var isSpecial))
        {
            if (words++ % WordsBetweenChecks == 0) cancellationToken.ThrowIfCancellationRequested();
            ids.Clear();
            Append(text.AsSpan(start, length), isSpecial, ids, cancellationToken);
            yield return ids.ToArray();
        }
    }

    private void Append(ReadOnlySpan<char> word, bool isSpecial, List<int> ids, CancellationToken cancellationToken)
    {
        if (_words.TryAppend(word, ids)) return;
        _ids.Clear();
        if (isSpecial) _ids.Add(specialTokens[word.ToString()]);
        else Join(word, cancellationToken);
        var encoded = CollectionsMarshal.AsSpan(_ids);
        _words.Add(word, encoded);
        ids.AddRange(encoded);
    }

    private void Join(ReadOnlySpan<char> word, CancellationToken cancellationToken)
    {
        if (_bytes.Length < Encoding.UTF8.GetMaxByteCount(word.Length)) _bytes = new byte[Encoding.UTF8.GetMaxByteCount(word.Length)];
        _encoder.Encode(_bytes.AsSpan(0, Encoding.UTF8.GetBytes(word, _bytes)), _ids, cancellationToken);
    }
}
