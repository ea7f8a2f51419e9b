using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Training;

/// <summary>Steps on a device against the same steps on the CPU, whose formulas are proven against float64.</summary>
public abstract class GpuOptimizerTests
{
    private const int Tokens = 24;
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(20, 60, [15, 30], [9, 4], hasHeadBias: true);

    public static TheoryData<string> Rules => ["sgd", "momentum", "nesterov", "adagrad", "adamw"];

    private protected abstract Accelerator Accelerator { get; }

    [Theory]
    [MemberData(nameof(Rules))]
    public void Steps_AgreeWithTheCpu(string name)
    {
        using var host = new DynamicAdaptiveSoftmax(s_layout, seed: 2);
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 2);
        using var rule = Create(name);
        using var optimizer = new GpuOptimizer(rule);
        Train(host, layer, rule, optimizer, steps: 6, firstStep: 0);
        AssertClose(host, layer);
        Assert.Equal(6, optimizer.StepCount);
    }

    [Theory]
    [MemberData(nameof(Rules))]
    public void Checkpoint_GoesOnOnTheCpuAndBack(string name)
    {
        using var folder = new TemporaryFolder();
        var path = folder["run.safetensors"];
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 2);
        using var rule = Create(name);
        using var optimizer = new GpuOptimizer(rule);
        Train(null, layer, null, optimizer, steps: 3, firstStep: 0);
        new GpuCheckpoint(layer, optimizers: [optimizer]) { Step = 3, Strings = { ["note"] = "x" } }.Save(path);

        // From the file on: the CPU, another layer on the device, and the one that was never interrupted.
        using var host = new DynamicAdaptiveSoftmax(s_layout, seed: 77);
        using var hostRule = Create(name);
        var hostCheckpoint = new Checkpoint(host, body: null, hostRule);
        hostCheckpoint.Restore(path);
        Assert.Equal((3, "x"), (hostCheckpoint.Step, hostCheckpoint.Strings["note"]));
        using var second = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 78);
        using var secondOptimizer = new GpuOptimizer(Create(name));
        var secondCheckpoint = new GpuCheckpoint(second, optimizers: [secondOptimizer]);
        secondCheckpoint.Restore(path);
        Assert.Equal((3, "x", 3), (secondCheckpoint.Step, secondCheckpoint.Strings["note"], secondOptimizer.StepCount));
        Train(host, layer, hostRule, optimizer, steps: 3, firstStep: 3);
        Train(null, second, null, secondOptimizer, steps: 3, firstStep: 3);
        AssertClose(host, layer);
        AssertClose(host, second);
    }

    [Fact]
    public void ParameterWithoutGradient_StaysAsItIs()
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 2);
        using var optimizer = new GpuOptimizer(new AdamW(0.1, weightDecay: 0.5));
        var before = Values(layer.Parameters[^1]);
        layer.Backward(new float[2 * 20], [3, 20], new float[2 * 20]);
        optimizer.Step(layer);
        Assert.Equal(before, Values(layer.Parameters[^1]));
        Assert.NotEqual(before, Values(layer.Parameters[^3]));
        Assert.Equal([1, 1, 1, 1, 0, 0], layer.Parameters.Select(optimizer.ReadSteps));
    }

    // AdamW's first step is its rate with the gradient's sign. Where a gradient is nothing but rounding, that is another sign on
    // other processors; an epsilon above all rounding leaves those where they are.
    private static Optimizer Create(string name) => name switch
    {
        "sgd" => new Sgd(0.1, weightDecay: 0.01),
        "momentum" => new Sgd(0.1, momentum: 0.9, dampening: 0.2, weightDecay: 0.01),
        "nesterov" => new Sgd(0.1, momentum: 0.9, nesterov: true),
        "adagrad" => new Adagrad(0.1, learningRateDecay: 0.1, weightDecay: 0.01, initialAccumulatorValue: 0.2),
        _ => new AdamW(0.01, epsilon: 1e-4, weightDecay: 0.1),
    };

    // In the second step no target lies in the last tail, whose count of steps then falls behind.
    private static void Train(DynamicAdaptiveSoftmax? host, DynamicGpuSoftmax layer, Optimizer? rule, GpuOptimizer optimizer, int steps, int firstStep)
    {
        for (var step = firstStep; step < firstStep + steps; step++)
        {
            var random = new Random(step);
            var hidden = new float[Tokens * s_layout.HiddenSize];
            foreach (ref var value in hidden.AsSpan()) value = random.NextSingle() - 0.5f;
            var targets = new int[Tokens];
            foreach (ref var target in targets.AsSpan()) target = random.Next(step == 1 ? 30 : 60);
            var gradient = new float[hidden.Length];
            layer.Backward(hidden, targets, gradient);
            optimizer.LearningRate = 0.1 / (step + 1);
            optimizer.Step(layer);
            if (host is null || rule is null) continue;
            host.Backward(hidden, targets, gradient);
            rule.LearningRate = 0.1 / (step + 1);
            rule.Step(host);
        }
    }

    private static float[] Values(GpuParameter parameter)
    {
        var values = new float[parameter.Rows * parameter.Columns];
        parameter.CopyTo(values);
        return values;
    }

    private static void AssertClose(DynamicAdaptiveSoftmax host, DynamicGpuSoftmax layer)
    {
        for (var i = 0; i < host.Parameters.Count; i++)
        {
            var expected = host.Parameters[i].Values.ToArray();
            var actual = Values(layer.Parameters[i]);
            for (var j = 0; j < expected.Length; j++)
            {
                if (!(Math.Abs(expected[j] - actual[j]) <= 2e-4f)) Assert.Fail($"{host.Parameters[i].Name}[{j}]: expected {expected[j]}, got {actual[j]}.");
            }
        }
    }
}

[Collection(Backend.Collection)]
public sealed class OpenClOptimizerTests : GpuOptimizerTests
{
    private protected override Accelerator Accelerator => Backend.OpenCl;
}

[Collection(Backend.Collection)]
public sealed class CudaOptimizerTests : GpuOptimizerTests
{
    private protected override Accelerator Accelerator => Backend.Cuda;
}
