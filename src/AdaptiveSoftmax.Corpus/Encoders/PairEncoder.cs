using System.Text;

namespace AdaptiveSoftmax.Corpus;

/// <summary>The pairs of tokens that are joined, and what each becomes.</summary>
internal sealed class PairMerges
{
    private readonly Dictionary<ulong, (int Rank, int Id)> _merges = [];

    public void Add(int first, int second, int rank, int id) => _merges.TryAdd(Key(first, second), (rank, id));

    public bool TryFind(int first, int second, out (int Rank, int Id) merge) => _merges.TryGetValue(Key(first, second), out merge);

    private static ulong Key(int first, int second) => ((ulong)(uint)first << 32) | (uint)second;
}

/// <summary>What a model of byte pairs says of the characters that it begins with.</summary>
internal sealed record PairOptions(IReadOnlyDictionary<string, int> Ids)
{
    public int UnknownId { get; init; } = -1;

    /// <summary>Whether neighbours that are unknown become one token.</summary>
    public bool FusesUnknown { get; init; }

    /// <summary>Whether a word that is a token is not joined from its parts.</summary>
    public bool TakesWholeWords { get; init; }

    /// <summary>The tokens of bytes, for characters that are no tokens; null where those are unknown.</summary>
    public int[]? ByteIds { get; init; }

    public string Prefix { get; init; } = "";

    public string Suffix { get; init; } = "";
}

/// <summary>
/// Encodes words by joining pairs of tokens in the order of their merges, the leftmost first, until there are none. A word of n
/// characters takes n log n steps.
/// </summary>
internal sealed class PairEncoder(PairOptions options, PairMerges merges) : IWordModel
{
    private const int StepsBetweenChecks = 1 << 12;

    private readonly PriorityQueue<(int Place, int Rank, int Id), ulong> _pairs = new();
    private readonly List<int> _tokens = [];
    private int[] _next = [];
    private int[] _previous = [];

    public void Encode(string word, List<int> ids, CancellationToken cancellationToken)
    {
        if (options.TakesWholeWords && options.Ids.TryGetValue(word, out var whole))
        {
            ids.Add(whole);
            return;
        }

        Begin(word);
        Join(cancellationToken);
        for (var place = 0; place < _tokens.Count; place = _next[place]) ids.Add(_tokens[place]);
    }

    private void Begin(string word)
    {
        _tokens.Clear();
        var isUnknown = false;
        Span<byte> bytes = stackalloc byte[4];
        for (var start = 0; start < word.Length;)
        {
            Rune.DecodeFromUtf16(word.AsSpan(start), out var rune, out var length);
            var text = word.Substring(start, length);
            var piece = (start > 0 ? options.Prefix : "") + text + (start + length == word.Length ? options.Suffix : "");
            start += length;
            var wasUnknown = isUnknown;
            isUnknown = false;
            if (options.Ids.TryGetValue(piece, out var id))
            {
                _tokens.Add(id);
            }
            else if (options.ByteIds is { } byteIds)
            {
                foreach (var value in bytes[..rune.EncodeToUtf8(bytes)]) _tokens.Add(byteIds[value]);
            }
            else if (options.UnknownId >= 0)
            {
                isUnknown = true;
                if (!wasUnknown || !options.FusesUnknown) _tokens.Add(options.UnknownId);
            }
        }
    }

    private void Join(CancellationToken cancellationToken)
    {
        if (_next.Length < _tokens.Count)
        {
            var length = Math.Max(_tokens.Count, 256);
            (_next, _previous) = (new int[length], new int[length]);
        }

        _pairs.Clear();
        for (var place = 0; place < _tokens.Count; place++) (_next[place], _previous[place]) = (place + 1, place - 1);
        for (var place = 0; place + 1 < _tokens.Count; place++)
        {
            if (place % StepsBetweenChecks == 0) cancellationToken.ThrowIfCancellationRequested();
            Offer(place);
        }

        for (var step = 1; _pairs.TryDequeue(out var pair, out _); step++)
        {
            if (step % StepsBetweenChecks == 0) cancellationToken.ThrowIfCancellationRequested();
            var place = pair.Place;
            var second = _tokens[place] < 0 ? _tokens.Count : _next[place];
            if (second >= _tokens.Count || !merges.TryFind(_tokens[place], _tokens[second], out var merge) || merge != (pair.Rank, pair.Id)) continue;
            _tokens[place] = merge.Id;
            _tokens[second] = -1;
            _next[place] = _next[second];
            if (_next[place] < _tokens.Count) _previous[_next[place]] = place;
            Offer(place);
            if (_previous[place] >= 0) Offer(_previous[place]);
        }
    }

    private void Offer(int place)
    {
        var second = _next[place];
        if (second < _tokens.Count && merges.TryFind(_tokens[place], _tokens[second], out var merge))
            _pairs.Enqueue((place, merge.Rank, merge.Id), ((ulong)(uint)merge.Rank << 32) | (uint)place);
    }
}
