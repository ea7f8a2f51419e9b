using System.Globalization;
using System.Runtime.CompilerServices;
using AdaptiveSoftmax.CudaEmulation.Tests.Programs;
using AdaptiveSoftmax.Distributed;
using AdaptiveSoftmax.Gpu;
using AdaptiveSoftmax.Gpu.Tests;
using AdaptiveSoftmax.Testing;
using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Nccl;

/// <summary>Replicas on several emulated devices against one device with the whole batch.</summary>
[Collection(Backend.Collection)]
public sealed class DataParallelTests
{
    private const int Hidden = 4;
    private const int Tokens = 8;
    private const int Steps = 4;

    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(Hidden, 18, [6, 12], [4, 2], hasHeadBias: true);

    // One rank has all targets: the emulated driver takes seconds to compile a layer's kernels for another device.
    [Fact]
    public void Gradients_AreThoseOfTheMeanOverAllRanksTargets_AndATailThatNobodyNeedsHasNone()
    {
        float[] hidden = [1, -2, 3, 0.5f, 0.25f, 1, -1, 2, 1, 1, 1, 1];
        int[] targets = [7, 3, -100];
        using var reference = new DynamicAdaptiveSoftmax(s_layout, seed: 3);
        var expectedLoss = reference.Backward(hidden, targets, new float[hidden.Length]);
        float[][] expected = [.. reference.Parameters.Select(parameter => parameter.Gradient.ToArray())];
        var failures = EmulatedNccl.Run(2, ranks =>
        {
            using var softmax = new DynamicGpuSoftmax(ranks.Accelerator, s_layout, seed: 3);
            using var body = new GpuParameter(ranks.Accelerator, "body", 2, 8);
            softmax.CopyFrom(reference);
            var parallel = new GpuDataParallel(ranks, softmax, [body]);
            Assert.Equal(0, parallel.Reduce());
            Assert.All(parallel.Parameters, parameter => Assert.False(parameter.HasGradient()));

            if (ranks.Rank == 0)
            {
                // A batch that is refused leaves nothing behind.
                Assert.Contains("Target 1 is 99", Assert.Throws<ArgumentException>(() => Backward(parallel, ranks.Accelerator, hidden, [7, 99, -100])).Message, StringComparison.Ordinal);
                Assert.All(parallel.Parameters, parameter => Assert.False(parameter.HasGradient()));
                Backward(parallel, ranks.Accelerator, hidden, targets);
            }

            float[] own = [.. Enumerable.Range(0, 16).Select(i => (i + 1) * (ranks.Rank + 1f))];
            body.TouchGradient().CopyFromCPU(ranks.Accelerator.DefaultStream, own);
            Assert.Equal(expectedLoss, parallel.Reduce(), 1e-5);
            Assert.Equal([true, true, true, true, false, false, true], parallel.Parameters.Select(parameter => parameter.HasGradient()));
            for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], Gradient(parallel.Parameters[i]), Near);
            Assert.Equal([.. Enumerable.Range(0, 16).Select(i => (i + 1) * 1.5f)], Gradient(body));

            Assert.Equal(0, parallel.Reduce());
            if (ranks.Rank == 0) Backward(parallel, ranks.Accelerator, hidden, targets);
            softmax.Parameters[2].RequiresGradient = ranks.Rank == 0;
            var failure = Assert.Throws<InvalidOperationException>(() => parallel.Reduce());
            Assert.Equal("'tail.0.0.weight' is frozen on one of the ranks 0 and 1, and learns on the other; freeze it on all ranks.", failure.Message);

            // The batch is still there for a call that all make alike.
            softmax.Parameters[2].RequiresGradient = false;
            Assert.Equal(expectedLoss, parallel.Reduce(), 1e-5);
            Assert.Equal(expected[0], Gradient(parallel.Parameters[0]), Near);
        });
        Assert.All(failures, Assert.Null);

        static bool Near(float left, float right) => Math.Abs(left - right) < 1e-5f;
    }

    // It takes the emulated driver a minute.
    [Fact]
    [OnlyAtNight]
    public void Steps_AreThoseOfOneDeviceWithTheWholeBatch_AndOfTheSameBitsOnAllRanks()
    {
        var (losses, weights) = TrainAlone();
        for (var size = 1; size <= 3; size++)
        {
            var results = new (double[] Losses, float[] Weights)[size];
            var failures = EmulatedNccl.Run(size, ranks => results[ranks.Rank] = Train(ranks));
            Assert.All(failures, Assert.Null);
            foreach (var result in results)
            {
                Assert.Equal(results[0].Losses, result.Losses);
                Assert.Equal(results[0].Weights, result.Weights);
                for (var step = 0; step < Steps; step++) Assert.Equal(losses[step], result.Losses[step], 1e-5);
                for (var i = 0; i < weights.Length; i++) Assert.Equal(weights[i], result.Weights[i], 2e-5f);
            }
        }
    }

    [Fact]
    public void OtherWeightsOrBodies_AreNamedOnAllRanks()
    {
        var failures = EmulatedNccl.Run(2, ranks =>
        {
            using var softmax = new DynamicGpuSoftmax(ranks.Accelerator, s_layout, seed: 3);
            using var other = new DynamicGpuSoftmax(ranks.Accelerator, s_layout, seed: 3 + (ulong)ranks.Rank);
            Assert.StartsWith("The ranks do not agree: the checksum of the values of 'head.weight' is ", Disagreement(() => new GpuDataParallel(ranks, other)), StringComparison.Ordinal);

            using var body = new GpuParameter(ranks.Accelerator, "body", 3, 5 + ranks.Rank);
            Assert.Equal(
                "The ranks do not agree: the number of columns of 'body' is 6 on rank 1 and 5 on rank 0. Start all of them with the same program, files and options.",
                Disagreement(() => new GpuDataParallel(ranks, softmax, [body])));
            Assert.Contains("the number of parameters is 7 on rank 1 and 6 on rank 0", Disagreement(() => new GpuDataParallel(ranks, softmax, ranks.Rank == 0 ? null : [body])), StringComparison.Ordinal);
        });
        Assert.All(failures, Assert.Null);

        static string Disagreement(Func<GpuDataParallel> create) => Assert.Throws<InvalidOperationException>(create).Message;
    }

    [Fact]
    public void WhatCannotBe_IsRefused()
    {
        var failures = EmulatedNccl.Run(1, ranks =>
        {
            using var softmax = new DynamicGpuSoftmax(ranks.Accelerator, s_layout, seed: 3);
            using var rows = new GpuParameter(ranks.Accelerator, "rows", 3, 5, gradientLayout: GradientLayout.SparseRows);
            Assert.Contains("'rows' has a row-sparse gradient", Assert.Throws<ArgumentException>(() => new GpuDataParallel(ranks, softmax, [rows])).Message, StringComparison.Ordinal);
            using var elsewhere = new GpuParameter(EmulatedNccl.Accelerator(1), "elsewhere", 3, 5);
            Assert.Contains("'elsewhere' is on another device than the rank's", Assert.Throws<ArgumentException>(() => new GpuDataParallel(ranks, softmax, [elsewhere])).Message, StringComparison.Ordinal);
            var parallel = new GpuDataParallel(ranks, softmax);
            var error = Assert.Throws<ArgumentException>(() => Backward(parallel, ranks.Accelerator, new float[Hidden], [1], new LossOptions { Reduction = Reduction.Sum }));
            Assert.Contains("The reduction is Sum", error.Message, StringComparison.Ordinal);
        });
        Assert.All(failures, Assert.Null);
    }

    [Fact]
    public void TheProgramOfThePage_IsCompiledHere()
    {
        var page = File.ReadAllText(Path.Combine(Root(), "docs/distributed.md"));
        var program = File.ReadAllText(Path.Combine(Root(), "tests/AdaptiveSoftmax.CudaEmulation.Tests/Programs/DataParallelPage.cs"));
        var body = program.Split("        // Page\n")[1].Split("        // End of page")[0];
        Assert.Contains($"```csharp\n{string.Join('\n', body.Split('\n').Select(line => line.Length > 0 ? line[8..] : line))}```", page, StringComparison.Ordinal);

        static string Root([CallerFilePath] string file = "") => Path.Combine(Path.GetDirectoryName(file)!, "../../..");
    }

    [Fact]
    [OnlyAtNight]
    public void TheProgramOfThePage_Trains()
    {
        EmulatedNccl.Load();
        CudaAccelerator[] accelerators = [EmulatedNccl.Accelerator(0), EmulatedNccl.Accelerator(1)];
        var lines = new List<string>();
        ThreadCollectives.Run(2, ranks =>
        {
            accelerators[ranks.Rank].Bind();
            DataParallelPage.Run(ranks, accelerators[ranks.Rank], lines.Add);
        });
        Assert.Equal(["step 0", "step 1"], lines.Select(line => line.Split(':')[0]));
        var losses = lines.Select(line => double.Parse(line.Split(' ')[^1], CultureInfo.InvariantCulture)).ToArray();
        Assert.InRange(losses[1], 0, losses[0] - 0.1);
    }

    // Batches in which all tails are needed, none, or one by one rank alone, and one without targets.
    private static (float[] Hidden, int[] Targets) Batch(int step)
    {
        var random = new Random(step);
        float[] hidden = [.. Enumerable.Range(0, Tokens * Hidden).Select(_ => (float)(random.NextDouble() - 0.5) * 4)];
        int[] targets = [.. Enumerable.Range(0, Tokens).Select(token => token % 5 == 4 || step == 3 ? -100 : step switch
        {
            0 => random.Next(18),
            1 => random.Next(6),
            _ => token > 5 ? 9 : random.Next(6),
        })];
        return (hidden, targets);
    }

    private static (double[] Losses, float[] Weights) TrainAlone()
    {
        using var softmax = new DynamicGpuSoftmax(EmulatedNccl.Accelerator(0), s_layout, seed: 3);
        using var optimizer = new GpuOptimizer(new AdamW(0.01));
        var losses = new double[Steps];
        for (var step = 0; step < Steps; step++)
        {
            var (hidden, targets) = Batch(step);
            losses[step] = softmax.Backward(hidden, targets, new float[hidden.Length]);
            optimizer.Step(softmax);
        }

        return (losses, Weights(softmax));
    }

    // Each rank has a part of the tokens, of different sizes, in two calls.
    private static (double[] Losses, float[] Weights) Train(NcclRanks ranks)
    {
        using var softmax = new DynamicGpuSoftmax(ranks.Accelerator, s_layout, seed: 3);
        using var optimizer = new GpuOptimizer(new AdamW(0.01));
        var parallel = new GpuDataParallel(ranks, softmax);
        var losses = new double[Steps];
        for (var step = 0; step < Steps; step++)
        {
            var (hidden, targets) = Batch(step);
            var (first, end) = (2 * ranks.Rank, ranks.Rank + 1 == ranks.Size ? Tokens : 2 * (ranks.Rank + 1));
            foreach (var (start, stop) in ((int, int)[])[(first, first + 1), (first + 1, end)])
                Backward(parallel, ranks.Accelerator, hidden[(start * Hidden)..(stop * Hidden)], targets[start..stop]);
            losses[step] = parallel.Reduce();
            optimizer.Step(parallel.Parameters);
        }

        return (losses, Weights(softmax));
    }

    private static void Backward(GpuDataParallel parallel, Accelerator accelerator, float[] hidden, int[] targets, LossOptions? options = null)
    {
        using var vectors = accelerator.Allocate1D(hidden);
        using var ids = accelerator.Allocate1D(targets);
        using var gradient = accelerator.Allocate1D<float>(hidden.Length);
        parallel.Backward(vectors.View, ids.View, gradient.View, options);
    }

    private static float[] Gradient(GpuParameter parameter)
    {
        var values = new float[parameter.Rows * parameter.Columns];
        parameter.CopyGradientTo(values);
        return values;
    }

    private static float[] Weights(DynamicGpuSoftmax softmax) => [.. softmax.Parameters.SelectMany(parameter =>
    {
        var values = new float[parameter.Rows * parameter.Columns];
        parameter.CopyTo(values);
        return values;
    })];
}
