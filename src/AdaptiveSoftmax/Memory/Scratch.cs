namespace AdaptiveSoftmax;

/// <summary>
/// The memory that one call works in. Blocks are lent one behind the other, and are taken back all together: at the end of
/// the scope they were asked for in, and by <see cref="Reset"/> at the end of the call. It grows to what calls need and is
/// then reused, so that a call allocates nothing after warm-up; each call has its own, so that calls from several threads do
/// not meet.
/// </summary>
internal sealed unsafe class Scratch : IDisposable
{
    private const int FloatsPerLine = NativeFloats.Alignment / sizeof(float);

    // Blocks are read side by side; a whole number of pages apart they would compete for the same few cache lines.
    private const int Stagger = 9 * FloatsPerLine;

    private readonly List<NativeFloats> _memory = [];
    private long _before;
    private long _used;
    private long _most;

    /// <summary>The floats that it holds.</summary>
    public long Count => _memory.Sum(memory => memory.Count);

    /// <summary>Begins a scope: what is asked for until it is disposed is free again then.</summary>
    public Scope Begin() => new(this);

    /// <summary>Room for <paramref name="count"/> floats whose content is undefined.</summary>
    public float* Floats(long count)
    {
        var length = ((count + FloatsPerLine - 1) / FloatsPerLine * FloatsPerLine) + Stagger;
        if (_memory.Count == 0 || _used + length > _memory[^1].Count) Grow(length);
        var start = _memory[^1].Pointer + _used;
        _used += length;
        _most = Math.Max(_most, _before + _used);
        return start;
    }

    /// <summary>Room for <paramref name="count"/> ints whose content is undefined.</summary>
    public int* Ints(long count) => (int*)Floats(count);

    /// <summary>Room for <paramref name="count"/> shorts whose content is undefined.</summary>
    public short* Shorts(long count) => (short*)Floats((count + 1) / 2);

    /// <summary>Room for <paramref name="count"/> doubles whose content is undefined.</summary>
    public double* Doubles(long count) => (double*)Floats(2 * count);

    /// <summary>Takes all back, for the next call; what was needed at once is one piece from then on.</summary>
    public void Reset()
    {
        if (_most > 0 && (_memory.Count != 1 || _memory[0].Count < _most))
        {
            Dispose();
            _memory.Add(new NativeFloats(_most));
        }

        (_before, _used) = (0, 0);
    }

    public void Dispose()
    {
        foreach (var memory in _memory) memory.Dispose();
        _memory.Clear();
    }

    // What is lent stays where it is, so more room is a further piece; it takes all that was ever needed at once.
    private void Grow(long length)
    {
        _before += _used;
        _memory.Add(new NativeFloats(Math.Max(length, _most - _before)));
        _used = 0;
    }

    private void End(int pieces, long before, long used)
    {
        if (_memory.Count == pieces + 1)
        {
            // The next scope needs as much again.
            (_before, _used) = (before + used, 0);
            return;
        }

        while (_memory.Count > pieces)
        {
            _memory[^1].Dispose();
            _memory.RemoveAt(_memory.Count - 1);
        }

        (_before, _used) = (before, used);
    }

    /// <summary>Until when blocks are lent.</summary>
    public readonly ref struct Scope
    {
        private readonly Scratch _scratch;
        private readonly int _pieces;
        private readonly long _before;
        private readonly long _used;

        internal Scope(Scratch scratch) =>
            (_scratch, _pieces, _before, _used) = (scratch, scratch._memory.Count, scratch._before, scratch._used);

        /// <summary>Takes back what was lent.</summary>
        public void Dispose() => _scratch.End(_pieces, _before, _used);
    }
}
