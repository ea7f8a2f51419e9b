using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Generated;

/// <summary>A vocabulary of 200,019 tokens and a hidden size of 512, on the device and on the CPU.</summary>
public abstract class RealVocabularyTests
{
    private const int Tokens = 200;

    private protected abstract Accelerator Accelerator { get; }

    [Fact]
    public void Training_AgreesWithTheCpu()
    {
        using var host = ApiDocs.Create(seed: 1);
        using var layer = host.ToGpu(Accelerator);
        var (hidden, targets) = MakeBatch();
        using var rule = new Adagrad(0.05);
        using var optimizer = new GpuOptimizer(rule);
        var expected = new float[hidden.Length];
        var actual = new float[hidden.Length];
        for (var step = 0; step < 3; step++)
        {
            var expectedLoss = host.Backward(hidden, targets, expected);
            var loss = layer.Backward(hidden, targets, actual);
            Assert.Equal(expectedLoss, loss, 1e-4f * expectedLoss);
            var scale = expected.Max(Math.Abs);
            for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i] / scale, actual[i] / scale, 2e-3f);
            rule.Step(host);
            optimizer.Step(layer);
        }
    }

    [Fact]
    public void Predictions_AgreeWithTheCpu()
    {
        using var host = ApiDocs.Create(seed: 1);
        using var layer = host.ToGpu(Accelerator);
        var (hidden, _) = MakeBatch();
        var expected = new int[Tokens];
        host.Predict(hidden, expected);
        var actual = new int[Tokens];
        layer.Predict(hidden, actual);
        Assert.Equal(expected, actual);
        Array.Clear(actual);
        for (var token = 0; token < 5; token++) actual[token] = layer.Predict(hidden.AsSpan(token * ApiDocs.HiddenSize, ApiDocs.HiddenSize));
        Assert.Equal(expected[..5], actual[..5]);
    }

    private protected static (float[] Hidden, int[] Targets) MakeBatch()
    {
        var random = new Random(11);
        var hidden = new float[Tokens * ApiDocs.HiddenSize];
        foreach (ref var value in hidden.AsSpan()) value = (random.NextSingle() * 4) - 2;
        int[] bounds = [0, .. ApiDocs.Cutoffs, ApiDocs.VocabularySize];
        var targets = new int[Tokens];
        for (var i = 0; i < Tokens; i++)
        {
            var cluster = random.Next(3);
            targets[i] = i % 17 == 0 ? -100 : ApiDocs.Vocabulary.GetTokenId(random.Next(bounds[cluster], bounds[cluster + 1]));
        }

        return (hidden, targets);
    }
}

[Collection(Backend.Collection)]
public sealed class OpenClRealVocabularyTests : RealVocabularyTests
{
    private protected override Accelerator Accelerator => Backend.OpenCl;
}

[Collection(Backend.Collection)]
public sealed class CudaRealVocabularyTests : RealVocabularyTests
{
    private protected override Accelerator Accelerator => Backend.Cuda;

    [Fact]
    public void TensorCores_AgreeWithThePortableKernels()
    {
        using var portable = ApiDocs.Create(Backend.CudaWithTensorCores, seed: 1);
        using var layer = ApiDocs.Create(Accelerator, seed: 1, new GpuOptions { TensorCores = TensorCoreUse.On });
        var (hidden, targets) = MakeBatch();
        TensorCoreChecks.AssertAgree(portable, layer, hidden, targets);
    }
}
