using AdaptiveSoftmax.Gpu.Planning;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Gpu.Tests.Planning;

[Collection(Backend.Collection)]
public sealed class DeviceCalibratorTests
{
    private static readonly DeviceSizes s_small = new([16, 64], [1, 2, 16], [1 << 14, 1 << 18], FewestWeights: 1 << 12, MostWeights: 1 << 15, LongStep: TimeSpan.FromSeconds(9));

    [Fact]
    public void ADevice_IsMeasuredForPlansOfTrainingAndGreedyDecoding()
    {
        var steps = new List<double>();
        var profile = DeviceCalibrator.Measure(Backend.OpenCl, "opencl", name: null, s_small, new Progress(steps.Add), TestContext.Current.CancellationToken);

        Assert.Equal(("opencl", Backend.OpenCl.Name, 1), (profile.Device, profile.Name, profile.Threads));
        Assert.Equal(s_small.Widths, profile.Training.Widths);
        Assert.Equal(s_small.Batches, profile.Greedy.Batches);
        Assert.Equal(s_small.Bytes, profile.Memory.Bytes);
        Assert.Null(profile.TopK);
        Assert.Null(profile.Sampling);
        // Training has many launches, decoding one token two.
        Assert.True(profile.TrainingHeadTime > profile.DecodingHeadTime && profile.DecodingTailTime > 0 && profile.BatchTailTime > 0 && profile.TrainingTailTime > 0);
        Assert.Equal(steps.Order(), steps);
        Assert.Equal((7, 1.0), (steps.Count, steps[^1]));

        long[] counts = [.. Enumerable.Range(1, 5000).Select(rank => 1_000_000L / rank)];
        foreach (var (use, launches) in new[] { (SoftmaxUse.Training, profile.TrainingHeadTime + profile.TrainingTailTime), (SoftmaxUse.Greedy, profile.BatchHeadTime + profile.BatchTailTime) })
        {
            var plan = ClusterPlanner.Plan(counts, 64, new ClusterPlanOptions { CostModel = new SoftmaxCostModel { Machine = profile, Use = use, Batch = 16 } }, TestContext.Current.CancellationToken);
            Assert.True(plan.Cost > launches);
        }

        // What a file keeps of it, to four digits, is what was measured.
        var read = MachineProfileFile.Parse(MachineProfileFile.ToText(profile), "gpu.json");
        Assert.Equal(MachineProfileFile.ToText(profile), MachineProfileFile.ToText(read));
        Assert.Equal(("opencl", null, null), (read.Device, read.TopK, read.Sampling));
    }

    [Fact]
    public void MatricesGrow_UntilAStepIsLong()
    {
        // Three doublings lead to the most, and none is tried where the first step is too long already.
        Assert.Equal(1 << 15, DeviceCalibrator.FindWeights(Backend.OpenCl, s_small, new StepWatch(TestContext.Current.CancellationToken)));
        Assert.Equal(1 << 12, DeviceCalibrator.FindWeights(Backend.OpenCl, s_small with { LongStep = TimeSpan.Zero }, new StepWatch(TestContext.Current.CancellationToken)));
    }

    [Fact]
    public void Cancelling_EndsIt() =>
        Assert.Throws<OperationCanceledException>(() => DeviceCalibrator.Measure(Backend.OpenCl, "opencl", cancellationToken: new CancellationToken(canceled: true)));

    [Fact]
    public void Devices_AreOpenedByTheNamesThatAreListed()
    {
        _ = Backend.OpenCl;
        using var context = GpuContext.Create();
        var devices = GpuContext.ListDevices(context);
        var first = devices.First(device => device.Id.StartsWith("opencl", StringComparison.Ordinal));
        Assert.Equal("opencl", first.Id);
        foreach (var id in new[] { "opencl", "opencl:0" })
        {
            using var accelerator = GpuContext.CreateAccelerator(context, id);
            Assert.Equal((first.Name, first.MemoryBytes), (accelerator.Name, accelerator.MemorySize));
        }

        var message = Assert.Throws<NotSupportedException>(() => GpuContext.CreateAccelerator(context, "opencl:9")).Message;
        Assert.Contains("no device 'opencl:9'", message, StringComparison.Ordinal);
        Assert.Contains($"opencl ({first.Name})", message, StringComparison.Ordinal);
    }

    private sealed class Progress(Action<double> report) : IProgress<double>
    {
        public void Report(double value) => report(value);
    }
}
