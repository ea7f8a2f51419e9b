using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>Makes the target's weights out of the source's, cluster by cluster.</summary>
internal sealed class TargetBuilder : IDisposable
{
    private const ulong StartSeed = 1;

    private readonly WorkerPool _pool;
    private readonly TokenMap _map;
    private readonly SoftmaxWeights _source;
    private readonly FitStates _states;
    private readonly EffectiveRows _effective;
    private readonly AddedTokens _added;
    private readonly SourceScores _scores;
    private readonly double[][] _normalisers;
    private readonly StateWeights _weights;
    private readonly double[] _counts;
    private readonly double? _addedShare;
    private readonly List<FreeGate> _gates = [];
    private double[][]? _shortlistMasses;

    /// <param name="pool">The threads.</param>
    /// <param name="map">Which token goes where.</param>
    /// <param name="source">The source's weights.</param>
    /// <param name="states">The states to fit over.</param>
    /// <param name="counts">How often each token of the target is expected, by its slot, [V].</param>
    /// <param name="splits">The source's tokens that a new token consists of, by its slot.</param>
    /// <param name="addedShare">The share of all tokens that is planned for tails of new tokens alone; null for that of their counts.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public TargetBuilder(
        WorkerPool pool, TokenMap map, SoftmaxWeights source, FitStates states, double[] counts, Func<int, IReadOnlyList<(int Slot, double Weight)>> splits, double? addedShare, CancellationToken cancellationToken)
    {
        (_pool, _map, _source, _states, _counts, _addedShare) = (pool, map, source, states, counts, addedShare);
        using (var scores = new SourceScores(source))
        {
            _normalisers = scores.Normalisers(pool, states.Hidden, states.Count, cancellationToken);
            _weights = new StateWeights(scores.HeadNormaliser(pool, states.Hidden, states.Count, cancellationToken));
        }

        _effective = new EffectiveRows(source, states, _normalisers, map.To.HasHeadBias, new double[source.Tails.Count][]);
        _added = new AddedTokens(map, _effective, states, counts, splits);
        _scores = new SourceScores(source, _added.Rows);
        Target = new SoftmaxWeights(map.To);
        KeptHeadRows = new bool[map.To.HeadRows];
        TailGroups = [.. map.To.Tails.Select(tail => _added.GroupsOf(tail.Cluster))];
        Changes = new ClusterChange[map.To.TailCount];
    }

    public SoftmaxWeights Target { get; }

    /// <summary>The head's rows that have their old bits.</summary>
    public bool[] KeptHeadRows { get; }

    /// <summary>The members of each tail.</summary>
    public IReadOnlyList<RowGroup>[] TailGroups { get; }

    /// <summary>What became of each tail.</summary>
    public ClusterChange[] Changes { get; }

    /// <summary>New tokens' rows.</summary>
    public AddedRows AddedRows => _added.Rows;

    /// <summary>The members of the shortlist.</summary>
    public IReadOnlyList<RowGroup> ShortlistGroups => _added.GroupsOf(0);

    /// <summary>The target's slot of a token that states name; −1 where it has none.</summary>
    public required Func<int, int> TargetSlotOf { get; init; }

    /// <summary>Makes all clusters, and says what was done.</summary>
    /// <param name="advance">Called after each cluster.</param>
    /// <param name="cancellationToken">Ends it between two.</param>
    public List<ClusterMigration> Build(Action advance, CancellationToken cancellationToken)
    {
        var report = new List<ClusterMigration> { BuildShortlist(cancellationToken) };
        advance();
        foreach (var tail in _map.To.Tails)
        {
            cancellationToken.ThrowIfCancellationRequested();
            report.Add(BuildTail(tail, cancellationToken));
            advance();
        }

        FitGates(report, cancellationToken);
        return report;
    }

    public void Dispose()
    {
        _scores.Dispose();
        Target.Dispose();
    }

    private ClusterMigration BuildShortlist(CancellationToken cancellationToken)
    {
        var effective = RowsOf(ShortlistGroups, ShortlistGroups.Any(group => group.Origin == RowOrigin.Tail) ? ShortlistMasses(cancellationToken) : [], cluster: null);
        var row = new double[_effective.Size];
        var (kept, added) = (0, 0);
        for (var slot = 0; slot < _map.To.ShortlistSize; slot++)
        {
            var source = _map.Sources[slot];
            if (source >= 0 && _map.From.ClusterOf(source) == 0 && CopyHeadRow(source, slot))
            {
                kept++;
                continue;
            }

            double offset;
            if (source >= 0)
            {
                offset = effective.Get(source, row);
            }
            else
            {
                added++;
                _added.Rows.Rows.Row(_added.NumberOf(slot)).CopyTo(row);
                offset = _added.Rows.Offsets[_added.NumberOf(slot)];
            }

            WriteHeadRow(slot, row, offset);
        }

        return new ClusterMigration(0, ClusterChange.Head, _map.To.ShortlistSize, kept, _map.To.ShortlistSize - kept - added, added);
    }

    private ClusterMigration BuildTail(TailCluster tail, CancellationToken cancellationToken)
    {
        var groups = TailGroups[tail.Index];
        var target = Target.Tails[tail.Index];
        var addedCount = groups.Where(group => group.Origin == RowOrigin.Added).Sum(group => group.Rows.Length);
        UniformInitializer.Fill(_pool, target.Projection, 1 / Math.Sqrt(_effective.Size), StartSeed, stream: (ulong)tail.Index);
        double? lost = null, error = null;
        var isNew = addedCount == tail.Size;
        var masses = isNew ? [] : MassesOf(groups, cancellationToken);
        var mass = isNew ? null : SourceScores.AddUp(masses);
        var copies = groups is [{ Origin: RowOrigin.Tail } whole] && _source.Tails[whole.Tail].Projection.Rows <= tail.ProjectionWidth;
        if (copies)
        {
            CopyTail(groups[0], target);
        }
        else
        {
            var factors = new TailFactors(
                _pool, _source, RowsOf(groups, masses, mass), _added.Rows, _states,
                mass is null ? _states.Whitening : _states.WhitenBy(_weights.OfCluster(mass)), groups, WeightsOf(tail));
            factors.Write(target);
            (lost, error) = (factors.LostShare, factors.LogitError);
        }

        var isWhole = copies && groups[0].Rows.Length == _source.Layout.Tails[groups[0].Tail].Size && CopyHeadRow(_source.GateOf(groups[0].Tail), Target.GateOf(tail.Index));
        if (!isWhole) StartGate(tail, groups, mass);
        Changes[tail.Index] = isWhole ? ClusterChange.Kept : copies ? ClusterChange.Reduced : isNew ? ClusterChange.Added : ClusterChange.Factored;
        var kept = copies ? tail.Size : 0;
        return new ClusterMigration(tail.Cluster, Changes[tail.Index], tail.Size, kept, tail.Size - kept - addedCount, addedCount, lost, error);
    }

    // By least squares to the log of the mass: what the fit of all gates starts from, and stays near to.
    private void StartGate(TailCluster tail, IReadOnlyList<RowGroup> groups, double[]? mass)
    {
        double[] prior = [];
        if (mass is null)
        {
            mass = new double[_states.Count];
            PlanMass(tail.Index, _states.Hidden, _states.Count, mass);
        }
        else
        {
            var largest = groups.Where(group => group.Origin == RowOrigin.Tail).MaxBy(group => group.Rows.Length);
            prior = largest is not null && 2 * largest.Rows.Length > tail.Size
                ? Array.ConvertAll(_source.Head.Weight.Row(_source.GateOf(largest.Tail)).ToArray(), value => (double)value)
                : MeanRow(tail);
        }

        var (gate, offset) = _states.FitTo(mass, prior, _map.To.HasHeadBias);
        _gates.Add(new FreeGate(tail, gate, offset, mass));
    }

    // All at once, since each loses to the others what it takes: the shares of clusters, as the rows that are there leave them.
    private void FitGates(List<ClusterMigration> report, CancellationToken cancellationToken)
    {
        if (_gates.Count == 0) return;
        var free = _gates.Select(gate => gate.Tail.Index).ToHashSet();
        int[] rows = [.. Enumerable.Range(0, _map.To.HeadRows).Where(row => row < _map.To.ShortlistSize || !free.Contains(row - _map.To.ShortlistSize))];
        var rest = new double[_states.Count];
        using (var scorer = RowScorer.OfRows(Target.Head.Weight, Target.Head.Bias, null, rows)) scorer.LogSumExp(_pool, _states.Hidden, _states.Count, rest, cancellationToken);
        var kept = TailGroups.Where((_, tail) => !free.Contains(tail)).SelectMany(groups => MassesOf(groups, cancellationToken));
        var fit = new GateFit(_pool, _states, rest, SourceScores.AddUp([.. ShortlistMasses(cancellationToken), .. kept]), [.. _gates.Select(gate => gate.Mass)], [.. _gates.Select(gate => (gate.Vector, gate.Offset))], _map.To.HasHeadBias);
        foreach (var ((tail, _, _, mass), (vector, offset)) in _gates.Zip(fit.Run(cancellationToken)))
        {
            WriteHeadRow(Target.GateOf(tail.Index), vector, offset);
            report[tail.Cluster] = report[tail.Cluster] with { GateError = _states.Residual(mass, vector, offset) };
        }
    }

    private double[][] ShortlistMasses(CancellationToken cancellationToken) => _shortlistMasses ??= MassesOf(ShortlistGroups, cancellationToken);

    private double[][] MassesOf(IReadOnlyList<RowGroup> groups, CancellationToken cancellationToken) =>
        _scores.LogMasses(_pool, groups, _states.Hidden, _states.Count, _normalisers, cancellationToken);

    // A tail's log-sum-exp is linear only nearly: it is fitted anew where its members go, over the states in which they matter.
    private EffectiveRows RowsOf(IReadOnlyList<RowGroup> groups, double[][] masses, double[]? cluster)
    {
        if (masses.Length == 0 || !groups.Any(group => group.Origin == RowOrigin.Tail)) return _effective;
        var weights = new double[]?[_source.Tails.Count];
        for (var i = 0; i < groups.Count; i++)
        {
            if (groups[i].Origin == RowOrigin.Tail) weights[groups[i].Tail] = _weights.OfMembers(masses[i], cluster);
        }

        return new EffectiveRows(_source, _states, _normalisers, _map.To.HasHeadBias, weights);
    }

    /// <summary>The log of the mass that a tail of new tokens is planned to have: such that its share of the head's is the planned one.</summary>
    public void PlanMass(int tail, ReadOnlySpan<float> hidden, int count, Span<double> masses)
    {
        using var head = new RowScorer(_source.Head.Weight, _source.Head.Bias, null, ownsRows: false);
        head.LogSumExp(_pool, hidden, count, masses);
        var share = ShareOf(_map.To.Tails[tail]);
        var odds = Math.Log(share / (1 - share));
        for (var i = 0; i < count; i++) masses[i] += odds;
    }

    // Where no gate of the source is near, the mean of the members' rows is, as far as the source has them.
    private double[] MeanRow(TailCluster tail)
    {
        var (row, mean, known) = (new double[_effective.Size], new double[_effective.Size], 0);
        for (var slot = tail.Start; slot < tail.Start + tail.Size; slot++)
        {
            if (_map.Sources[slot] < 0) continue;
            _effective.Get(_map.Sources[slot], row);
            DoubleVectors.Add(mean, 1, row);
            known++;
        }

        for (var i = 0; i < mean.Length; i++) mean[i] /= known;
        return mean;
    }

    private double ShareOf(TailCluster tail)
    {
        var share = _addedShare ?? _counts.AsSpan(tail.Start, tail.Size).ToArray().Sum() / Math.Max(_counts.Sum(), 1);
        return Math.Clamp(share, 1e-6, 0.999);
    }

    // An error in a frequent token's logit costs more often. Over made-up states the root keeps the rest from being given up.
    private double[] WeightsOf(TailCluster tail)
    {
        var weights = new double[tail.Size];
        for (var i = 0; i < weights.Length; i++) weights[i] = Math.Pow(_counts[tail.Start + i] + 1, _states.AreReal ? 1 : 0.5);
        return weights;
    }

    private void CopyTail(RowGroup group, TailLayer target)
    {
        var source = _source.Tails[group.Tail];
        for (var k = 0; k < source.Projection.Rows; k++) source.Projection.Row(k).CopyTo(target.Projection.WritableRow(k));
        for (var i = 0; i < group.Rows.Length; i++)
        {
            var row = target.Output.WritableRow(group.Places[i]);
            row.Clear();
            source.Output.Row(group.Rows[i]).CopyTo(row);
        }
    }

    // A source's bias that the target has no place for goes into the row, which then is another.
    private bool CopyHeadRow(int from, int to)
    {
        if (_source.Head.Bias is not null && Target.Head.Bias is null)
        {
            if (from >= _source.Layout.ShortlistSize)
            {
                var row = Array.ConvertAll(_source.Head.Weight.Row(from).ToArray(), value => (double)value);
                WriteHeadRow(to, row, _source.Head.Bias.Values[from]);
            }

            return false;
        }

        _source.Head.Weight.Row(from).CopyTo(Target.Head.Weight.WritableRow(to));
        if (Target.Head.Bias is not null) Target.Head.Bias.WritableValues[to] = _source.Head.Bias?.Values[from] ?? 0;
        KeptHeadRows[to] = true;
        return true;
    }

    private void WriteHeadRow(int row, double[] values, double offset)
    {
        var to = Target.Head.Weight.WritableRow(row);
        var constant = Target.Head.Bias is null ? offset : 0;
        for (var i = 0; i < to.Length; i++) to[i] = (float)(values[i] + (constant * _states.Constant[i]));
        if (Target.Head.Bias is not null) Target.Head.Bias.WritableValues[row] = (float)offset;
    }

    /// <summary>A gate that is to be fitted: what it starts from, and the log of the mass that its tail should have, [count].</summary>
    private sealed record FreeGate(TailCluster Tail, double[] Vector, double Offset, double[] Mass);
}
