namespace AdaptiveSoftmax;

/// <summary>
/// The last slots that were observed of a tag: a ring, whose periods carry the time at which they began so that old ones
/// can be dropped.
/// </summary>
internal sealed class DriftWindow
{
    // A period lasts a sixteenth of the window's time, so this many cover it, the one that is filling and the one that is leaving.
    private const int PeriodsOfTime = 16;

    private readonly Lock _gate = new();
    private readonly int[] _ring;
    private readonly DriftOptions _options;
    private readonly long _ticks;
    private readonly Queue<WindowPeriod> _periods = new(PeriodsOfTime + 2);
    private WindowPeriod? _filling;
    private int _start;
    private int _count;
    private long _sinceEvaluation;
    private bool _isDrifted;

    public DriftWindow(string tag, DriftOptions options)
    {
        (Tag, _options, _ring) = (tag, options, new int[options.WindowTokens]);
        _ticks = options.WindowTime is { } time ? (long)(time.TotalSeconds * options.TimeProvider.TimestampFrequency) : 0;
    }

    public string Tag { get; }

    /// <summary>Held from the comparison to the verdict, so that no older comparison overrules a newer one.</summary>
    public Lock Judging { get; } = new();

    /// <summary>Whether drift was found and has not ended.</summary>
    public bool IsDrifted => Volatile.Read(ref _isDrifted);

    public long Bytes => (long)_ring.Length * sizeof(int);

    /// <summary>Adds slots, −1 for tokens without one.</summary>
    /// <returns>Whether the window is due to be judged.</returns>
    public bool Add(ReadOnlySpan<int> slots)
    {
        lock (_gate)
        {
            DropOld();
            foreach (var slot in slots)
            {
                if (_count == _ring.Length) DropFirst();
                var end = _start + _count;
                _ring[end < _ring.Length ? end : end - _ring.Length] = slot;
                _count++;
                if (_filling is not null) _filling.Tokens++;
            }

            // Tokens from before there were enough count too: a window is judged as soon as it can be.
            _sinceEvaluation += slots.Length;
            if (_options.EvaluateEvery == 0 || _count < _options.MinimumTokens || _sinceEvaluation < _options.EvaluateEvery) return false;
            _sinceEvaluation = 0;
            return true;
        }
    }

    /// <summary>Copies the window's slots, oldest first.</summary>
    /// <param name="slots">Receives them; as long as the largest window.</param>
    /// <returns>Their number.</returns>
    public int CopyTo(Span<int> slots)
    {
        lock (_gate)
        {
            DropOld();
            var first = Math.Min(_count, _ring.Length - _start);
            _ring.AsSpan(_start, first).CopyTo(slots);
            _ring.AsSpan(0, _count - first).CopyTo(slots[first..]);
            return _count;
        }
    }

    /// <summary>
    /// Begins or ends drift, while the caller holds <see cref="Judging"/>. Between both thresholds all stays as it is, so that
    /// noise does not raise event after event.
    /// </summary>
    /// <returns>Whether drift began.</returns>
    public bool Judge(DriftReport report)
    {
        if (report.Tokens + report.UnknownTokens < _options.MinimumTokens) return false;
        var severity = _options.Severity(report);
        var begins = !_isDrifted && severity >= 1;
        if (begins) Volatile.Write(ref _isDrifted, true);
        else if (severity < _options.ReleaseRatio) Volatile.Write(ref _isDrifted, false);
        return begins;
    }

    private void DropOld()
    {
        if (_ticks == 0) return;
        var now = _options.TimeProvider.GetTimestamp();
        var length = Math.Max(1, _ticks / PeriodsOfTime);
        while (_periods.TryPeek(out var oldest) && oldest.Began + length <= now - _ticks)
        {
            _start = (int)(((long)_start + oldest.Tokens) % _ring.Length);
            _count -= oldest.Tokens;
            _periods.Dequeue();
            if (oldest == _filling) _filling = null;
        }

        if (_filling is not null && _filling.Began + length > now) return;
        _filling = new WindowPeriod(now);
        _periods.Enqueue(_filling);
    }

    private void DropFirst()
    {
        _start = _start + 1 < _ring.Length ? _start + 1 : 0;
        _count--;
        if (_ticks == 0) return;
        while (_periods.Peek().Tokens == 0) _periods.Dequeue();
        _periods.Peek().Tokens--;
    }

    private sealed class WindowPeriod(long began)
    {
        public long Began { get; } = began;

        public int Tokens { get; set; }
    }
}
