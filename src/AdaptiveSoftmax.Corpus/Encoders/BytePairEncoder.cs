namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// Encodes words by joining pairs: of all neighbours that together are a token those of the lowest rank, the leftmost first,
/// until no two are one. A word of n bytes takes n log n steps, so that no word is dear.
/// </summary>
internal sealed class BytePairEncoder(BytePairRanks ranks)
{
    private const int NoRank = int.MaxValue;
    private const int StepsBetweenChecks = 1 << 12;

    // Pairs by rank, then place; those that were joined otherwise meanwhile are still among them.
    private readonly RankHeap _pairs = new();

    // Of the piece that begins at a byte: where the next one begins, where the one before does, and the rank of it with the next.
    private int[] _next = [];
    private int[] _previous = [];
    private int[] _ranks = [];

    /// <summary>Appends the ids of a word.</summary>
    public void Encode(ReadOnlySpan<byte> word, List<int> ids, CancellationToken cancellationToken)
    {
        if (ranks.TryGetId(word, out var whole))
        {
            ids.Add(whole);
            return;
        }

        Begin(word, areCharacters: false, cancellationToken);
        Join(word, cancellationToken);
        for (var start = 0; start < word.Length; start = _next[start])
        {
            ranks.TryGetId(word[start.._next[start]], out var id);
            ids.Add(id);
        }
    }

    /// <summary>Joins the characters of a word, and gives where the pieces begin and end; one that is a token's part may be none.</summary>
    public void JoinCharacters(ReadOnlySpan<byte> word, List<(int Start, int End)> pieces, CancellationToken cancellationToken)
    {
        Begin(word, areCharacters: true, cancellationToken);
        Join(word, cancellationToken);
        for (var start = 0; start < word.Length; start = _next[start]) pieces.Add((start, _next[start]));
    }

    private void Begin(ReadOnlySpan<byte> word, bool areCharacters, CancellationToken cancellationToken)
    {
        if (_next.Length < word.Length)
        {
            var length = Math.Max(word.Length, 256);
            (_next, _previous, _ranks) = (new int[length], new int[length], new int[length]);
        }

        _pairs.Clear();
        var previous = -1;
        for (var start = 0; start < word.Length; start = _next[start])
        {
            if (start % StepsBetweenChecks == 0) cancellationToken.ThrowIfCancellationRequested();
            _next[start] = start + 1;
            while (areCharacters && _next[start] < word.Length && (word[_next[start]] & 0xC0) == 0x80) _next[start]++;
            _previous[start] = previous;
            previous = start;
        }

        for (var start = 0; start < word.Length; start = _next[start])
        {
            if (start % StepsBetweenChecks == 0) cancellationToken.ThrowIfCancellationRequested();
            Rank(word, start);
        }
    }

    private void Join(ReadOnlySpan<byte> word, CancellationToken cancellationToken)
    {
        for (var step = 1; _pairs.TryTake(out var pair); step++)
        {
            if (step % StepsBetweenChecks == 0) cancellationToken.ThrowIfCancellationRequested();
            var start = (int)(uint)pair;
            if (_ranks[start] != (int)(pair >> 32)) continue;
            var joined = _next[start];
            _ranks[joined] = NoRank;
            _next[start] = _next[joined];
            if (_next[start] < word.Length) _previous[_next[start]] = start;
            Rank(word, start);
            if (_previous[start] >= 0) Rank(word, _previous[start]);
        }
    }

    // Finds the rank of the piece that begins at a byte together with the next.
    private void Rank(ReadOnlySpan<byte> word, int start)
    {
        var next = _next[start];
        _ranks[start] = next < word.Length && ranks.TryGetId(word[start.._next[next]], out var rank) ? rank : NoRank;
        if (_ranks[start] != NoRank) _pairs.Add(((ulong)_ranks[start] << 32) | (uint)start);
    }
}
