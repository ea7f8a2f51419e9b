using System.Buffers;
using System.Collections.Concurrent;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// Compares the tokens that a server sees, by tenant or language, with those that its vocabulary was planned for, and says
/// when they have drifted apart. Safe from several threads at once.
/// </summary>
/// <remarks>
/// A token costs a look-up, an addition and its place in a ring. Every <see cref="DriftOptions.EvaluateEvery"/> tokens the
/// thread that observes also judges the window, once a call, which takes as long as some decode steps; a server that minds
/// sets it to 0 and calls <see cref="Evaluate"/> from a timer. Memory is bounded by the tags, not by the traffic.
/// </remarks>
public sealed class DriftMonitor
{
    /// <summary>The tag under which tokens are reported whose own tag came after <see cref="DriftOptions.MaximumTags"/> others.</summary>
    public const string OtherTag = "(other)";

    private const int TokensAtATime = 256;

    private readonly DriftOptions _options;
    private readonly ConcurrentDictionary<string, DriftWindow> _windows = new(StringComparer.Ordinal);
    private readonly Lock _newWindow = new();
    private readonly long[] _observed;
    private DriftWindow? _other;
    private bool _isFull;
    private int[]? _counters;
    private long _otherTokens;
    private long _unknownTokens;

    /// <summary>Begins to watch.</summary>
    /// <param name="baseline">What is expected.</param>
    /// <param name="options">What to look at; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public DriftMonitor(DriftBaseline baseline, DriftOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(baseline);
        _options = options ?? new DriftOptions();
        _options.Check();
        Baseline = baseline;
        _observed = new long[baseline.Table.Count];
    }

    /// <summary>
    /// Raised when drift begins, by the thread that observed or evaluated, outside of all locks and after all tokens of its
    /// call were counted. What a handler throws reaches that caller.
    /// </summary>
    public event EventHandler<DriftDetectedEventArgs>? DriftDetected;

    /// <summary>What is expected.</summary>
    public DriftBaseline Baseline { get; }

    /// <summary>The tags that have a window, <see cref="OtherTag"/> included where it has one, in ordinal order.</summary>
    public IReadOnlyList<string> Tags
    {
        get
        {
            IEnumerable<string> tags = _windows.Keys;
            if (Volatile.Read(ref _other) is not null) tags = tags.Append(OtherTag);
            return [.. tags.Order(StringComparer.Ordinal)];
        }
    }

    /// <summary>All tokens observed so far that the vocabulary has.</summary>
    public long Tokens
    {
        get
        {
            var sum = 0L;
            for (var slot = 0; slot < _observed.Length; slot++) sum += Volatile.Read(ref _observed[slot]);
            return sum;
        }
    }

    /// <summary>All tokens observed so far whose ids the vocabulary does not have.</summary>
    public long UnknownTokens => Volatile.Read(ref _unknownTokens);

    /// <summary>All tokens observed so far that had no window of their own tag. Above 0, <see cref="DriftOptions.MaximumTags"/> was too low.</summary>
    public long OtherTokens => Volatile.Read(ref _otherTokens);

    /// <summary>The bytes that the monitor holds now, beside the token table; a new tag adds 4 for each token of its window.</summary>
    public long Bytes => Baseline.Bytes + (sizeof(long) * (long)_observed.Length) + (sizeof(int) * (long)(Volatile.Read(ref _counters)?.Length ?? 0))
        + _windows.Values.Sum(window => window.Bytes) + (Volatile.Read(ref _other)?.Bytes ?? 0);

    /// <summary>Counts a token.</summary>
    /// <param name="tokenId">Its id. One that the vocabulary does not have counts as unknown.</param>
    /// <param name="tag">Whose it is: a tenant, a language; null for nobody's.</param>
    public void Observe(int tokenId, string? tag = null) => Observe([tokenId], tag);

    /// <summary>Counts tokens, which is cheaper for many at once.</summary>
    /// <param name="tokenIds">Their ids. Those that the vocabulary does not have count as unknown.</param>
    /// <param name="tag">Whose they are: a tenant, a language; null for nobody's.</param>
    public void Observe(ReadOnlySpan<int> tokenIds, string? tag = null)
    {
        var window = WindowOf(tag ?? "");
        if (window.Tag == OtherTag) Interlocked.Add(ref _otherTokens, tokenIds.Length);
        Span<int> slots = stackalloc int[TokensAtATime];
        var isDue = false;
        for (var rest = tokenIds; rest.Length > 0; rest = rest[Math.Min(rest.Length, TokensAtATime)..])
        {
            var batch = slots[..Math.Min(rest.Length, TokensAtATime)];
            for (var i = 0; i < batch.Length; i++)
            {
                batch[i] = Baseline.SlotOf(rest[i]);
                if (batch[i] >= 0) Interlocked.Increment(ref _observed[batch[i]]);
                else Interlocked.Increment(ref _unknownTokens);
            }

            isDue |= window.Add(batch);
        }

        // Not before all are counted, since a handler may throw; and not where another thread is at it.
        if (isDue) Judge(window, waits: false);
    }

    /// <summary>Compares a tag's window with what is expected, and changes nothing.</summary>
    /// <param name="tag">A tag, or <see cref="OtherTag"/>; null for untagged tokens.</param>
    /// <returns>The report; of no tokens where the tag has no window.</returns>
    public DriftReport Snapshot(string? tag = null)
    {
        var window = FindWindow(tag ?? "");
        return window is null ? Baseline.Compare(tag ?? "", [], [], unknown: 0) : Compare(window);
    }

    /// <summary>Judges a tag's window now: as <see cref="Snapshot"/>, and drift that begins is raised.</summary>
    /// <param name="tag">A tag, or <see cref="OtherTag"/>; null for untagged tokens.</param>
    /// <returns>The report; of no tokens where the tag has no window.</returns>
    public DriftReport Evaluate(string? tag = null)
    {
        var window = FindWindow(tag ?? "");
        return window is null ? Snapshot(tag) : Judge(window, waits: true)!;
    }

    /// <summary>
    /// Forgets a tag: its window is gone, and another tag may have its place. What is counted over all tags stays. A caller
    /// whose tags have no end keeps those that matter in this way; <see cref="OtherTag"/> cannot be forgotten.
    /// </summary>
    /// <param name="tag">A tag; null for untagged tokens.</param>
    /// <returns>Whether it had a window.</returns>
    public bool Forget(string? tag)
    {
        lock (_newWindow)
        {
            var had = _windows.TryRemove(tag ?? "", out _);
            if (had) Volatile.Write(ref _isFull, false);
            return had;
        }
    }

    /// <summary>
    /// Writes a token table with counts of all that was observed since the monitor began, of any tag, for
    /// <c>adaptive-softmax plan</c>. Ranks follow the new counts, so a class built from it has a fingerprint of its own; pinned
    /// tokens stay in front.
    /// </summary>
    /// <param name="path">The file, by convention <c>*.tokens</c>, which is replaced whole or not at all.</param>
    /// <param name="counts">Which counts.</param>
    /// <exception cref="InvalidOperationException">Only observed counts are wanted, and nothing was observed.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void WriteCounts(string path, DriftCounts counts = DriftCounts.TableAndObserved)
    {
        ArgumentNullException.ThrowIfNull(path);
        var table = Baseline.Table;
        var sums = new long[table.Count];
        var tokens = new byte[table.Count][];
        var any = false;
        for (var slot = 0; slot < sums.Length; slot++)
        {
            var observed = Volatile.Read(ref _observed[slot]);
            any |= observed > 0;
            var expected = counts == DriftCounts.TableAndObserved ? table.GetCount(slot) : 0;
            sums[slot] = checked(expected + observed);
            tokens[slot] = table.GetToken(slot).ToArray();
        }

        if (!any && counts == DriftCounts.Observed)
            throw new InvalidOperationException("No token was observed yet, so there are no counts to write; observe some, or write the table's counts with them.");
        var written = TokenTable.Create(table.Ids, sums, tokens, table.Ids[..table.PinnedCount]);
        AtomicFile.WriteText(path, writer => TokenTableWriter.Write(writer, written));
    }

    private DriftWindow? FindWindow(string tag) => tag == OtherTag ? Volatile.Read(ref _other) : _windows.GetValueOrDefault(tag);

    // Once all windows are given away, a stranger's tokens need no lock to find that out.
    private DriftWindow WindowOf(string tag) => FindWindow(tag) ?? (Volatile.Read(ref _isFull) ? _other! : AddWindow(tag));

    private DriftWindow AddWindow(string tag)
    {
        lock (_newWindow)
        {
            if (FindWindow(tag) is { } added) return added;
            if (tag == OtherTag || _windows.Count >= _options.MaximumTags)
            {
                if (_other is null) Volatile.Write(ref _other, new DriftWindow(OtherTag, _options));
                Volatile.Write(ref _isFull, _windows.Count >= _options.MaximumTags);
                return _other!;
            }

            return _windows[tag] = new DriftWindow(tag, _options);
        }
    }

    private DriftReport? Judge(DriftWindow window, bool waits)
    {
        if (waits) window.Judging.Enter();
        else if (!window.Judging.TryEnter()) return null;
        DriftReport report;
        bool begins;
        try
        {
            report = Compare(window);
            begins = window.Judge(report);
            report = report with { IsDrifted = window.IsDrifted };
        }
        finally
        {
            window.Judging.Exit();
        }

        DriftMetrics.Record(_options.Name, report, begins);
        if (begins) DriftDetected?.Invoke(this, new DriftDetectedEventArgs(report));
        return report;
    }

    private DriftReport Compare(DriftWindow window)
    {
        var slots = ArrayPool<int>.Shared.Rent(_options.WindowTokens);
        var counts = ArrayPool<long>.Shared.Rent(_options.WindowTokens);
        // Counters are lent to one comparison at a time; a second one in the same moment makes its own.
        var counters = Interlocked.Exchange(ref _counters, null) ?? new int[Baseline.Table.Count];
        var length = window.CopyTo(slots);
        var (distinct, unknown) = (0, 0L);
        for (var i = 0; i < length; i++)
        {
            var slot = slots[i];
            if (slot < 0) unknown++;
            else if (counters[slot]++ == 0) slots[distinct++] = slot;
        }

        // In slot order, so that sums do not depend on the order in which tokens came.
        slots.AsSpan(0, distinct).Sort();
        for (var i = 0; i < distinct; i++) (counts[i], counters[slots[i]]) = (counters[slots[i]], 0);
        Volatile.Write(ref _counters, counters);
        var report = Baseline.Compare(window.Tag, slots.AsSpan(0, distinct), counts.AsSpan(0, distinct), unknown) with { IsDrifted = window.IsDrifted };
        ArrayPool<int>.Shared.Return(slots);
        ArrayPool<long>.Shared.Return(counts);
        return report;
    }
}
