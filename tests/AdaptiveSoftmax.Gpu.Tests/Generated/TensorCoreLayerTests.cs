using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Generated;

/// <summary>Training with the generated kernels for tensor cores, launched on a CUDA device.</summary>
public abstract class TensorCoreLayerTests
{
    private protected abstract Accelerator Accelerator { get; }

    [Theory]
    [InlineData(150, 144L << 20)]
    [InlineData(1, 144L << 20)]
    // Chunks of tokens, in several launches each.
    [InlineData(150, 40_000L)]
    public void Training_AgreesWithThePortableKernels(int tokens, long logitBytes)
    {
        var random = new Random(tokens);
        float[] hidden = [.. Enumerable.Range(0, tokens * Market.HiddenSize).Select(_ => (random.NextSingle() * 4) - 2)];
        int[] targets = [.. Enumerable.Range(0, tokens).Select(i => i % 17 == 3 ? -100 : random.Next(Market.VocabularySize))];
        using var portable = Market.Create(Accelerator, seed: 1);
        using var layer = Market.Create(Accelerator, seed: 1, new GpuOptions { TensorCores = TensorCoreUse.On, LogitBytes = logitBytes });
        TensorCoreChecks.AssertAgree(portable, layer, hidden, targets);
    }

    /// <summary>Sizes that fill no tile: few tokens, a small vocabulary, narrow tails; and all targets in one cluster.</summary>
    [Theory]
    [InlineData(1, 2)]
    [InlineData(7, 0)]
    [InlineData(130, 2)]
    [InlineData(300, null)]
    public void SizesThatFillNoTile_AgreeWithThePortableKernels(int tokens, int? cluster)
    {
        using var portable = Shop.Create(Accelerator, seed: 1);
        using var layer = Shop.Create(Accelerator, seed: 1, new GpuOptions { TensorCores = TensorCoreUse.On });
        var random = new Random(tokens);
        var hidden = new float[tokens * Shop.HiddenSize];
        foreach (ref var value in hidden.AsSpan()) value = (random.NextSingle() * 4) - 2;
        int[] bounds = [0, .. Shop.Cutoffs, Shop.VocabularySize];
        var targets = new int[tokens];
        foreach (ref var target in targets.AsSpan())
        {
            var part = cluster ?? random.Next(3);
            target = Shop.Vocabulary.GetTokenId(random.Next(bounds[part], bounds[part + 1]));
        }

        TensorCoreChecks.AssertAgree(portable, layer, hidden, targets);
    }

    [Fact]
    public void OneClusterOnly_LeavesTheOthersWithoutGradient()
    {
        using var portable = Shop.Create(Accelerator, seed: 1);
        using var layer = Shop.Create(Accelerator, seed: 1, new GpuOptions { TensorCores = TensorCoreUse.On });
        float[] hidden = [.. Enumerable.Range(0, 9 * Shop.HiddenSize).Select(i => MathF.Sin(i * i))];
        TensorCoreChecks.AssertAgree(portable, layer, hidden, [.. Enumerable.Range(0, 9).Select(Shop.Vocabulary.GetTokenId).Where((_, i) => i < 5), -100, -100, -100, -100]);
        Assert.Equal(portable.Parameters.Select(parameter => parameter.HasGradient()), layer.Parameters.Select(parameter => parameter.HasGradient()));
    }

    [Fact]
    public void RecordedStep_GivesTheBitsOfTheStep()
    {
        const int Tokens = 40;
        using var layer = Market.Create(Accelerator, seed: 1, new GpuOptions { TensorCores = TensorCoreUse.On });
        using var hidden = Accelerator.Allocate1D(Enumerable.Range(0, Tokens * Market.HiddenSize).Select(i => MathF.Sin(i * i)).ToArray());
        using var targets = Accelerator.Allocate1D(Enumerable.Range(0, Tokens).Select(i => i * 13).ToArray());
        using var gradient = Accelerator.Allocate1D<float>(hidden.Length);
        using var recording = layer.RecordBackward(hidden.View, targets.View, gradient.View);
        Assert.True(recording.IsGraph, recording.WhyPlain);
        foreach (var scale in new[] { 0.5f, 2f })
        {
            hidden.CopyFromCPU([.. Enumerable.Range(0, Tokens * Market.HiddenSize).Select(i => scale * MathF.Cos(i * i))]);
            layer.Backward(hidden.View, targets.View, gradient.View);
            var expected = gradient.GetAsArray1D();
            gradient.MemSetToZero();
            Accelerator.Synchronize();
            recording.Replay();
            Assert.Equal(expected, gradient.GetAsArray1D());
        }
    }
}

[Collection(Backend.Collection)]
public sealed class CudaTensorCoreLayerTests : TensorCoreLayerTests
{
    private protected override Accelerator Accelerator => Backend.CudaWithTensorCores;
}
