using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

/// <summary>Batches in which a cluster has few targets, which is where vectors are taken one by one, and just more.</summary>
public class FewTokensTests
{
    // Several parts of rows in the second tail, in products of one vector and in those of lanes alike.
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(24, 6000, [50, 300], [9, 18], hasHeadBias: true);

    // Targets in the head, the first tail and the second one.
    public static TheoryData<int, int, int> Counts =>
        new() { { 0, 0, 1 }, { 1, 0, 0 }, { 0, 1, 1 }, { 1, 2, 0 }, { 0, 0, 4 }, { 0, 0, 5 }, { 30, 4, 1 }, { 40, 3, 4 }, { 3, 40, 2 }, { 300, 5, 3 }, { 0, 33, 0 } };

    [Theory]
    [MemberData(nameof(Counts))]
    public void LossAndGradients_AgreeWithTheDefinitionInDoublePrecision(int head, int first, int second)
    {
        foreach (var smoothing in (ReadOnlySpan<float>)[0, 0.25f])
        {
            // A smoothed target reaches every row of every tail, which takes the reference long.
            if (smoothing > 0 && head > 5) continue;
            var options = new LossOptions { LabelSmoothing = smoothing };
            using var layer = new DynamicAdaptiveSoftmax(s_layout, seed: 3);
            var (hidden, targets) = Batch(head, first, second);
            var gradient = new float[hidden.Length];
            var loss = layer.Backward(hidden, targets, gradient, options);
            var expected = new ReferenceSoftmax(layer).Gradients([.. hidden.Select(value => (double)value)], targets, options);

            Assert.Equal(expected.Loss, loss, 1e-5 * (1 + expected.Loss));
            AssertClose(expected.Hidden, gradient);
            foreach (var parameter in layer.Parameters)
                AssertClose(expected.Weights[parameter.Name], parameter.HasGradient ? parameter.Gradient.ToArray() : new float[expected.Weights[parameter.Name].Length]);
        }
    }

    [Theory]
    [MemberData(nameof(Counts))]
    public void LossAndGradients_HaveTheSameBits_WithAnyThreadsAndInAnyBlocks(int head, int first, int second)
    {
        var expected = Bits(head, first, second, threads: 1, scratchBytes: 64 << 20);
        foreach (var threads in (ReadOnlySpan<int>)[2, 3, 7]) Assert.Equal(expected, Bits(head, first, second, threads, scratchBytes: 64 << 20));
        Assert.Equal(expected, Bits(head, first, second, threads: 2, scratchBytes: 0));
    }

    private static float[] Bits(int head, int first, int second, int threads, long scratchBytes)
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout, seed: 3, new AdaptiveSoftmaxOptions { Threads = threads, ScratchBytes = scratchBytes });
        var (hidden, targets) = Batch(head, first, second);
        var gradient = new float[hidden.Length];
        // Twice: gradients that are written, and those that are added to.
        List<float> bits = [layer.Backward(hidden, targets, gradient), layer.Backward(hidden, targets, gradient), .. gradient];
        foreach (var parameter in layer.Parameters.Where(parameter => parameter.HasGradient)) bits.AddRange(parameter.Gradient);
        return [.. bits];
    }

    private static (float[] Hidden, int[] Targets) Batch(int head, int first, int second)
    {
        var random = new Random(head + (1000 * first) + second);
        int[] targets =
        [
            .. Enumerable.Range(0, head).Select(_ => random.Next(50)),
            .. Enumerable.Range(0, first).Select(_ => random.Next(50, 300)),
            .. Enumerable.Range(0, second).Select(_ => random.Next(300, 6000)),
        ];
        random.Shuffle(targets);
        return ([.. Enumerable.Range(0, targets.Length * s_layout.HiddenSize).Select(_ => (float)((random.NextDouble() * 4) - 2))], targets);
    }

    private static void AssertClose(double[] expected, float[] actual)
    {
        var scale = Math.Max(1e-3, expected.Max(Math.Abs));
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 2e-5 * scale);
    }
}
