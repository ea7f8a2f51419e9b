namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// Encodes words by joining pairs, as <see cref="PairJoiner"/> does, so that no word is dear: long ones window by window, since
/// what lies in a processor's nearest cache is joined several times as fast.
/// </summary>
/// <remarks>
/// <para>
/// Windows overlap, and are put together at a piece that both have. That gives what the whole word gives, for any ranks: pieces are
/// what joining gives of a text if and only if each two neighbours are what joining gives of those two alone. For as long as
/// nothing is joined across a border between pieces, both sides of it see the same pairs in the same order whether there is more
/// text around them or not, and so does what would be joined across it first. In a sequence that is put together at a shared piece,
/// each two neighbours come from one window.
/// </para>
/// <para>Where two windows share no piece, they overlap by more and are longer from then on, up to the whole word.</para>
/// </remarks>
internal sealed class BytePairEncoder(BytePairRanks ranks)
{
    private const int FirstWindow = 1 << 7;

    // The part of a window that overlaps the one before, a little more where a piece is long.
    private const int WindowsPerOverlap = 8;

    private readonly PairJoiner _joiner = new(ranks);
    private readonly List<(int Start, int Id)> _pieces = [];

    /// <summary>Appends the ids of a word.</summary>
    public void Encode(ReadOnlySpan<byte> word, List<int> ids, CancellationToken cancellationToken)
    {
        if (ranks.TryGetId(word, out var whole))
        {
            ids.Add(whole);
            return;
        }

        Join(word, areCharacters: false, cancellationToken);
        foreach (var (_, id) in _pieces) ids.Add(id);
    }

    /// <summary>Joins the characters of a word, and gives where the pieces begin and end; one that is a token's part may be none.</summary>
    public void JoinCharacters(ReadOnlySpan<byte> word, List<(int Start, int End)> pieces, CancellationToken cancellationToken)
    {
        Join(word, areCharacters: true, cancellationToken);
        for (var i = 0; i < _pieces.Count; i++) pieces.Add((_pieces[i].Start, EndOf(i, word.Length)));
    }

    private void Join(ReadOnlySpan<byte> word, bool areCharacters, CancellationToken cancellationToken)
    {
        _pieces.Clear();
        var known = 0;
        for (var length = (long)FirstWindow; known < word.Length;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var first = FindOverlap(known - (length / WindowsPerOverlap));
            var start = first < 0 ? 0 : _pieces[first].Start;
            if (known - start <= length / 2)
            {
                var end = FindEnd(word, start + length, areCharacters);
                _joiner.Join(word[start..end], areCharacters, cancellationToken);
                if (TryAppend(Math.Max(first, 0), start, known, end))
                {
                    known = end;
                    continue;
                }
            }

            length *= 2;
        }
    }

    // The last piece that begins at a byte or before it; −1 for none.
    private int FindOverlap(long at)
    {
        var index = _pieces.Count - 1;
        while (index >= 0 && _pieces[index].Start > at) index--;
        return index;
    }

    private static int FindEnd(ReadOnlySpan<byte> word, long end, bool areCharacters)
    {
        if (end >= word.Length) return word.Length;
        var found = (int)end;
        while (areCharacters && found < word.Length && (word[found] & 0xC0) == 0x80) found++;
        return found;
    }

    // Puts the window's pieces behind those that are known, which reach to a byte, from a piece on that both have.
    private bool TryAppend(int index, int start, int known, int end)
    {
        var place = start;
        while (start > 0)
        {
            if (index == _pieces.Count || place == end) return false;
            var begin = _pieces[index].Start;
            if (begin == place && EndOf(index, known) == start + _joiner.EndOf(place - start)) break;
            if (begin <= place) index++;
            else place = start + _joiner.EndOf(place - start);
        }

        _pieces.RemoveRange(index, _pieces.Count - index);
        for (; place < end; place = start + _joiner.EndOf(place - start)) _pieces.Add((place, _joiner.IdOf(place - start)));
        return true;
    }

    private int EndOf(int index, int known) => index + 1 < _pieces.Count ? _pieces[index + 1].Start : known;
}
