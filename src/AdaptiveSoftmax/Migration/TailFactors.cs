namespace AdaptiveSoftmax;

/// <summary>
/// Rows of a tail, less their mean, as output times projection: the truncated factorisation with the least expected squared
/// error of logits over the states, by the eigenvectors of the rows' second moment in whitened coordinates.
/// </summary>
internal sealed class TailFactors
{
    // Past this share of the largest eigenvalue there is only rounding.
    private const double SmallestEigenvalue = 1e-13;
    private const int RowsPerBlock = 512;

    private readonly WorkerPool _pool;
    private readonly EffectiveRows _effective;
    private readonly AddedRows _added;
    private readonly SoftmaxWeights _source;
    private readonly FitStates _states;
    private readonly Cholesky _whitening;
    private readonly IReadOnlyList<RowGroup> _groups;
    private readonly double[] _weights;
    private readonly double[] _mean;
    private readonly double _offset;

    /// <param name="pool">The threads.</param>
    /// <param name="source">The source.</param>
    /// <param name="effective">Its rows.</param>
    /// <param name="added">New tokens' rows.</param>
    /// <param name="states">The states.</param>
    /// <param name="whitening">The second moment of the states, factored.</param>
    /// <param name="groups">The tail's members.</param>
    /// <param name="weights">How much each member's error counts, by its place, [n].</param>
    public TailFactors(WorkerPool pool, SoftmaxWeights source, EffectiveRows effective, AddedRows added, FitStates states, Cholesky whitening, IReadOnlyList<RowGroup> groups, double[] weights)
    {
        (_pool, _source, _effective, _added, _states, _whitening, _groups, _weights) = (pool, source, effective, added, states, whitening, groups, weights);
        var total = weights.Sum();
        foreach (var group in groups)
        {
            for (var i = 0; i < group.Rows.Length; i++) _offset += weights[group.Places[i]] / total * OffsetOf(group, i);
        }

        _mean = new double[effective.Size];
        foreach (var group in groups)
        {
            var basis = BasisOf(group);
            var coordinates = new double[basis?.Rows ?? effective.Size];
            var sum = new double[coordinates.Length];
            for (var i = 0; i < group.Rows.Length; i++)
            {
                FillCoordinates(group, i, coordinates);
                DoubleVectors.Add(sum, weights[group.Places[i]] / total, coordinates);
            }

            if (basis is null) DoubleVectors.Add(_mean, 1, sum);
            else for (var k = 0; k < sum.Length; k++) DoubleVectors.Add(_mean, sum[k], basis.Row(k));
        }
    }

    /// <summary>The share of the squared logits, rows' mean excepted, that the width does not hold.</summary>
    public double LostShare { get; private set; }

    /// <summary>The root mean square error of a logit, over states and tokens.</summary>
    public double LogitError { get; private set; }

    /// <summary>Writes the factors into a tail whose projection has been filled with starting values.</summary>
    public void Write(TailLayer target)
    {
        var (width, size) = (target.Projection.Rows, _effective.Size);
        DoubleMatrix factor;
        var used = Math.Min(width, size);
        if (width >= size)
        {
            factor = DoubleMatrix.Identity(size);
            for (var k = 0; k < size; k++)
            {
                var row = target.Projection.WritableRow(k);
                row.Clear();
                row[k] = 1;
            }
        }
        else
        {
            factor = Truncate(target.Projection, ref used);
        }

        WriteOutputs(target.Output, factor, used);
    }

    private DoubleMatrix Truncate(Parameter projection, ref int used)
    {
        var moment = Moment();
        moment = DoubleProducts.MultiplyTransposed(_pool, _whitening.Factor, DoubleProducts.Multiply(_pool, moment, _whitening.Factor));
        for (var i = 0; i < moment.Rows; i++)
        {
            for (var j = 0; j < i; j++) moment[i, j] = moment[j, i] = (moment[i, j] + moment[j, i]) / 2;
        }

        var eigen = SymmetricEigen.Decompose(_pool, moment);
        var total = eigen.Values.Sum(value => Math.Max(value, 0));
        var lost = eigen.Values.Skip(used).Sum(value => Math.Max(value, 0));
        LostShare = total > 0 ? lost / total : 0;
        LogitError = Math.Sqrt(lost / _weights.Sum());
        var most = used;
        used = eigen.Values.Take(most).Count(value => value > SmallestEigenvalue * Math.Max(eigen.Values[0], 0));
        var vectors = new DoubleMatrix(used, moment.Rows);
        for (var k = 0; k < used; k++) eigen.Vectors.Row(k).CopyTo(vectors.Row(k));
        var transposed = vectors.Transpose();
        var factor = DoubleProducts.Multiply(_pool, _whitening.Factor, transposed);
        for (var k = 0; k < used; k++)
        {
            var vector = vectors.Row(k);
            _whitening.SolveTransposed(vector);
            Copy(vector, projection.WritableRow(k));
        }

        return factor;
    }

    // Σ weight · (row − mean)(row − mean)ᵀ, of a tail's rows in the coordinates of its projection.
    private DoubleMatrix Moment()
    {
        var moment = new DoubleMatrix(_effective.Size, _effective.Size);
        foreach (var group in _groups)
        {
            var basis = BasisOf(group);
            var gram = basis is null ? moment : new DoubleMatrix(basis.Rows, basis.Rows);
            DoubleProducts.AddGram(_pool, gram, group.Rows.Length, (i, row) =>
            {
                FillCoordinates(group, i, row);
                return _weights[group.Places[i]];
            });
            if (basis is null) continue;
            var wide = DoubleProducts.MultiplyTransposed(_pool, basis, DoubleProducts.Multiply(_pool, gram, basis));
            DoubleVectors.Add(moment.Values, 1, wide.Values);
        }

        moment.AddOuter(-_weights.Sum(), _mean, _mean);
        return moment;
    }

    private void WriteOutputs(Parameter output, DoubleMatrix factor, int used)
    {
        var mean = new double[used];
        for (var j = 0; j < _mean.Length; j++) DoubleVectors.Add(mean, _mean[j], factor.Row(j)[..used]);
        foreach (var group in _groups)
        {
            var basis = BasisOf(group);
            var product = basis is null ? factor : DoubleProducts.Multiply(_pool, basis, factor);
            for (var first = 0; first < group.Rows.Length; first += RowsPerBlock)
            {
                var block = new DoubleMatrix(Math.Min(RowsPerBlock, group.Rows.Length - first), product.Rows);
                for (var i = 0; i < block.Rows; i++) FillCoordinates(group, first + i, block.Row(i));
                var rows = DoubleProducts.Multiply(_pool, block, product);
                for (var i = 0; i < block.Rows; i++)
                {
                    var from = rows.Row(i)[..used];
                    var to = output.WritableRow(group.Places[first + i]);
                    DoubleVectors.Add(from, -1, mean);
                    to.Clear();
                    Copy(from, to);
                }
            }
        }
    }

    // Of a tail, its basis with the offset's difference from the mean in the row that all its tokens share.
    private DoubleMatrix? BasisOf(RowGroup group)
    {
        if (group.Origin != RowOrigin.Tail) return null;
        var basis = _effective.Basis(group.Tail);
        var own = new DoubleMatrix(basis.Rows, basis.Columns);
        basis.Values.CopyTo(own.Values, 0);
        DoubleVectors.Add(own.Row(own.Rows - 1), _effective.TailOffset(group.Tail) - _offset, _states.Constant);
        return own;
    }

    private void FillCoordinates(RowGroup group, int i, Span<double> coordinates)
    {
        if (group.Origin == RowOrigin.Tail)
        {
            var output = _source.Tails[group.Tail].Output.Row(group.Rows[i]);
            for (var k = 0; k < output.Length; k++) coordinates[k] = output[k];
            coordinates[output.Length] = 1;
            return;
        }

        if (group.Origin == RowOrigin.Head) _effective.Get(group.Rows[i], coordinates);
        else _added.Rows.Row(group.Rows[i]).CopyTo(coordinates);
        DoubleVectors.Add(coordinates, OffsetOf(group, i) - _offset, _states.Constant);
    }

    private double OffsetOf(RowGroup group, int i) => group.Origin switch
    {
        RowOrigin.Head => _source.Head.Bias is null ? 0 : _source.Head.Bias.Values[group.Rows[i]],
        RowOrigin.Tail => _effective.TailOffset(group.Tail),
        _ => _added.Offsets[group.Rows[i]],
    };

    private static void Copy(ReadOnlySpan<double> from, Span<float> to)
    {
        for (var i = 0; i < from.Length; i++) to[i] = (float)from[i];
    }
}
