using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>Training steps over the same stretch of real text, and the operations of their products.</summary>
internal sealed class TrainingStep : IDisposable
{
    private const int BatchSize = 256;
    private const int Batches = 8;

    private readonly DynamicAdaptiveSoftmax _layer;
    private readonly Adagrad _optimizer = new(learningRate: 0.05);
    private readonly float[] _hidden;
    private readonly float[] _hiddenGradient;
    private readonly int[][] _targets;

    public TrainingStep(SoftmaxLayout layout, int[] slots)
    {
        _layer = new DynamicAdaptiveSoftmax(layout);
        _hidden = new float[BatchSize * layout.HiddenSize];
        _hiddenGradient = new float[_hidden.Length];
        var random = new Random(1);
        for (var i = 0; i < _hidden.Length; i++) _hidden[i] = (float)((2 * random.NextDouble()) - 1);
        _targets = [.. Enumerable.Range(0, Batches).Select(batch => slots[(batch * BatchSize)..((batch + 1) * BatchSize)])];
        Operations = _targets.Sum(targets => targets.Length * Cost(layout.HeadRows, layout.HiddenSize) + targets.Sum(slot => TailCost(layout, layout.ClusterOf(slot))));
    }

    /// <summary>
    /// The multiplications and additions of a round's products: each weight takes two a token forward, two for its own
    /// gradient and two for that of its input. Padding of blocks, exponentials and the optimizer are not counted.
    /// </summary>
    public long Operations { get; }

    public long Propagate()
    {
        foreach (var targets in _targets)
        {
            foreach (var parameter in _layer.Parameters) parameter.ZeroGradient();
            _layer.Backward(_hidden, targets, _hiddenGradient);
        }

        return BitConverter.SingleToInt32Bits(_hiddenGradient[0]);
    }

    public long PropagateAndUpdate()
    {
        foreach (var targets in _targets)
        {
            _layer.Backward(_hidden, targets, _hiddenGradient);
            _optimizer.Step(_layer.Parameters);
        }

        return BitConverter.SingleToInt32Bits(_hiddenGradient[0]);
    }

    public void Dispose()
    {
        _optimizer.Dispose();
        _layer.Dispose();
    }

    private static long Cost(long rows, int columns) => 6 * rows * columns;

    private static long TailCost(SoftmaxLayout layout, int cluster)
    {
        if (cluster == 0) return 0;
        var tail = layout.Tails[cluster - 1];
        return Cost(tail.Size, tail.ProjectionWidth) + Cost(tail.ProjectionWidth, layout.HiddenSize);
    }
}
