using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>A layer whose head, 64 MiB in float32, is read from memory at each token. Its weights are random.</summary>
internal sealed class LargeHead : IDisposable
{
    private const int Shortlist = 32_000;
    private const int HiddenSize = 512;

    // Together these make the best logit 17 and the others' deviation 1.7: the range of a trained model.
    private const double Lean = 30;
    private const double Noise = 60;

    public DynamicAdaptiveSoftmax Softmax { get; } = new(SoftmaxLayout.Create(HiddenSize, 200_000, [Shortlist, 80_000]));

    /// <summary>Hidden vectors that lean towards a row of the head.</summary>
    public List<float[]> CreateStates(int count)
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, count).Select(_ => CreateState(random))];
    }

    public void Dispose() => Softmax.Dispose();

    private float[] CreateState(Random random)
    {
        var row = Softmax.Parameters[0].Row(random.Next(Shortlist)).ToArray();
        var rowNorm = Math.Sqrt(row.Sum(value => (double)value * value));

        // Uniform values in ±√3 have the deviation 1.
        return [.. row.Select(value => (float)((value * Lean / rowNorm) + (((2 * random.NextDouble()) - 1) * Math.Sqrt(3) * Noise / Math.Sqrt(HiddenSize))))];
    }
}
