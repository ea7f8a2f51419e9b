using System.Globalization;

namespace AdaptiveSoftmax;

/// <summary>
/// Compares two softmaxes token by token on the same hidden states, taken in blocks of any size: a layer before and after
/// migration, and its quantised copy. They may have different layouts, and their vocabularies different tokens.
/// </summary>
/// <remarks>Memory does not depend on the number of states. Not safe from several threads at once.</remarks>
public sealed class SoftmaxAgreement : IDisposable
{
    private readonly Side _first, _second;
    private readonly EvaluationGroups _groups;
    private readonly Tally[] _tallies;
    private readonly SpreadRows<(int Slot, int Domain)> _kept;
    private readonly int[]? _secondSlots;
    private readonly int _rowsAtATime;
    private readonly IReadOnlyList<string> _domains;

    /// <summary>Prepares a comparison.</summary>
    /// <param name="first">The softmax that is compared with. It must outlive the comparison.</param>
    /// <param name="second">The other one, of the same hidden size. It must outlive the comparison.</param>
    /// <param name="options">The vocabularies and domains; null for none.</param>
    /// <exception cref="ArgumentException">The hidden sizes differ, a table is not its softmax's, or an option is out of range.</exception>
    public SoftmaxAgreement(SoftmaxDecoder first, SoftmaxDecoder second, AgreementOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        options ??= new AgreementOptions();
        ArgumentOutOfRangeException.ThrowIfNegative(options.DivergenceTokens, nameof(options));
        if (first.Layout.HiddenSize != second.Layout.HiddenSize)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"The softmaxes have the hidden sizes {first.Layout.HiddenSize} and {second.Layout.HiddenSize}; only those of the same hidden states can be compared."), nameof(second));
        new EvaluationOptions { Table = options.FirstTable, TopK = 1, Domains = options.Domains }.Check(first);
        new EvaluationOptions { Table = options.SecondTable, TopK = 1 }.Check(second);
        _rowsAtATime = Math.Min(SoftmaxEvaluation.RowsAtATime(first.Layout), SoftmaxEvaluation.RowsAtATime(second.Layout));
        (_first, _second) = (new Side(first, new TargetSlots(first, options.FirstTable), _rowsAtATime), new Side(second, new TargetSlots(second, options.SecondTable), _rowsAtATime));
        _groups = new EvaluationGroups(first.Layout, options.FirstTable, options.Domains);
        _domains = options.Domains;
        _tallies = [.. Enumerable.Range(0, _groups.Count).Select(_ => new Tally())];
        _secondSlots = MapSlots();
        _kept = new SpreadRows<(int Slot, int Domain)>(_secondSlots is null ? 0 : options.DivergenceTokens, first.Layout.HiddenSize);
    }

    /// <summary>Adds states.</summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">The token that came after each, [tokens], in both vocabularies.</param>
    /// <param name="domains">The domain of each, [tokens]; none where states have none.</param>
    /// <param name="cancellationToken">Stops within a fraction of a second; what was added by then stays.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, or a target or domain does not exist. Nothing is added then.</exception>
    /// <exception cref="DecodeException">A hidden vector or a weight is not finite.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public void Add(ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, ReadOnlySpan<int> domains = default, CancellationToken cancellationToken = default)
    {
        _first.Slots.Check(hidden.Length, targets);
        _second.Slots.Check(hidden.Length, targets);
        if (!domains.IsEmpty && (domains.Length != targets.Length || _domains.Count == 0 || domains.ContainsAnyExceptInRange(0, _domains.Count - 1)))
            throw new ArgumentException(FormattableString.Invariant($"There must be one of the {_domains.Count} domains for each of {targets.Length} targets, or none."), nameof(domains));
        var size = _first.Softmax.Layout.HiddenSize;
        Span<int> groups = stackalloc int[EvaluationGroups.MostOfTarget];
        for (var start = 0; start < targets.Length; start += _rowsAtATime)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var rows = Math.Min(_rowsAtATime, targets.Length - start);
            var vectors = hidden.Slice(start * size, rows * size);
            _first.Compute(vectors, targets.Slice(start, rows));
            cancellationToken.ThrowIfCancellationRequested();
            _second.Compute(vectors, targets.Slice(start, rows));
            for (var row = 0; row < rows; row++)
            {
                var (slot, domain) = (_first.Slots.Find(targets[start + row]), domains.IsEmpty ? -1 : domains[start + row]);
                var isSame = _first.Best(row) == _second.Best(row);
                foreach (var group in groups[.._groups.Find(slot, domain, groups)]) _tallies[group].Add(isSame, (double)_second.LogProb(row) - _first.LogProb(row));
                _kept.Add(vectors.Slice(row * size, size), (slot, domain));
            }
        }
    }

    /// <summary>Adds all states of a file, which is read once and in blocks, so that its size does not matter.</summary>
    /// <param name="states">The file.</param>
    /// <param name="progress">Hears how many more states were added, after each block; null for nobody.</param>
    /// <param name="cancellationToken">Stops within a fraction of a second; what was added by then stays.</param>
    /// <exception cref="ArgumentException">The options name other domains than the file.</exception>
    /// <exception cref="WeightsFormatException">
    /// The states have another hidden size, a target is not in both vocabularies, or a value is not finite; the message says in which row.
    /// What was added before that row stays.
    /// </exception>
    /// <exception cref="DecodeException">A weight is not finite.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public void AddAll(StatesFile states, Action<long>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(states);
        EvaluationOptions.CheckDomains(_domains, states);
        foreach (var block in states.ReadBlocksFor(_first.Softmax.Layout.HiddenSize, target => _first.Slots.Find(target) >= 0 && _second.Slots.Find(target) >= 0))
        {
            Add(block.Hidden, block.Targets, _domains.Count == 0 ? default : block.Domains, cancellationToken);
            progress?.Invoke(block.Count);
        }
    }

    /// <summary>What all states so far come to. Computes the divergences first.</summary>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public AgreementReport ToReport(CancellationToken cancellationToken = default)
    {
        ComputeDivergences(cancellationToken);
        return new AgreementReport
        {
            Whole = _groups.Whole(Figures),
            Clusters = _groups.ByCluster(Figures),
            Deciles = _groups.ByDecile(Figures),
            Domains = _groups.ByDomain(Figures),
            DivergenceTokens = _kept.Kept.Count,
        };

        AgreementFigures Figures(int tally, EvaluationGroup group) => _tallies[tally].ToFigures(group.Name);
    }

    /// <summary>Releases working memory; the softmaxes stay.</summary>
    public void Dispose()
    {
        _first.Session.Dispose();
        _second.Session.Dispose();
    }

    // The second one's slot of each of the first one's; null where the vocabularies differ.
    private int[]? MapSlots()
    {
        if (_first.Softmax.Layout.VocabularySize != _second.Softmax.Layout.VocabularySize) return null;
        int[] slots = [.. Enumerable.Range(0, _first.Softmax.Layout.VocabularySize).Select(slot => _second.Slots.Find(_first.Slots.TargetOf(slot)))];
        return slots.Contains(-1) ? null : slots;
    }

    private void ComputeDivergences(CancellationToken cancellationToken)
    {
        foreach (var tally in _tallies) tally.ClearDivergence();
        if (_secondSlots is null) return;
        var size = _secondSlots.Length;
        var (first, second) = (new float[size], new float[size]);
        Span<int> groups = stackalloc int[EvaluationGroups.MostOfTarget];
        foreach (var (vector, (slot, domain)) in _kept.Kept)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _first.Softmax.LogProb(vector, first);
            _second.Softmax.LogProb(vector, second);
            var divergence = 0.0;
            for (var i = 0; i < size; i++) divergence += Math.Exp(first[i]) * ((double)first[i] - second[_secondSlots[i]]);
            foreach (var group in groups[.._groups.Find(slot, domain, groups)]) _tallies[group].AddDivergence(divergence);
        }
    }

    /// <summary>One of the two.</summary>
    private sealed class Side(SoftmaxDecoder softmax, TargetSlots slots, int rows)
    {
        private readonly int[] _targets = new int[rows], _best = new int[rows];
        private readonly float[] _logProbs = new float[rows], _bestLogProbs = new float[rows];
        private readonly TopKResult[] _results = new TopKResult[rows];

        public SoftmaxDecoder Softmax => softmax;

        public TargetSlots Slots => slots;

        public DecodeSession Session { get; } = softmax.CreateSession();

        public int Best(int row) => slots.TargetOf(softmax.SlotOf(_best[row]));

        public float LogProb(int row) => _logProbs[row];

        public void Compute(ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets)
        {
            var count = targets.Length;
            for (var row = 0; row < count; row++) _targets[row] = slots.Find(targets[row]);
            slots.LogProbs(hidden, _targets.AsSpan(0, count), _logProbs.AsSpan(0, count));
            Session.TopK(hidden, _best.AsSpan(0, count), _bestLogProbs.AsSpan(0, count), _results.AsSpan(0, count));
        }
    }

    private sealed class Tally
    {
        private long _tokens, _same, _diverged;
        private double _difference, _absolute, _divergence;

        public void Add(bool isSame, double difference)
        {
            _tokens++;
            if (isSame) _same++;
            _difference += difference;
            _absolute += Math.Abs(difference);
        }

        public void AddDivergence(double divergence)
        {
            _diverged++;
            _divergence += divergence;
        }

        public void ClearDivergence() => (_diverged, _divergence) = (0, 0);

        public AgreementFigures ToFigures(string name) =>
            new(name, _tokens, (double)_same / _tokens, _difference / _tokens, _absolute / _tokens, _divergence / _diverged);
    }
}
