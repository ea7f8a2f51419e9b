using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Training;

/// <summary>Parameter groups on a device against the CPU's, and runs that are restored without holding on to a thread.</summary>
public abstract class GpuGroupTests
{
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(20, 60, [15, 30], [9, 4], hasHeadBias: true);

    public static TheoryData<string> Rules => ["sgd", "momentum", "adagrad", "adamw"];

    private protected abstract Accelerator Accelerator { get; }

    [Theory]
    [MemberData(nameof(Rules))]
    public async Task Groups_StepAsOnTheCpu_AndGoOnFromItsFiles(string rule)
    {
        using var folder = new TemporaryFolder();
        using var run = new Run(Accelerator, rule);
        using var host = new HostRun(rule);
        run.AddGroups();
        host.AddGroups();
        for (var step = 0; step < 3; step++)
        {
            run.Step(step);
            host.Step(step);
        }

        AssertClose(host, run);
        run.Checkpoint.Save(folder["device.safetensors"]);
        host.Checkpoint.Save(folder["host.safetensors"]);

        // Neither has groups of its own: they come from the other's file.
        using var later = new Run(Accelerator, rule);
        using var hostLater = new HostRun(rule);
        await later.Checkpoint.RestoreAsync(folder["host.safetensors"], cancellationToken: TestContext.Current.CancellationToken);
        await hostLater.Checkpoint.RestoreAsync(folder["device.safetensors"], cancellationToken: TestContext.Current.CancellationToken);
        for (var step = 3; step < 6; step++)
        {
            run.Step(step);
            host.Step(step);
            later.Step(step);
            hostLater.Step(step);
        }

        AssertClose(host, run);
        AssertClose(host, later);
        AssertClose(hostLater, run);

        // Without groups it is another run.
        using var plain = new Run(Accelerator, rule);
        for (var step = 0; step < 6; step++) plain.Step(step);
        Assert.NotEqual(Values(run.Softmax.Parameters[0]), Values(plain.Softmax.Parameters[0]));
    }

    [Fact]
    public void RestoringAFileWithoutGroups_ForgetsThem()
    {
        using var folder = new TemporaryFolder();
        using var run = new Run(Accelerator, "adamw");
        using var plain = new Run(Accelerator, "adamw");
        plain.Checkpoint.Save(folder["plain.safetensors"]);
        run.AddGroups();
        run.Checkpoint.Restore(folder["plain.safetensors"]);
        run.Step(1);
        plain.Step(1);
        Assert.Equal(plain.Softmax.Parameters.Select(Values), run.Softmax.Parameters.Select(Values));
        run.AddGroups();
    }

    [Fact]
    public void GroupThatCannotBe_IsRefused()
    {
        using var folder = new TemporaryFolder();
        using var one = new GpuParameter(Accelerator, "one", 3, 5);
        using var other = new GpuParameter(Accelerator, "other", 3, 5);
        using var optimizer = new GpuOptimizer(new Sgd(0.1));
        optimizer.AddGroup([one, one], weightDecay: 0.5);
        Assert.Contains("'one' is in a group already", Assert.Throws<ArgumentException>(() => optimizer.AddGroup([other, one])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => optimizer.AddGroup([other], learningRateFactor: -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => optimizer.AddGroup([other], weightDecay: double.NaN));
        optimizer.AddGroup([other], learningRateFactor: 2);
        var error = Assert.Throws<InvalidOperationException>(() => new GpuCheckpoint([one], optimizer).Save(folder["run"]));
        Assert.Contains("'other' or has a group of it", error.Message, StringComparison.Ordinal);
        using var host = new Sgd(0.1);
        using var parameter = new Parameter("one", 3, 5);
        host.AddGroup([parameter], weightDecay: 0);
        Assert.Contains("AddGroup", Assert.Throws<ArgumentException>(() => new GpuOptimizer(host)).Message, StringComparison.Ordinal);
        optimizer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => optimizer.AddGroup([one]));
    }

    [Fact]
    public void GroupOfADisposedParameter_GoesWithIt()
    {
        using var folder = new TemporaryFolder();
        using var one = new GpuParameter(Accelerator, "one", 3, 5);
        var gone = new GpuParameter(Accelerator, "gone", 3, 5);
        using var optimizer = new GpuOptimizer(new Sgd(0.1));
        optimizer.AddGroup([one, gone], weightDecay: 0.5);
        gone.Dispose();
        Assert.Throws<ObjectDisposedException>(() => optimizer.AddGroup([gone]));
        var checkpoint = new GpuCheckpoint([one], optimizer);
        checkpoint.Save(folder["run"]);
        checkpoint.Restore(folder["run"]);
        Assert.Contains("'one' is in a group already", Assert.Throws<ArgumentException>(() => optimizer.AddGroup([one])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AsynchronousRestoring_GivesTheSameBits_OrLeavesThem()
    {
        using var folder = new TemporaryFolder();
        var token = TestContext.Current.CancellationToken;
        using var run = new Run(Accelerator, "adamw");
        run.Step(0);
        var stream = new MemoryStream();
        run.Checkpoint.Save(stream);
        var expected = run.Softmax.Parameters.Select(Values).ToArray();
        run.Step(1);
        var afterwards = run.Softmax.Parameters.Select(Values).ToArray();
        stream.Position = 0;
        await run.Checkpoint.RestoreAsync(stream, cancellationToken: token);
        Assert.Equal(expected, run.Softmax.Parameters.Select(Values));
        run.Step(1);
        Assert.Equal(afterwards, run.Softmax.Parameters.Select(Values));

        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        stream.Position = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run.Checkpoint.RestoreAsync(stream, cancellationToken: cancelled.Token));
        await File.WriteAllTextAsync(folder["damaged"], "no tensors", token);
        await Assert.ThrowsAnyAsync<WeightsFormatException>(() => run.Checkpoint.RestoreAsync(folder["damaged"], cancellationToken: token));
        await Assert.ThrowsAnyAsync<WeightsFormatException>(() => run.Softmax.RestoreAsync(folder["damaged"], cancellationToken: token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run.Softmax.RestoreAsync(folder["damaged"], cancellationToken: cancelled.Token));
        Assert.Equal(afterwards, run.Softmax.Parameters.Select(Values));
        Assert.Equal(2, run.Optimizer.StepCount);

        run.Softmax.Save(folder["weights.safetensors"], "decoder.");
        using var other = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 9);
        await other.RestoreAsync(folder["weights.safetensors"], prefix: "decoder.", cancellationToken: token);
        Assert.Equal(afterwards, other.Parameters.Select(Values));
        other.Initialize(9);
        await using var file = File.OpenRead(folder["weights.safetensors"]);
        await other.RestoreAsync(file, prefix: "decoder.", cancellationToken: token);
        Assert.Equal(afterwards, other.Parameters.Select(Values));
    }

    // AdamW's first step is its rate with the gradient's sign. Where a gradient is nothing but rounding, that is another sign on
    // other processors; an epsilon above all rounding leaves those where they are.
    private static Optimizer CreateRule(string rule) => rule switch
    {
        "sgd" => new Sgd(0.1, weightDecay: 0.2),
        "momentum" => new Sgd(0.1, momentum: 0.9, weightDecay: 0.2, nesterov: true),
        "adagrad" => new Adagrad(0.1, weightDecay: 0.2, learningRateDecay: 0.1),
        _ => new AdamW(0.02, epsilon: 1e-4, weightDecay: 0.2),
    };

    private static (float[] Hidden, int[] Targets) Batch(int step) =>
        ([.. Enumerable.Range(0, 8 * 20).Select(i => MathF.Sin(i * (i + step)))], [.. Enumerable.Range(0, 8).Select(i => ((i * 17) + step) % 60)]);

    private static void AssertClose(HostRun expected, Run actual)
    {
        for (var i = 0; i < expected.Softmax.Parameters.Count; i++)
        {
            var parameter = expected.Softmax.Parameters[i];
            foreach (var (one, other) in parameter.Values.ToArray().Zip(Values(actual.Softmax.Parameters[i]))) Assert.Equal(one, other, 2e-4f);
        }
    }

    private static float[] Values(GpuParameter parameter)
    {
        var values = new float[parameter.Rows * parameter.Columns];
        parameter.CopyTo(values);
        return values;
    }

    private sealed class Run : IDisposable
    {
        public Run(Accelerator accelerator, string rule)
        {
            Softmax = new DynamicGpuSoftmax(accelerator, s_layout, seed: 2);
            Optimizer = new GpuOptimizer(CreateRule(rule));
            Checkpoint = new GpuCheckpoint(Softmax, null, Optimizer);
        }

        public DynamicGpuSoftmax Softmax { get; }

        public GpuOptimizer Optimizer { get; }

        public GpuCheckpoint Checkpoint { get; }

        public void AddGroups()
        {
            Optimizer.AddGroup([Softmax.Parameters[1]], weightDecay: 0);
            Optimizer.AddGroup([Softmax.Parameters[0], Softmax.Parameters[3]], learningRateFactor: 0.25, weightDecay: 0.5);
        }

        public void Step(int step)
        {
            var (hidden, targets) = Batch(step);
            Softmax.Backward(hidden, targets);
            Optimizer.Step(Softmax);
        }

        public void Dispose()
        {
            Optimizer.Dispose();
            Softmax.Dispose();
        }
    }

    private sealed class HostRun : IDisposable
    {
        public HostRun(string rule)
        {
            Softmax = new DynamicAdaptiveSoftmax(s_layout, seed: 2);
            Optimizer = CreateRule(rule);
            Checkpoint = new Checkpoint(Softmax, null, Optimizer);
        }

        public DynamicAdaptiveSoftmax Softmax { get; }

        public Optimizer Optimizer { get; }

        public Checkpoint Checkpoint { get; }

        public void AddGroups()
        {
            Optimizer.AddGroup([Softmax.Parameters[1]], weightDecay: 0);
            Optimizer.AddGroup([Softmax.Parameters[0], Softmax.Parameters[3]], learningRateFactor: 0.25, weightDecay: 0.5);
        }

        public void Step(int step)
        {
            var (hidden, targets) = Batch(step);
            Softmax.Backward(hidden, targets);
            Optimizer.Step(Softmax);
        }

        public void Dispose()
        {
            Optimizer.Dispose();
            Softmax.Dispose();
        }
    }
}

[Collection(Backend.Collection)]
public sealed class OpenClGroupTests : GpuGroupTests
{
    private protected override Accelerator Accelerator => Backend.OpenCl;
}

[Collection(Backend.Collection)]
public sealed class CudaGroupTests : GpuGroupTests
{
    private protected override Accelerator Accelerator => Backend.Cuda;
}
