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

    // The piece that begins at each byte. All of it lies together, since a giant word's pieces are visited in no order.
    private Piece[] _pieces = [];

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
        for (var start = 0; start < word.Length; start = _pieces[start].Next)
        {
            ranks.TryGetId(word[start.._pieces[start].Next], out var id);
            ids.Add(id);
        }
    }

    /// <summary>Joins the characters of a word, and gives where the pieces begin and end; one that is a token's part may be none.</summary>
    public void JoinCharacters(ReadOnlySpan<byte> word, List<(int Start, int End)> pieces, CancellationToken cancellationToken)
    {
        Begin(word, areCharacters: true, cancellationToken);
        Join(word, cancellationToken);
        for (var start = 0; start < word.Length; start = _pieces[start].Next) pieces.Add((start, _pieces[start].Next));
    }

    private void Begin(ReadOnlySpan<byte> word, bool areCharacters, CancellationToken cancellationToken)
    {
        if (_pieces.Length < word.Length) _pieces = new Piece[Math.Max(word.Length, 256)];

        _pairs.Clear();
        var previous = -1;
        for (var start = 0; start < word.Length; start = _pieces[start].Next)
        {
            if (start % StepsBetweenChecks == 0) cancellationToken.ThrowIfCancellationRequested();
            _pieces[start].Next = start + 1;
            while (areCharacters && _pieces[start].Next < word.Length && (word[_pieces[start].Next] & 0xC0) == 0x80) _pieces[start].Next++;
            _pieces[start].Previous = previous;
            previous = start;
        }

        for (var start = 0; start < word.Length; start = _pieces[start].Next)
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
            if (_pieces[start].Rank != (int)(pair >> 32)) continue;
            var joined = _pieces[start].Next;
            _pieces[joined].Rank = NoRank;
            _pieces[start].Next = _pieces[joined].Next;
            if (_pieces[start].Next < word.Length) _pieces[_pieces[start].Next].Previous = start;
            Rank(word, start);
            if (_pieces[start].Previous >= 0) Rank(word, _pieces[start].Previous);
        }
    }

    // Finds the rank of the piece that begins at a byte together with the next.
    private void Rank(ReadOnlySpan<byte> word, int start)
    {
        var next = _pieces[start].Next;
        _pieces[start].Rank = next < word.Length && ranks.TryGetId(word[start.._pieces[next].Next], out var rank) ? rank : NoRank;
        if (_pieces[start].Rank != NoRank) _pairs.Add(((ulong)_pieces[start].Rank << 32) | (uint)start);
    }

    /// <summary>Where the next piece begins, where the one before does, and the rank of this one with the next.</summary>
    private record struct Piece(int Next, int Previous, int Rank);
}
