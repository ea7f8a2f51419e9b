using AdaptiveSoftmax.Gpu.Planning;
using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// Measures what the layers of this library take on a device: training steps and greedy decoding of
/// several widths and batches, each waited for.
/// </summary>
public static class DeviceCalibrator
{
    // Of a whole step at the least, where what it takes beyond its launches is too little to be told.
    private const double LeastShare = 0.05;

    /// <summary>Measures a device.</summary>
    /// <param name="accelerator">The device.</param>
    /// <param name="device">What a command line calls it, as <see cref="GpuDeviceInfo.Id"/> does.</param>
    /// <param name="name">What it is called in predictions; null for its driver's name.</param>
    /// <param name="progress">Receives the share that is done, from 0 to 1.</param>
    /// <param name="cancellationToken">Stops between two steps; kernels that are being compiled are waited for.</param>
    /// <exception cref="ArgumentException">The device has no name for a command line.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static MachineProfile Measure(Accelerator accelerator, string device, string? name = null, IProgress<double>? progress = null, CancellationToken cancellationToken = default) =>
        Measure(accelerator, device, name, DeviceSizes.Default, progress, cancellationToken);

    internal static MachineProfile Measure(Accelerator accelerator, string device, string? name, DeviceSizes sizes, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(accelerator);
        ArgumentException.ThrowIfNullOrWhiteSpace(device);
        var watch = new StepWatch(cancellationToken);
        var done = 0;
        void Advance() => progress?.Report((double)++done / ((2 * sizes.Widths.Length) + 3));

        var fixedTimes = DeviceFixedTimes.Measure(accelerator, watch);
        Advance();
        var weights = FindWeights(accelerator, sizes, watch);
        Advance();
        var updates = new List<double>();
        var training = MeasureAll((probe, batch) => probe.Propagate(watch, batch), _ => fixedTimes.Propagation, probe => updates.Add(probe.Update(watch)));
        var greedy = MeasureAll((probe, batch) => probe.Predict(watch, batch), batch => batch == 1 ? fixedTimes.OneHead : fixedTimes.BatchHead);
        var memory = MeasureMemory(accelerator, sizes, watch, fixedTimes.OneHead);
        Advance();
        updates.Sort();
        return new MachineProfile
        {
            Name = name ?? accelerator.Name,
            Device = device,
            Threads = 1,
            Training = training,
            Greedy = greedy,
            TopK = null,
            Sampling = null,
            SelectionTime = 0,
            Memory = memory,
            UpdateTime = Beyond(updates[updates.Count / 2], fixedTimes.Update) / weights,
            TrainingHeadTime = fixedTimes.Propagation + fixedTimes.Update,
            TrainingTailTime = fixedTimes.TrainingTail,
            DecodingHeadTime = fixedTimes.OneHead,
            DecodingTailTime = fixedTimes.OneTail,
            BatchHeadTime = fixedTimes.BatchHead,
            BatchTailTime = fixedTimes.BatchTail,
        };

        ProductTimes MeasureAll(Func<DeviceProbe, int, double> measure, Func<int, double> fixedTime, Action<DeviceProbe>? last = null)
        {
            var times = new List<double>();
            foreach (var width in sizes.Widths)
            {
                var rows = (int)(weights / width);
                using var probe = new DeviceProbe(accelerator, SoftmaxLayout.CreateFull(width, rows), sizes.Batches[^1]);
                times.AddRange(sizes.Batches.Select(batch => Beyond(measure(probe, batch), fixedTime(batch)) / rows));
                last?.Invoke(probe);
                Advance();
            }

            return new ProductTimes(new EquatableArray<int>(sizes.Widths), new EquatableArray<int>(sizes.Batches), new EquatableArray<double>(times));
        }
    }

    private static double Beyond(double time, double fixedTime) => Math.Max(time - fixedTime, time * LeastShare);

    // As many as keep the device busy beyond its launches, and a slow one no longer than a moment.
    internal static long FindWeights(Accelerator accelerator, DeviceSizes sizes, StepWatch watch)
    {
        const int Batch = 64;
        const int BytesOfTraining = 4 * sizeof(float);
        var width = sizes.Widths[^1];
        for (var weights = sizes.FewestWeights; ; weights *= 2)
        {
            if (2 * weights > sizes.MostWeights || 2 * weights * BytesOfTraining > accelerator.MemorySize / 4) return weights;
            using var probe = new DeviceProbe(accelerator, SoftmaxLayout.CreateFull(width, (int)(weights / width)), Batch);
            if (probe.Propagate(watch, Batch) > sizes.LongStep.TotalNanoseconds) return weights;
        }
    }

    private static MemoryTimes MeasureMemory(Accelerator accelerator, DeviceSizes sizes, StepWatch watch, double fixedTime)
    {
        long[] bytes = [.. sizes.Bytes.Where((size, index) => index == 0 || size <= accelerator.MemorySize / 8)];
        var rates = Array.ConvertAll(bytes, size =>
        {
            using var probe = new DeviceProbe(accelerator, SoftmaxLayout.CreateFull(sizes.Widths[^1], (int)(size / sizeof(float) / sizes.Widths[^1])), mostTokens: 1);
            return size / Beyond(probe.Predict(watch, tokens: 1), fixedTime);
        });
        return new MemoryTimes(new EquatableArray<long>(bytes), new EquatableArray<double>(rates));
    }
}
