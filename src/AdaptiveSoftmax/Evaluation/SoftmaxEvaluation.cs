using System.Diagnostics;
using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// Judges a softmax by hidden states whose next tokens are known, taken in blocks of any size: perplexity, bits a byte, accuracy,
/// calibration, and what exact greedy decoding costs, as a whole, by cluster, by frequency and by domain.
/// </summary>
/// <remarks>
/// Any decoder can be judged: an adaptive layer, a full softmax (<see cref="SoftmaxLayout.CreateFull"/>), a quantised or a
/// certified one. All but times is the same for any number of threads and any size of blocks, and the memory in use does not
/// depend on the number of states. Not safe from several threads at once.
/// </remarks>
public sealed class SoftmaxEvaluation : IDisposable
{
    // Multiplications between two looks at the cancellation: a tenth of a second on one slow core.
    private const double OperationsAtATime = 2e9;
    private const int MostRowsAtATime = 256;

    private readonly SoftmaxDecoder _softmax;
    private readonly EvaluationOptions _options;
    private readonly TargetSlots _slots;
    private readonly EvaluationGroups _groups;
    private readonly EvaluationTally[] _tallies;
    private readonly DecodeSession _session;
    private readonly SpreadRows<(int Slot, int Domain)> _timed;
    private readonly int _rowsAtATime;
    private readonly int[] _targets, _best, _top;
    private readonly float[] _logProbs, _bestLogProbs, _topLogProbs;
    private readonly TopKResult[] _results;

    /// <summary>Prepares an evaluation.</summary>
    /// <param name="softmax">The softmax, which must outlive the evaluation.</param>
    /// <param name="options">What to evaluate by; null for targets that are the softmax's ids, without domains.</param>
    /// <exception cref="ArgumentException">The table is not the softmax's, or an option is out of range.</exception>
    public SoftmaxEvaluation(SoftmaxDecoder softmax, EvaluationOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(softmax);
        options ??= new EvaluationOptions();
        options.Check(softmax);
        (_softmax, _options) = (softmax, options);
        _slots = new TargetSlots(softmax, options.Table);
        _groups = new EvaluationGroups(softmax.Layout, options.Table, options.Domains);
        _tallies = [.. Enumerable.Range(0, _groups.Count).Select(_ => new EvaluationTally(options.CalibrationBins))];
        _session = softmax.CreateSession();
        _timed = new SpreadRows<(int Slot, int Domain)>(options.TimedTokens, softmax.Layout.HiddenSize);
        _rowsAtATime = RowsAtATime(softmax.Layout);
        (_targets, _best, _top) = (new int[_rowsAtATime], new int[_rowsAtATime], new int[_rowsAtATime * options.TopK]);
        (_logProbs, _bestLogProbs, _topLogProbs) = (new float[_rowsAtATime], new float[_rowsAtATime], new float[_rowsAtATime * options.TopK]);
        _results = new TopKResult[_rowsAtATime];
    }

    /// <summary>The number of states that were added.</summary>
    public long Tokens { get; private set; }

    /// <summary>Adds states.</summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">The token that came after each, [tokens]: ids of the table, or of the softmax without one.</param>
    /// <param name="domains">The domain of each by its place in <see cref="EvaluationOptions.Domains"/>, [tokens]; none where states have none.</param>
    /// <param name="cancellationToken">Stops within a fraction of a second; what was added by then stays.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, or a target or domain does not exist. Nothing is added then.</exception>
    /// <exception cref="DecodeException">A hidden vector or a weight is not finite.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public void Add(ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, ReadOnlySpan<int> domains = default, CancellationToken cancellationToken = default)
    {
        _slots.Check(hidden.Length, targets);
        CheckDomains(targets.Length, domains);
        var size = _softmax.Layout.HiddenSize;
        for (var first = 0; first < targets.Length; first += _rowsAtATime)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var rows = Math.Min(_rowsAtATime, targets.Length - first);
            var vectors = hidden.Slice(first * size, rows * size);
            Compute(vectors, targets.Slice(first, rows), cancellationToken);
            for (var row = 0; row < rows; row++) Count(row, vectors.Slice(row * size, size), domains.IsEmpty ? -1 : domains[first + row]);
            Tokens += rows;
        }
    }

    /// <summary>Adds all states of a file, which is read once and in blocks, so that its size does not matter.</summary>
    /// <param name="states">The file.</param>
    /// <param name="progress">Hears how many more states were added, after each block; null for nobody.</param>
    /// <param name="cancellationToken">Stops within a fraction of a second; what was added by then stays.</param>
    /// <exception cref="ArgumentException">The options name other domains than the file.</exception>
    /// <exception cref="WeightsFormatException">
    /// The states have another hidden size, a target is not in the vocabulary, or a value is not finite; the message says in which row.
    /// What was added before that row stays.
    /// </exception>
    /// <exception cref="DecodeException">A weight is not finite.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public void AddAll(StatesFile states, Action<long>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(states);
        EvaluationOptions.CheckDomains(_options.Domains, states);
        foreach (var block in states.ReadBlocksFor(_softmax.Layout.HiddenSize, target => _slots.Find(target) >= 0))
        {
            Add(block.Hidden, block.Targets, _options.Domains.Count == 0 ? default : block.Domains, cancellationToken);
            progress?.Invoke(block.Count);
        }
    }

    /// <summary>What all states so far come to. Measures the times first.</summary>
    /// <param name="cancellationToken">Stops the measurement.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public EvaluationReport ToReport(CancellationToken cancellationToken = default)
    {
        MeasureTimes(cancellationToken);
        return new EvaluationReport
        {
            Whole = _groups.Whole(Figures),
            Clusters = _groups.ByCluster(Figures),
            Deciles = _groups.ByDecile(Figures),
            Domains = _groups.ByDomain(Figures),
            Calibration = _tallies[0].ToCalibration(),
            TopK = _options.TopK,
            TimedTokens = _timed.Kept.Count,
        };

        EvaluationFigures Figures(int tally, EvaluationGroup group) => _tallies[tally].ToFigures(group);
    }

    /// <summary>Releases working memory; the softmax stays.</summary>
    public void Dispose() => _session.Dispose();

    /// <summary>How many rows are computed between two looks at the cancellation; no result depends on it.</summary>
    internal static int RowsAtATime(SoftmaxLayout layout) =>
        (int)Math.Clamp(OperationsAtATime / layout.ParameterCount, 8, MostRowsAtATime);

    // Always as a batch, whose rows have the same bits whatever stands beside them.
    private void Compute(ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, CancellationToken cancellationToken)
    {
        var rows = targets.Length;
        for (var row = 0; row < rows; row++) _targets[row] = _slots.Find(targets[row]);
        _slots.LogProbs(hidden, _targets.AsSpan(0, rows), _logProbs.AsSpan(0, rows));
        cancellationToken.ThrowIfCancellationRequested();
        _session.TopK(hidden, _best.AsSpan(0, rows), _bestLogProbs.AsSpan(0, rows), _results.AsSpan(0, rows));
        if (_options.TopK == 1) return;
        cancellationToken.ThrowIfCancellationRequested();
        var visited = _results.AsSpan(0, rows).ToArray();
        _session.TopK(hidden, _top.AsSpan(0, rows * _options.TopK), _topLogProbs.AsSpan(0, rows * _options.TopK), _results.AsSpan(0, rows));
        visited.CopyTo(_results.AsSpan());
    }

    private void Count(int row, ReadOnlySpan<float> vector, int domain)
    {
        var slot = _targets[row];
        var token = _softmax.TokenOf(slot);
        var target = new EvaluatedTarget(
            _logProbs[row],
            Math.Exp(_bestLogProbs[row]),
            _best[row] == token,
            _options.TopK == 1 ? _best[row] == token : _top.AsSpan(row * _options.TopK, _options.TopK).Contains(token),
            _results[row].TailsVisited,
            _options.Table?.GetToken(slot).Length ?? 0);
        Span<int> groups = stackalloc int[EvaluationGroups.MostOfTarget];
        foreach (var group in groups[.._groups.Find(slot, domain, groups)]) _tallies[group].Add(target);
        _timed.Add(vector, (slot, domain));
    }

    private void MeasureTimes(CancellationToken cancellationToken)
    {
        const int WarmUps = 8;
        foreach (var tally in _tallies) tally.ClearTimes();
        for (var i = 0; i < Math.Min(WarmUps, _timed.Kept.Count); i++) _softmax.Predict(_timed.Kept[i].Row);
        Span<int> groups = stackalloc int[EvaluationGroups.MostOfTarget];
        foreach (var (vector, (slot, domain)) in _timed.Kept)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var start = Stopwatch.GetTimestamp();
            _softmax.Predict(vector);
            var microseconds = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
            foreach (var group in groups[.._groups.Find(slot, domain, groups)]) _tallies[group].AddTime(microseconds);
        }
    }

    private void CheckDomains(int tokens, ReadOnlySpan<int> domains)
    {
        if (domains.IsEmpty) return;
        if (domains.Length != tokens) throw new ArgumentException(FormattableString.Invariant($"There are {domains.Length} domains of {tokens} targets; give one each, or none."), nameof(domains));
        for (var i = 0; i < domains.Length; i++)
        {
            if ((uint)domains[i] >= (uint)_options.Domains.Count)
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"Token {i} is of domain {domains[i]}, and the options name {_options.Domains.Count}."), nameof(domains));
        }
    }
}
