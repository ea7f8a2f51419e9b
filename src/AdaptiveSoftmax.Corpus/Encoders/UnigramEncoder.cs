using System.Text;

namespace AdaptiveSoftmax.Corpus;

/// <summary>The pieces of a unigram model with their scores, as a trie over characters. Immutable.</summary>
internal sealed class UnigramPieces
{
    private readonly Dictionary<long, int> _children = [];
    private readonly List<int> _ids = [-1];
    private readonly double[] _scores;

    public UnigramPieces(IReadOnlyList<(string Text, int Id, double Score)> pieces, int unknownId, int[]? byteIds)
    {
        (UnknownId, ByteIds) = (unknownId, byteIds);
        _scores = new double[pieces.Max(piece => piece.Id) + 1];
        foreach (var (text, id, score) in pieces)
        {
            var node = 0;
            foreach (var c in text)
            {
                if (!_children.TryGetValue(Key(node, c), out var child))
                {
                    _children.Add(Key(node, c), child = _ids.Count);
                    _ids.Add(-1);
                }

                node = child;
            }

            _ids[node] = id;
            _scores[id] = score;
        }

        UnknownScore = pieces.Min(piece => piece.Score) - 10;
    }

    public int UnknownId { get; }

    /// <summary>The tokens of bytes, for characters that are no tokens; null where those are unknown.</summary>
    public int[]? ByteIds { get; }

    public double UnknownScore { get; }

    public double ScoreOf(int id) => _scores[id];

    /// <summary>The node behind a character, or −1.</summary>
    public int Next(int node, char c) => _children.TryGetValue(Key(node, c), out var child) ? child : -1;

    /// <summary>The piece that ends at a node, or −1.</summary>
    public int IdAt(int node) => _ids[node];

    private static long Key(int node, char c) => ((long)node << 16) | c;
}

/// <summary>Encodes words as the pieces whose scores have the greatest sum.</summary>
internal sealed class UnigramEncoder(UnigramPieces pieces) : IWordModel
{
    private const int StepsBetweenChecks = 1 << 12;

    // Of the best way to each place: its score, where its last piece starts, and which that is; −1 for an unknown character.
    private double[] _scores = [];
    private int[] _starts = [];
    private int[] _pieces = [];

    public void Encode(string word, List<int> ids, CancellationToken cancellationToken)
    {
        Search(word, cancellationToken);
        var first = ids.Count;
        for (var end = word.Length; end > 0; end = _starts[end])
        {
            if (_pieces[end] >= 0) ids.Add(_pieces[end]);
            else AddUnknown(word.AsSpan(_starts[end]..end), ids, isFollowed: end < word.Length && ids.Count > first && ids[^1] == pieces.UnknownId);
        }

        ids.Reverse(first, ids.Count - first);
    }

    private void Search(string word, CancellationToken cancellationToken)
    {
        if (_scores.Length <= word.Length)
        {
            var length = Math.Max(word.Length + 1, 256);
            (_scores, _starts, _pieces) = (new double[length], new int[length], new int[length]);
        }

        Array.Fill(_starts, -1, 0, word.Length + 1);
        _scores[0] = 0;
        for (var start = 0; start < word.Length;)
        {
            if (start % StepsBetweenChecks == 0) cancellationToken.ThrowIfCancellationRequested();
            Rune.DecodeFromUtf16(word.AsSpan(start), out _, out var length);
            var hasSingle = false;
            var node = 0;
            for (var end = start; end < word.Length;)
            {
                node = pieces.Next(node, word[end++]);
                if (node < 0) break;
                var id = pieces.IdAt(node);
                if (id < 0) continue;
                hasSingle |= end == start + length;
                Offer(start, end, id, _scores[start] + pieces.ScoreOf(id));
            }

            if (!hasSingle) Offer(start, start + length, -1, _scores[start] + pieces.UnknownScore);
            start += length;
        }
    }

    private void Offer(int start, int end, int piece, double score)
    {
        if (_starts[end] >= 0 && score <= _scores[end]) return;
        (_scores[end], _starts[end], _pieces[end]) = (score, start, piece);
    }

    // From the end to the start, as the others.
    private void AddUnknown(ReadOnlySpan<char> text, List<int> ids, bool isFollowed)
    {
        if (pieces.ByteIds is null)
        {
            if (!isFollowed) ids.Add(pieces.UnknownId);
            return;
        }

        Span<byte> bytes = stackalloc byte[4];
        Rune.DecodeFromUtf16(text, out var rune, out _);
        var count = rune.EncodeToUtf8(bytes);
        for (var i = count - 1; i >= 0; i--) ids.Add(pieces.ByteIds[bytes[i]]);
    }
}
