namespace AdaptiveSoftmax;

/// <summary>The states that rows and gates are fitted over, in memory, and their second moment.</summary>
internal sealed unsafe class FitStates
{
    /// <summary>The share of the mean second moment that keeps unseen directions out of fits.</summary>
    public const double FitRidge = 1e-3;

    private const double WhiteningRidge = 1e-4;
    private const int StatesPerTile = 256;

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
        Whitening = Cholesky.OfRidge(Moment, WhiteningRidge);
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

    /// <summary>The second moment as whitening takes it.</summary>
    public Cholesky Whitening { get; }

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

    /// <summary>States where there are none, as rows and counts tell of them.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="source">The source.</param>
    /// <param name="counts">How often each of its tokens was seen, by slot.</param>
    /// <param name="most">How many states at most.</param>
    public static FitStates Invent(WorkerPool pool, SoftmaxWeights source, double[] counts, int most) =>
        new(pool, InventedStates.Draw(pool, source, counts, most), source.Layout.HiddenSize, areReal: false);

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
        (weights is null ? Factor(withOffset) : Factor(withOffset, weights, centre)).Solve(right);
        var offset = withOffset ? mean - DoubleVectors.Dot(right, centre) : 0;
        if (!prior.IsEmpty) DoubleVectors.Add(right, 1, prior);
        return (right, offset);
    }

    /// <summary>The product of a vector with each state.</summary>
    /// <param name="vector">The vector, [hidden].</param>
    /// <param name="results">Receives them, [count].</param>
    public void Multiply(ReadOnlySpan<double> vector, Span<double> results)
    {
        fixed (double* left = vector, products = results)
        fixed (float* hidden = Hidden)
        {
            var body = new ProductsBody { Hidden = hidden, Vector = left, Results = products, Count = Count, Size = Size };
            _pool.Run(ref body, Tiles);
        }
    }

    /// <summary>Adds Σ factor · state to a vector.</summary>
    /// <param name="factors">A factor of each state, [count].</param>
    /// <param name="result">What it is added to, [hidden].</param>
    public void AddUp(ReadOnlySpan<double> factors, Span<double> result)
    {
        var sums = new DoubleMatrix(Tiles, Size);
        fixed (double* left = factors, partial = sums.Values)
        fixed (float* hidden = Hidden)
        {
            var body = new SumsBody { Hidden = hidden, Factors = left, Results = partial, Count = Count, Size = Size };
            _pool.Run(ref body, Tiles);
        }

        for (var tile = 0; tile < sums.Rows; tile++) DoubleVectors.Add(result, 1, sums.Row(tile));
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

    /// <summary>The second moment as fits take it, about the mean or about zero.</summary>
    public Cholesky Factor(bool isCentred) => isCentred ? _centredFit ??= Cholesky.OfRidge(Centre(Moment, Mean), FitRidge) : _fit;

    private Cholesky Factor(bool isCentred, double[] weights, double[] centre)
    {
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

    private int Tiles => (Count + StatesPerTile - 1) / StatesPerTile;

    private struct ProductsBody : IParallelBody
    {
        public float* Hidden;
        public double* Vector, Results;
        public int Count, Size;

        public readonly void Run(int tile)
        {
            for (var i = tile * StatesPerTile; i < Math.Min(Count, (tile + 1) * StatesPerTile); i++)
                Results[i] = DoubleVectors.Dot(new ReadOnlySpan<double>(Vector, Size), new ReadOnlySpan<float>(Hidden + ((long)i * Size), Size));
        }
    }

    private struct SumsBody : IParallelBody
    {
        public float* Hidden;
        public double* Factors, Results;
        public int Count, Size;

        public readonly void Run(int tile)
        {
            var sum = new Span<double>(Results + ((long)tile * Size), Size);
            for (var i = tile * StatesPerTile; i < Math.Min(Count, (tile + 1) * StatesPerTile); i++)
                DoubleVectors.Add(sum, Factors[i], new ReadOnlySpan<float>(Hidden + ((long)i * Size), Size));
        }
    }
}
