namespace AdaptiveSoftmax;

/// <summary>A set of row numbers that remembers the order of their first addition and allocates only while it grows.</summary>
internal sealed class RowSet
{
    private readonly ulong[] _members;
    private int[] _rows = [];

    /// <summary>Creates an empty set of rows in [0, <paramref name="rowCount"/>).</summary>
    public RowSet(int rowCount) => _members = new ulong[((long)rowCount + 63) / 64];

    /// <summary>The number of rows in the set.</summary>
    public int Count { get; private set; }

    /// <summary>The rows, in the order of first addition or, after <see cref="Sort"/>, ascending.</summary>
    public ReadOnlySpan<int> Rows => _rows.AsSpan(0, Count);

    /// <summary>Adds a row; a row that is there already changes nothing.</summary>
    public void Add(int row)
    {
        ref var word = ref _members[row >> 6];
        var bit = 1UL << (row & 63);
        if ((word & bit) != 0) return;
        word |= bit;
        if (Count == _rows.Length) Array.Resize(ref _rows, Math.Max(64, Count * 2));
        _rows[Count++] = row;
    }

    /// <summary>Puts the rows in ascending order.</summary>
    public void Sort() => Array.Sort(_rows, 0, Count);

    /// <summary>Empties the set and keeps its memory.</summary>
    public void Clear()
    {
        foreach (var row in Rows) _members[row >> 6] = 0;
        Count = 0;
    }
}
