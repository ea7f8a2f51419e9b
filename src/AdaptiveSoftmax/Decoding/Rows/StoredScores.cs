namespace AdaptiveSoftmax;

/// <summary>The scores of a cluster in memory.</summary>
internal sealed unsafe class StoredScores : IClusterScores
{
    private int _count;
    private int _firstSlot;
    private float _best;
    private float _inverse;
    private double _mass;
    private double[] _blocks = [];

    /// <summary>The scores, [count].</summary>
    public float* Values { get; private set; }

    /// <summary>Says where they are, until it is said anew.</summary>
    public StoredScores Set(float* values, int count, int firstSlot)
    {
        Values = values;
        (_count, _firstSlot) = (count, firstSlot);
        return this;
    }

    public double Mass(float inverse, out float best)
    {
        best = _best = SoftmaxKernel.Maximum(Values, _count);
        (_inverse, _mass) = (inverse, 0);
        if (best == float.NegativeInfinity) return 0;

        // Relative to the cluster's own best score, which keeps the sum from underflowing.
        var blocks = TemperedMass.BlockCount(_count);
        if (_blocks.Length < blocks) _blocks = new double[blocks];
        fixed (double* sums = _blocks) _mass = TemperedMass.Sum(Values, _count, best, inverse, sums);
        return _mass;
    }

    public (int Row, float Score) Draw(double uniform)
    {
        fixed (double* sums = _blocks)
        {
            var row = TemperedMass.Find(Values, _count, _best, _inverse, sums, uniform * _mass);
            return (row, Values[row]);
        }
    }

    public void AddTo(TopList top) => top.AddRange(Values, _count, _firstSlot);

    public void AddTo(MassHistogram masses, float reference, float limit) => masses.Add(Values, _count, reference, limit);

    public bool TryCollect(NucleusChooser nucleus, float limit)
    {
        nucleus.Collect(Values, _count, _firstSlot);
        return true;
    }
}
