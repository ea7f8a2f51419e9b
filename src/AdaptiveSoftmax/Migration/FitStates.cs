namespace AdaptiveSoftmax;

/// <summary>The states that rows and gates are fitted over, in memory, and their second moment.</summary>
internal sealed class FitStates
{
    /// <summary>The share of the mean second moment that keeps unseen directions out of fits.</summary>
    public const double FitRidge = 1e-3;

    private const double WhiteningRidge = 1e-4;

    private readonly WorkerPool _pool;
    private readonly Cholesky _fit;
    private Cholesky? _centredFit;

    private FitStates(WorkerPool pool, float[] hidden, int size, bool areReal)
    {
        _pool = pool;
        Hidden = hidden;
        Size = size;
        AreReal = areReal;
        Count = hidden.Length / size;
        Moment = WeightedMoment([.. Enumerable.Repeat(1.0 / Count, Count)]);
        _fit = Cholesky.OfRidge(Moment, FitRidge);
        Whitening = areReal ? Cholesky.OfRidge(Moment, WhiteningRidge) : null;
        Mean = new double[size];
        for (var i = 0; i < Count; i++) DoubleVectors.Add(Mean, 1.0 / Count, hidden.AsSpan(i * size, size));
        Constant = FitTo([.. Enumerable.Repeat(1.0, Count)], default, withOffset: false).Vector;
    }

    /// <summary>The hidden vectors, [count, hidden].</summary>
    public float[] Hidden { get; }

    public int Count { get; }

    public int Size { get; }

    /// <summary>Whether they are a model's, and not made up.</summary>
    public bool AreReal { get; }

    /// <summary>The mean of hidden · hiddenᵀ.</summary>
    public DoubleMatrix Moment { get; }

    /// <summary>The mean vector.</summary>
    public double[] Mean { get; }

    /// <summary>The direction whose product with every state is nearest to 1: a bias as a row.</summary>
    public double[] Constant { get; }

    /// <summary>The second moment as whitening takes it; null for the identity.</summary>
    public Cholesky? Whitening { get; }

    /// <summary>Takes states of a file, evenly spread over it.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="file">The file.</param>
    /// <param name="most">How many at most.</param>
    /// <param name="isLeftOut">States that are kept to judge by, by their number; null for none.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static FitStates Read(WorkerPool pool, StatesFile file, int most, Func<long, bool>? isLeftOut, CancellationToken cancellationToken)
    {
        var rows = SelectRows(file.Count, most, isLeftOut);
        var hidden = new float[(long)rows.Count * file.HiddenSize];
        var block = new StatesBlock();
        const int Rows = 256;
        for (var at = 0; at < rows.Count;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            file.Read(rows[at], (int)Math.Min(Rows, file.Count - rows[at]), block);
            for (; at < rows.Count && rows[at] < block.Start + block.Count; at++)
                block.Hidden.Slice((int)(rows[at] - block.Start) * file.HiddenSize, file.HiddenSize).CopyTo(hidden.AsSpan(at * file.HiddenSize));
        }

        return new FitStates(pool, hidden, file.HiddenSize, areReal: true);
    }

    /// <summary>
    /// States where there are none. The mean state is nearly the one whose logits are the logarithms of the tokens' shares, which the
    /// rows of the head tell; the others lie around it, as far away as it is long.
    /// </summary>
    /// <param name="pool">The threads.</param>
    /// <param name="source">The source.</param>
    /// <param name="logShares">The logarithm of the share of each row of its head, tails included, [head rows].</param>
    /// <param name="most">How many states at most.</param>
    public static FitStates Invent(WorkerPool pool, SoftmaxWeights source, double[] logShares, int most)
    {
        const ulong Seed = 0x57A7E5;
        var size = source.Layout.HiddenSize;
        var mean = FindMeanState(pool, source, logShares);
        var spread = Math.Sqrt(DoubleVectors.Dot(mean, mean) / size);
        var count = Math.Min(most, Math.Max(4 * size, 64));
        var hidden = new float[(long)count * size];
        var start = CountedRandom.Start(Seed, stream: 0);
        for (var i = 0; i < hidden.Length; i++)
        {
            // Four uniform numbers add up to a nearly normal one.
            var sum = 0.0;
            for (var k = 0UL; k < 4; k++) sum += CountedRandom.Unit(start, (4 * (ulong)i) + k);
            hidden[i] = (float)(mean[i % size] + (spread * Math.Sqrt(3) * (sum - 2)));
        }

        return new FitStates(pool, hidden, size, areReal: false);
    }

    // Logits are known but for a common number, so rows and shares are compared less their means.
    private static double[] FindMeanState(WorkerPool pool, SoftmaxWeights source, double[] logShares)
    {
        var (rows, size) = (source.Head.Weight.Rows, source.Layout.HiddenSize);
        var (meanRow, right) = (new double[size], new double[size]);
        for (var row = 0; row < rows; row++) DoubleVectors.Add(meanRow, 1.0 / rows, source.Head.Weight.Row(row));
        var meanShare = logShares.Average();
        var gram = new DoubleMatrix(size, size);
        DoubleProducts.AddGram(pool, gram, rows, (index, row) =>
        {
            var from = source.Head.Weight.Row(index);
            for (var j = 0; j < size; j++) row[j] = from[j] - meanRow[j];
            return 1.0 / rows;
        });
        for (var row = 0; row < rows; row++)
        {
            var value = (logShares[row] - meanShare - (source.Head.Bias?.Values[row] ?? 0)) / rows;
            DoubleVectors.Add(right, value, source.Head.Weight.Row(row));
            DoubleVectors.Add(right, -value, meanRow);
        }

        Cholesky.OfRidge(gram, FitRidge).Solve(right);
        return right;
    }

    /// <summary>The vector whose product with each state, plus an offset, is nearest to a value of that state's, by least squares.</summary>
    /// <param name="values">The values, [count].</param>
    /// <param name="prior">The vector to stay near to, which takes the place of zero in the ridge; empty for zero.</param>
    /// <param name="withOffset">Whether there may be an offset; 0 otherwise.</param>
    /// <param name="weights">How much each state counts, with the sum 1, [count]; empty for all the same.</param>
    public (double[] Vector, double Offset) FitTo(ReadOnlySpan<double> values, ReadOnlySpan<double> prior, bool withOffset, double[]? weights = null)
    {
        var (right, centre) = (new double[Size], new double[Size]);
        var mean = 0.0;
        for (var i = 0; i < Count; i++)
        {
            var state = Hidden.AsSpan(i * Size, Size);
            var weight = weights is null ? 1.0 / Count : weights[i];
            var value = weight * (values[i] - (prior.IsEmpty ? 0 : DoubleVectors.Dot(prior, state)));
            mean += value;
            DoubleVectors.Add(right, value, state);
            if (weights is not null) DoubleVectors.Add(centre, weight, state);
        }

        if (weights is null) Mean.CopyTo(centre, 0);

        // Of centred states and values, the fit needs no offset.
        if (withOffset) DoubleVectors.Add(right, -mean, centre);
        Factor(withOffset, weights, centre).Solve(right);
        var offset = withOffset ? mean - DoubleVectors.Dot(right, centre) : 0;
        if (!prior.IsEmpty) DoubleVectors.Add(right, 1, prior);
        return (right, offset);
    }

    /// <summary>The second moment as whitening takes it, of states that count differently.</summary>
    /// <param name="weights">How much each counts, with the sum 1, [count].</param>
    public Cholesky WhitenBy(double[] weights) => Cholesky.OfRidge(WeightedMoment(weights), WhiteningRidge);

    /// <summary>The root mean square of what a vector leaves of values.</summary>
    public double Residual(ReadOnlySpan<double> values, ReadOnlySpan<double> vector, double offset)
    {
        var sum = 0.0;
        for (var i = 0; i < Count; i++)
        {
            var error = values[i] - offset - DoubleVectors.Dot(vector, Hidden.AsSpan(i * Size, Size));
            sum += error * error;
        }

        return Math.Sqrt(sum / Count);
    }

    private Cholesky Factor(bool isCentred, double[]? weights, double[] centre)
    {
        if (weights is null) return isCentred ? _centredFit ??= Cholesky.OfRidge(Centre(Moment, centre), FitRidge) : _fit;
        var moment = WeightedMoment(weights);
        return Cholesky.OfRidge(isCentred ? Centre(moment, centre) : moment, FitRidge);
    }

    private DoubleMatrix WeightedMoment(double[] weights)
    {
        var moment = new DoubleMatrix(Size, Size);
        DoubleProducts.AddGram(_pool, moment, Count, (index, row) =>
        {
            for (var j = 0; j < Size; j++) row[j] = Hidden[((long)index * Size) + j];
            return weights[index];
        });
        return moment;
    }

    private static DoubleMatrix Centre(DoubleMatrix moment, double[] centre)
    {
        var centred = new DoubleMatrix(moment.Rows, moment.Columns);
        moment.Values.CopyTo(centred.Values, 0);
        centred.AddOuter(-1, centre, centre);
        return centred;
    }

    private static List<long> SelectRows(long count, int most, Func<long, bool>? isLeftOut)
    {
        var kept = new List<long>();
        var taken = Math.Min(count, most);
        for (var i = 0L; i < taken; i++)
        {
            var row = (long)((Int128)i * count / taken);
            if (isLeftOut is null || !isLeftOut(row)) kept.Add(row);
        }

        return kept;
    }
}
