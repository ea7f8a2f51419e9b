namespace AdaptiveSoftmax;

/// <summary>
/// What the source says of each cluster of the target: the log of the mass that its members have together, in the scale of the
/// source's head. Members of a tail have their exact log-prob in it, so that nothing is lost before gates are fitted.
/// </summary>
internal sealed class SourceScores : IDisposable
{
    private readonly SoftmaxWeights _source;
    private readonly RowScorer[] _tails;
    private readonly Dictionary<RowGroup, RowScorer> _groups = [];
    private readonly AddedRows? _added;

    public SourceScores(SoftmaxWeights source, AddedRows? added = null)
    {
        _source = source;
        _added = added;
        _tails = [.. source.Tails.Select(tail => new RowScorer(tail.Output, null, tail.Projection, ownsRows: false))];
    }

    /// <summary>The log-sum-exp of each of the source's tails, [tails][count].</summary>
    public double[][] Normalisers(WorkerPool pool, ReadOnlySpan<float> hidden, int count, CancellationToken cancellationToken)
    {
        var results = new double[_tails.Length][];
        for (var i = 0; i < results.Length; i++)
        {
            results[i] = new double[count];
            _tails[i].LogSumExp(pool, hidden, count, results[i], cancellationToken);
        }

        return results;
    }

    /// <summary>The log-sum-exp of the source's head, [count].</summary>
    public double[] HeadNormaliser(WorkerPool pool, ReadOnlySpan<float> hidden, int count, CancellationToken cancellationToken)
    {
        var result = new double[count];
        using var head = new RowScorer(_source.Head.Weight, _source.Head.Bias, null, ownsRows: false);
        head.LogSumExp(pool, hidden, count, result, cancellationToken);
        return result;
    }

    /// <summary>The log mass of each group of a cluster's members for each state, [groups][count].</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="groups">The cluster's members.</param>
    /// <param name="hidden">The states, [count, hidden].</param>
    /// <param name="count">How many.</param>
    /// <param name="normalisers">What <see cref="Normalisers"/> gave for these states.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public double[][] LogMasses(WorkerPool pool, IReadOnlyList<RowGroup> groups, ReadOnlySpan<float> hidden, int count, double[][] normalisers, CancellationToken cancellationToken)
    {
        var size = _source.Layout.HiddenSize;
        var masses = new double[groups.Count][];
        for (var g = 0; g < masses.Length; g++)
        {
            var (group, mass) = (groups[g], masses[g] = new double[count]);
            // A whole tail has the mass that its gate says.
            if (group.Origin == RowOrigin.Tail && group.Rows.Length == _source.Layout.Tails[group.Tail].Size) normalisers[group.Tail].CopyTo(mass, 0);
            else Scorer(group).LogSumExp(pool, hidden, count, mass, cancellationToken);
            for (var i = 0; i < count && group.Origin == RowOrigin.Tail; i++)
                mass[i] += Gate(group.Tail, hidden.Slice(i * size, size)) - normalisers[group.Tail][i];
        }

        return masses;
    }

    /// <summary>The log of the mass that groups have together, [count].</summary>
    public static double[] AddUp(double[][] masses)
    {
        var total = (double[])masses[0].Clone();
        foreach (var mass in masses.Skip(1))
        {
            for (var i = 0; i < total.Length; i++) total[i] = DoubleVectors.AddLogs(total[i], mass[i]);
        }

        return total;
    }

    /// <summary>The score of a tail's gate, bias included.</summary>
    public double Gate(int tail, ReadOnlySpan<float> state)
    {
        var row = _source.GateOf(tail);
        var sum = _source.Head.Bias is null ? 0 : (double)_source.Head.Bias.Values[row];
        var gate = _source.Head.Weight.Row(row);
        for (var i = 0; i < gate.Length; i++) sum += (double)gate[i] * state[i];
        return sum;
    }

    /// <summary>What scores the rows of a group.</summary>
    public RowScorer Scorer(RowGroup group)
    {
        if (_groups.TryGetValue(group, out var scorer)) return scorer;
        scorer = group.Origin switch
        {
            RowOrigin.Head => RowScorer.OfRows(_source.Head.Weight, _source.Head.Bias, null, group.Rows),
            RowOrigin.Tail => RowScorer.OfRows(_source.Tails[group.Tail].Output, null, _source.Tails[group.Tail].Projection, group.Rows),
            _ => _added!.CreateScorer(group.Rows),
        };
        _groups.Add(group, scorer);
        return scorer;
    }

    public void Dispose()
    {
        foreach (var scorer in _groups.Values) scorer.Dispose();
    }
}
