namespace AdaptiveSoftmax;

/// <summary>
/// One row a token of the source in the space of its head: a shortlist token's own, and for token j of tail i
/// gate_i + O_i[j] P_i − a_i, where a_i · h fits the tail's log-sum-exp over states. Offsets stand beside the rows where a head
/// has a bias.
/// </summary>
internal sealed class EffectiveRows
{
    private readonly SoftmaxWeights _source;
    private readonly DoubleMatrix[] _bases;
    private readonly double[] _offsets;

    /// <summary>Fits the tails' normalisers.</summary>
    /// <param name="source">The source.</param>
    /// <param name="states">The states.</param>
    /// <param name="normalisers">Their log-sum-exp in each tail, [tails][count].</param>
    /// <param name="withOffsets">Whether the target has a bias, which takes up what no row can.</param>
    /// <param name="weights">How much each state counts for each tail, [tails][count]; null where all count the same.</param>
    public EffectiveRows(SoftmaxWeights source, FitStates states, double[][] normalisers, bool withOffsets, double[]?[] weights)
    {
        _source = source;
        _bases = new DoubleMatrix[source.Tails.Count];
        _offsets = new double[source.Tails.Count];
        Residuals = new double[source.Tails.Count];
        for (var i = 0; i < _bases.Length; i++)
        {
            var (projection, gate) = (source.Tails[i].Projection, source.GateOf(i));
            var basis = new DoubleMatrix(projection.Rows + 1, projection.Columns);
            for (var k = 0; k < projection.Rows; k++) Copy(projection.Row(k), basis.Row(k));

            // Near a state of zeros the log-sum-exp goes as the rows' mean, and of a single row it is that everywhere.
            var (fit, offset) = states.FitTo(normalisers[i], MeanRow(source.Tails[i].Output, basis), withOffsets, weights[i]);
            Residuals[i] = states.Residual(normalisers[i], fit, offset);
            var last = basis.Row(projection.Rows);
            Copy(source.Head.Weight.Row(gate), last);
            DoubleVectors.Add(last, -1, fit);
            _bases[i] = basis;
            _offsets[i] = (source.Head.Bias is null ? 0 : source.Head.Bias.Values[gate]) - offset;
        }
    }

    /// <summary>How far the linear fit of each tail's log-sum-exp is off, root mean square over the states.</summary>
    public double[] Residuals { get; }

    /// <summary>The hidden size.</summary>
    public int Size => _source.Layout.HiddenSize;

    /// <summary>The projection of a tail, and below it the row that its tokens share, [width + 1, hidden].</summary>
    public DoubleMatrix Basis(int tail) => _bases[tail];

    /// <summary>What is added to the scores of a tail's tokens.</summary>
    public double TailOffset(int tail) => _offsets[tail];

    /// <summary>The row of a slot of the source, and what is added to its score.</summary>
    public double Get(int slot, Span<double> row)
    {
        var cluster = _source.Layout.ClusterOf(slot);
        if (cluster == 0)
        {
            Copy(_source.Head.Weight.Row(slot), row);
            return _source.Head.Bias is null ? 0 : _source.Head.Bias.Values[slot];
        }

        var basis = _bases[cluster - 1];
        var output = _source.Tails[cluster - 1].Output.Row(slot - _source.Layout.Tails[cluster - 1].Start);
        basis.Row(basis.Rows - 1).CopyTo(row);
        for (var k = 0; k < output.Length; k++) DoubleVectors.Add(row, output[k], basis.Row(k));
        return _offsets[cluster - 1];
    }

    private static double[] MeanRow(Parameter output, DoubleMatrix basis)
    {
        var (coordinates, mean) = (new double[output.Columns], new double[basis.Columns]);
        for (var j = 0; j < output.Rows; j++) DoubleVectors.Add(coordinates, 1.0 / output.Rows, output.Row(j));
        for (var k = 0; k < coordinates.Length; k++) DoubleVectors.Add(mean, coordinates[k], basis.Row(k));
        return mean;
    }

    private static void Copy(ReadOnlySpan<float> from, Span<double> to)
    {
        for (var i = 0; i < from.Length; i++) to[i] = from[i];
    }
}
