using AdaptiveSoftmax.Testing;
using AdaptiveSoftmax.Tests;
using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Layers;

/// <summary>
/// Tails that share their launches: every way in which tokens can lie in them. The loss against float64, the gradients
/// against the CPU's layer.
/// </summary>
public abstract class GroupedTailTests
{
    // More tails than one launch takes, widths that differ widely and are no multiples of 8, sizes that are none of a tile,
    // a tail of one token, and tails larger than the head.
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(140, 3400, [129, 130, 400, 401, 1500, 1700], [131, 1, 40, 8, 3, 22], hasHeadBias: true);

    private protected abstract Accelerator Accelerator { get; }

    private protected virtual SoftmaxLayout Layout => s_layout;

    private protected virtual int[] TokenCounts => [1, 70, 200];

    /// <summary>Which cluster stays without a token: none, one in the middle of the first launch, the first of the second.</summary>
    public static TheoryData<int> EmptyTails => [-1, 2, 5];

    [Theory]
    [MemberData(nameof(EmptyTails))]
    public void Backward_AgreesWithTheReferences_WhereTokensLieInAllTailsButOne(int empty)
    {
        foreach (var tokens in TokenCounts)
        {
            Check(tokens, random =>
            {
                var cluster = random.Next(Layout.TailCount + 1);
                return cluster == empty ? 0 : cluster;
            });
        }
    }

    [Fact]
    public void Backward_AgreesWithTheReferences_WhereAllTokensLieInOneTail()
    {
        for (var cluster = 0; cluster <= Layout.TailCount; cluster++) Check(cluster % 2 == 0 ? TokenCounts[1] : 1, _ => cluster);
    }

    private void Check(int tokens, Func<Random, int> chooseCluster)
    {
        var layout = Layout;
        var random = new Random(tokens);
        var hidden = Enumerable.Range(0, tokens * layout.HiddenSize).Select(_ => (random.NextSingle() * 4) - 2).ToArray();
        int[] bounds = [0, .. layout.Tails.Select(tail => tail.Start), layout.VocabularySize];
        var targets = new int[tokens];
        for (var i = 0; i < tokens; i++)
        {
            var cluster = chooseCluster(random);
            targets[i] = i % 23 == 22 ? -100 : random.Next(bounds[cluster], bounds[cluster + 1]);
        }

        using var host = new DynamicAdaptiveSoftmax(layout, seed: 3);
        var expected = new float[hidden.Length];
        var options = new LossOptions { Reduction = Reduction.Sum };
        host.Backward(hidden, targets, expected, options);
        var loss = new ReferenceSoftmax(host).Loss(Array.ConvertAll(hidden, value => (double)value), targets, options);

        // Chunks of 16 tokens, of some more, and everything in one chunk.
        foreach (var logitBytes in new[] { 0, 300_000, GpuOptions.Default.LogitBytes })
        {
            using var layer = new DynamicGpuSoftmax(Accelerator, layout, seed: 3, new GpuOptions { LogitBytes = logitBytes });
            var actual = new float[hidden.Length];
            var actualLoss = layer.Backward(hidden, targets, actual, options);
            Assert.True(Math.Abs(loss - actualLoss) <= 1e-4 * Math.Max(1, loss), $"Expected a loss of {loss}, got {actualLoss}.");
            AssertClose(expected, actual, "hidden");
            for (var i = 0; i < host.Parameters.Count; i++)
            {
                var parameter = host.Parameters[i];
                Assert.Equal(parameter.HasGradient, layer.Parameters[i].HasGradient());
                if (!parameter.HasGradient) continue;
                var gradient = new float[parameter.Count];
                layer.Parameters[i].CopyGradientTo(gradient);
                AssertClose(parameter.Gradient.ToArray(), gradient, parameter.Name);
            }
        }
    }

    private static void AssertClose(float[] expected, float[] actual, string what)
    {
        var scale = Math.Max(0.05, expected.Select(Math.Abs).DefaultIfEmpty(0).Max());
        for (var i = 0; i < expected.Length; i++)
        {
            if (!(Math.Abs(expected[i] - actual[i]) <= 1e-4 * scale)) Assert.Fail($"{what}[{i}]: expected {expected[i]}, got {actual[i]}; the largest is {scale}.");
        }
    }
}

[Collection(Backend.Collection)]
public sealed class OpenClGroupedTailTests : GroupedTailTests
{
    private protected override Accelerator Accelerator => Backend.OpenCl;
}

/// <summary>Tiny sizes: this accelerator has a thread of the processor for each of a group's 256, and takes minutes.</summary>
[OnlyAtNight]
[Collection(Backend.Collection)]
public sealed class CpuGroupedTailTests : GroupedTailTests
{
    private protected override Accelerator Accelerator => Backend.Cpu;

    private protected override SoftmaxLayout Layout { get; } = SoftmaxLayout.Create(9, 40, [7, 8, 15, 20, 24, 30], [9, 1, 4, 2, 3, 5], hasHeadBias: true);

    private protected override int[] TokenCounts => [5, 3];
}

[Collection(Backend.Collection)]
public sealed class CudaGroupedTailTests : GroupedTailTests
{
    private protected override Accelerator Accelerator => Backend.Cuda;
}
