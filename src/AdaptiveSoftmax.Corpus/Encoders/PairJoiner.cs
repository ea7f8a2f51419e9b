using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// Joins neighbours in a text: of all that together are a token those of the lowest rank, the leftmost first, until no two are
/// one. A text of n bytes takes n log n steps.
/// </summary>
internal sealed class PairJoiner(BytePairRanks ranks)
{
    private const int NoRank = int.MaxValue;
    private const int StepsBetweenChecks = 1 << 12;

    // Up to here the lowest of all ranks is found sooner by looking at each, eight at a time, than in a heap.
    private const int LongestScan = 1 << 9;

    // The places of pairs by rank, then place; those that were joined otherwise meanwhile are still among them. A heap of our own,
    // of nothing but numbers and with four children a node, was no quicker: 15 % slower for 600 pairs, 5 % quicker for 4,096, 2 % for
    // 262,144.
    private readonly PriorityQueue<int, ulong> _pairs = new();

    // The piece that begins at each byte. All of it lies together, since a giant text's pieces are visited in no order.
    private Piece[] _pieces = new Piece[LongestScan];

    // The rank of the piece that begins at each byte with the next.
    private int[] _ranks = new int[LongestScan];

    /// <summary>Joins the bytes of a text, or its characters, which may be several bytes each.</summary>
    public void Join(ReadOnlySpan<byte> text, bool areCharacters, CancellationToken cancellationToken)
    {
        if (_pieces.Length < text.Length) (_pieces, _ranks) = (new Piece[text.Length], new int[text.Length]);
        Begin(text, areCharacters, cancellationToken);
        if (text.Length <= LongestScan) JoinByScan(text);
        else JoinByHeap(text, cancellationToken);
    }

    /// <summary>Where the piece ends that begins at a byte.</summary>
    public int EndOf(int start) => _pieces[start].Next;

    /// <summary>The id of the piece that begins at a byte; −1 for a character of several bytes that was joined to nothing.</summary>
    public int IdOf(int start) => _pieces[start].Id;

    private void Begin(ReadOnlySpan<byte> text, bool areCharacters, CancellationToken cancellationToken)
    {
        var previous = -1;
        for (var start = 0; start < text.Length; start = _pieces[start].Next)
        {
            if (start % StepsBetweenChecks == 0) cancellationToken.ThrowIfCancellationRequested();
            var next = start + 1;
            while (areCharacters && next < text.Length && (text[next] & 0xC0) == 0x80) _ranks[next++] = NoRank;
            _pieces[start] = new Piece(next, previous, next == start + 1 ? ranks.IdOfByte(text[start]) : -1);
            previous = start;
        }

        for (var start = 0; start < text.Length; start = _pieces[start].Next)
        {
            if (start % StepsBetweenChecks == 0) cancellationToken.ThrowIfCancellationRequested();
            _ranks[start] = FindRank(text, start);
        }
    }

    private void JoinByScan(ReadOnlySpan<byte> text)
    {
        // Whole vectors, which read on into ranks that are none.
        var length = (text.Length + Vector256<int>.Count - 1) / Vector256<int>.Count * Vector256<int>.Count;
        _ranks.AsSpan(text.Length, length - text.Length).Fill(NoRank);
        while (FindLowest(_ranks.AsSpan(0, length), out var start))
        {
            Join(text, start);
            _ranks[start] = FindRank(text, start);
            if (_pieces[start].Previous is var previous and >= 0) _ranks[previous] = FindRank(text, previous);
        }
    }

    private void JoinByHeap(ReadOnlySpan<byte> text, CancellationToken cancellationToken)
    {
        _pairs.Clear();
        for (var start = 0; start < text.Length; start = _pieces[start].Next)
        {
            if (_ranks[start] != NoRank) _pairs.Enqueue(start, OrderOf(start));
        }

        for (var step = 1; _pairs.TryDequeue(out var start, out var order); step++)
        {
            if (step % StepsBetweenChecks == 0) cancellationToken.ThrowIfCancellationRequested();
            if (OrderOf(start) != order) continue;
            Join(text, start);
            Offer(text, start);
            if (_pieces[start].Previous >= 0) Offer(text, _pieces[start].Previous);
        }
    }

    private void Offer(ReadOnlySpan<byte> text, int start)
    {
        _ranks[start] = FindRank(text, start);
        if (_ranks[start] != NoRank) _pairs.Enqueue(start, OrderOf(start));
    }

    private ulong OrderOf(int start) => ((ulong)_ranks[start] << 32) | (uint)start;

    // Joins the piece that begins at a byte with the next; a token's rank is its id.
    private void Join(ReadOnlySpan<byte> text, int start)
    {
        var joined = _pieces[start].Next;
        _pieces[start] = new Piece(_pieces[joined].Next, _pieces[start].Previous, _ranks[start]);
        _ranks[joined] = NoRank;
        if (_pieces[start].Next < text.Length) _pieces[_pieces[start].Next].Previous = start;
    }

    private int FindRank(ReadOnlySpan<byte> text, int start)
    {
        var next = _pieces[start].Next;
        return next < text.Length && ranks.TryGetId(text[start.._pieces[next].Next], out var rank) ? rank : NoRank;
    }

    // The place of the lowest rank, the first of several; false where there is none.
    private static bool FindLowest(ReadOnlySpan<int> ranks, out int place)
    {
        var lowest = Vector256.Create(NoRank);
        ref var first = ref MemoryMarshal.GetReference(ranks);
        for (var i = 0; i < ranks.Length; i += Vector256<int>.Count) lowest = Vector256.Min(lowest, Vector256.LoadUnsafe(ref first, (nuint)i));
        var four = Vector128.Min(lowest.GetLower(), lowest.GetUpper());
        var two = Vector128.Min(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1)));
        var rank = Math.Min(two[0], two[1]);
        place = rank == NoRank ? -1 : ranks.IndexOf(rank);
        return place >= 0;
    }

    /// <summary>Where the next piece begins, where the one before does, and the id of this one.</summary>
    private record struct Piece(int Next, int Previous, int Id);
}
