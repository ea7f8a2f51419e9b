namespace AdaptiveSoftmax.Corpus;

/// <summary>Counts by id, and which ids have some, so that taking and adding them costs no more than they are.</summary>
internal sealed class Tally
{
    private readonly List<int> _touched = [];
    private long[] _counts = [];

    public long Documents { get; set; }

    public long Tokens { get; private set; }

    /// <summary>The counts by id; ids behind its end have none.</summary>
    public ReadOnlySpan<long> Counts => _counts;

    public void Add(ReadOnlySpan<int> ids)
    {
        foreach (var id in ids)
        {
            if ((uint)id >= (uint)_counts.Length) Grow(id);
            if (_counts[id]++ == 0) _touched.Add(id);
        }

        Tokens += ids.Length;
    }

    public void Add(CountPart part)
    {
        for (var i = 0; i < part.Ids.Length; i++) Add(part.Ids[i], part.Counts[i]);
        Documents += part.Documents;
    }

    /// <summary>Gives what was counted as the part of a file, and starts over.</summary>
    public CountPart Take(int file, long bytes)
    {
        int[] ids = [.. _touched];
        var part = new CountPart(file, ids, Array.ConvertAll(ids, id => _counts[id]), Documents, bytes);
        Clear();
        return part;
    }

    public void Clear()
    {
        foreach (var id in _touched) _counts[id] = 0;
        _touched.Clear();
        (Documents, Tokens) = (0, 0);
    }

    /// <summary>Adds all of another tally to this one.</summary>
    public void Add(Tally other)
    {
        foreach (var id in other._touched) Add(id, other._counts[id]);
        Documents += other.Documents;
    }

    private void Add(int id, long count)
    {
        if (id >= _counts.Length) Grow(id);
        if (_counts[id] == 0) _touched.Add(id);
        _counts[id] += count;
        Tokens += count;
    }

    private void Grow(int id) => Array.Resize(ref _counts, Math.Max(id + 1, Math.Max(1 << 12, _counts.Length * 2)));
}

/// <summary>What was counted of a file, or of several that belong together.</summary>
/// <param name="File">The index of the file, of the last of several.</param>
/// <param name="Ids">The ids that occur.</param>
/// <param name="Counts">How often each does.</param>
/// <param name="Documents">The documents that ended.</param>
/// <param name="Bytes">The bytes of the files that were read for it.</param>
internal sealed record CountPart(int File, int[] Ids, long[] Counts, long Documents, long Bytes)
{
    /// <summary>Whether the file ends here.</summary>
    public bool EndsFile { get; init; }

    /// <summary>Why the file cannot be read any further; its other parts are then void.</summary>
    public CorpusException? Fault { get; init; }
}
