using AdaptiveSoftmax.Gpu.Tests;
using ILGPU.Runtime;
using LanguageModelSample;

namespace AdaptiveSoftmax.Samples.Tests.Gpu;

/// <summary>The model on a device against the one on the processor, whose gradients are proven against the slope of the loss.</summary>
public abstract class GpuModelTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("adaptive-softmax-sample-").FullName;
    private readonly int[] _text = TinyModel.CreateText(2000);

    private protected abstract Accelerator Accelerator { get; }

    private string CheckpointPath => Path.Combine(_folder, "run.safetensors");

    public void Dispose()
    {
        Directory.Delete(_folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    // Widths that leave gaps behind rows, one token, and more tokens, rows and columns than a tile has.
    [Theory]
    [InlineData(1, 3, 4, 16, 10)]
    [InlineData(20, 3, 5, 24, 6)]
    [InlineData(150, 2, 70, 136, 90)]
    public void Body_ComputesWhatItDoesOnTheProcessor(int tokens, int window, int embeddingSize, int hiddenSize, int embeddingRows)
    {
        var shape = new BodyShape { Window = window, EmbeddingRows = embeddingRows, EmbeddingSize = embeddingSize, HiddenSize = hiddenSize, Threads = 1 };
        using var host = new Body(shape, seed: 3);
        var random = new Random(4);
        // Embeddings, biases and factors that all of the network feels.
        foreach (var parameter in host.Parameters)
        {
            if (parameter == host.Parameters[0] || parameter.IsVector) parameter.Edit(values => Fill(values, random));
        }

        using var device = new GpuBody(Accelerator, host);
        int[] identity = [.. Enumerable.Range(0, embeddingRows)];
        using var rows = new WindowRows(Accelerator, identity, embeddingRows);
        var windows = new int[tokens * window];
        float[] hidden = new float[tokens * hiddenSize], actual = new float[hidden.Length], gradient = new float[hidden.Length];

        // Twice: gradients add up, and nothing may be left from the first batch.
        for (var pass = 0; pass < 2; pass++)
        {
            foreach (ref var row in windows.AsSpan()) row = random.Next(embeddingRows);
            Fill(gradient, random);
            host.Forward(windows, hidden);
            host.Backward(windows, gradient);
            rows.Set(windows, wantsChains: true);
            device.Forward(rows).CopyToCPU(Accelerator.DefaultStream, actual);
            using var deviceGradient = Accelerator.Allocate1D(gradient);
            device.Backward(rows, deviceGradient.View);
            AssertClose(hidden, actual, "hidden states");
        }

        for (var i = 0; i < host.Parameters.Count; i++)
        {
            var gradients = new float[host.Parameters[i].Count];
            device.Parameters[i].CopyGradientTo(gradients);
            Assert.Equal(host.Parameters[i].Name, device.Parameters[i].Name);
            AssertClose(GradientTests.ReadGradient(host.Parameters[i]), gradients, host.Parameters[i].Name);
        }
    }

    [Fact]
    public void Losses_AreThoseOfTheProcessor_StepByStep()
    {
        using var host = TinyModel.Create(seed: 1);
        using var hostTrainer = new Trainer(host, _text, seed: 1, batchSize: 32);
        using var device = TinyModel.Create(seed: 1, Accelerator);
        using var deviceTrainer = new Trainer(device, _text, seed: 1, batchSize: 32);
        deviceTrainer.WarmUp();
        for (var step = 0; step < 30; step++) Assert.Equal(hostTrainer.Advance(), deviceTrainer.Advance(), 2e-4f);
        Assert.Equal(host.Perplexity(_text, 300), device.Perplexity(_text, 300), 1e-2);
        var predict = device.PreparePredictions(_text.AsSpan(0, 30));
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal(host.Predict(_text.AsSpan(3 * i, 3)), predict(i));
        }

        Assert.Equal(host.Predict([3, 4, 5]), device.Predict([3, 4, 5]));
    }

    [Fact]
    public void SameSeed_GivesTheSameBits_AndAResumedRunToo()
    {
        using var whole = TinyModel.Create(seed: 1, Accelerator);
        using var wholeTrainer = new Trainer(whole, _text, seed: 1, batchSize: 40);
        Advance(wholeTrainer, 12);
        using var first = TinyModel.Create(seed: 1, Accelerator);
        using var firstTrainer = new Trainer(first, _text, seed: 1, batchSize: 40);
        Advance(firstTrainer, 5);
        firstTrainer.Save(CheckpointPath);
        using var second = TinyModel.Create(seed: 2, Accelerator);
        using var secondTrainer = new Trainer(second, _text, seed: 2, batchSize: 40);
        secondTrainer.WarmUp();
        secondTrainer.Restore(CheckpointPath);
        Advance(firstTrainer, 12);
        Advance(secondTrainer, 12);
        Assert.Equal(TinyModel.Bits(whole), TinyModel.Bits(first));
        Assert.Equal(TinyModel.Bits(whole), TinyModel.Bits(second));
    }

    [Fact]
    public void Run_GoesOnOnTheOtherDevice_BothWays()
    {
        using var host = TinyModel.Create(seed: 1);
        using var hostTrainer = new Trainer(host, _text, seed: 1, batchSize: 32);
        using var device = TinyModel.Create(seed: 2, Accelerator);
        using var deviceTrainer = new Trainer(device, _text, seed: 2, batchSize: 32);
        Advance(hostTrainer, 6);
        hostTrainer.Seconds = 2.5;
        hostTrainer.BeginFall();
        hostTrainer.Save(CheckpointPath);
        deviceTrainer.Restore(CheckpointPath);
        Assert.Equal((6, 2.5, 6), (deviceTrainer.Step, deviceTrainer.Seconds, deviceTrainer.Schedule.FallStart));
        Assert.Equal(TinyModel.Bits(host), TinyModel.Bits(device));
        while (!deviceTrainer.IsFinished) Assert.Equal(hostTrainer.Advance(), deviceTrainer.Advance(), 1e-4f);

        deviceTrainer.Extend();
        Advance(deviceTrainer, 14);
        deviceTrainer.Save(CheckpointPath);
        hostTrainer.Restore(CheckpointPath);
        Assert.Equal(TinyModel.Bits(device), TinyModel.Bits(host));
        for (var step = 0; step < 5; step++) Assert.Equal(deviceTrainer.Advance(), hostTrainer.Advance(), 1e-4f);
    }

    [Fact]
    public void ModelOfTheSample_TakesTheStepsOfTheProcessor()
    {
        using var host = Models.CreateAdaptive(seed: 1, threads: 2);
        using var device = Models.CreateAdaptive(seed: 1, Accelerator);
        var text = new int[3000];
        var random = new Random(6);
        foreach (ref var token in text.AsSpan()) token = ApiDocsSoftmax.Vocabulary.GetTokenId(random.Next(random.Next(4) == 0 ? 200_019 : 3000));
        using var hostTrainer = new Trainer(host, text, seed: 1, batchSize: 100);
        using var deviceTrainer = new Trainer(device, text, seed: 1, batchSize: 100);
        for (var step = 0; step < 3; step++) Assert.Equal(hostTrainer.Advance(), deviceTrainer.Advance(), 2e-3f);
        Assert.Equal(host.Predict(text.AsSpan(0, 8)), device.Predict(text.AsSpan(0, 8)));
        var weights = host.Softmax.Layout.ParameterBytes;
        Assert.InRange(deviceTrainer.UsedMemory, 3 * weights, 10 * weights);
    }

    [Fact]
    public void HiddenSizeWithGaps_IsAnError()
    {
        using var host = new Body(new BodyShape { Window = 1, EmbeddingRows = 2, EmbeddingSize = 4, HiddenSize = 20 }, seed: 1);
        Assert.Contains("multiple of 8", Assert.Throws<ArgumentException>(() => new GpuBody(Accelerator, host)).Message, StringComparison.Ordinal);
    }

    private static void Advance(Trainer trainer, long to)
    {
        while (trainer.Step < to) trainer.Advance();
    }

    private static void Fill(Span<float> values, Random random)
    {
        foreach (ref var value in values) value = (random.NextSingle() * 2) - 1;
    }

    private static void AssertClose(float[] expected, float[] actual, string what)
    {
        var scale = Math.Max(1e-3f, expected.Max(MathF.Abs));
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
        {
            if (!(MathF.Abs(expected[i] - actual[i]) <= 2e-5f * scale)) Assert.Fail($"{what}[{i}]: expected {expected[i]}, got {actual[i]}; the largest is {scale}.");
        }
    }
}

public sealed class OpenClModelTests : GpuModelTests
{
    private protected override Accelerator Accelerator => Backend.OpenCl;
}

public sealed class CudaModelTests : GpuModelTests
{
    private protected override Accelerator Accelerator => Backend.Cuda;
}
