using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// Measures what the layers of this library take on this machine, in half a minute: whole products with all that
/// stands around them, as a step has them, rather than a product that no step computes.
/// </summary>
public static class MachineCalibrator
{
    // Where the layer changes its ways: single vectors up to 4 tokens, then lanes by 16, of which the second costs least.
    private static readonly int[] s_batches = [1, 2, 4, 5, 16, 17, 32, 33, 64, 256];
    private static readonly int[] s_widths = [16, 64, 128, 256, 512, 1024];

    /// <summary>Measures this machine.</summary>
    /// <param name="name">What the machine is called; null for its own name.</param>
    /// <param name="threads">The threads, the caller's included, at least 1; null for all processors.</param>
    /// <param name="progress">Receives the share that is done, from 0 to 1.</param>
    /// <param name="cancellationToken">Stops between two products.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are less than 1 threads.</exception>
    /// <exception cref="OutOfMemoryException">There are not some hundred megabytes.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static MachineProfile Measure(string? name = null, int? threads = null, IProgress<double>? progress = null, CancellationToken cancellationToken = default)
    {
        var count = ThreadCount.OrDefault(threads, nameof(threads));
        var options = new AdaptiveSoftmaxOptions { Threads = count };
        using var workers = WorkerPool.Get(count).KeepWorkers();
        var watch = new StepWatch(cancellationToken);
        var done = 0;
        void Advance() => progress?.Report((double)++done / ((4 * s_widths.Length) + 4));

        var updates = new List<double>();
        var training = MeasureAll(width =>
        {
            using var step = new TrainingProbe(width, options);
            var times = Array.ConvertAll(s_batches, batch => step.Measure(watch, batch));
            updates.Add(step.MeasureUpdate(watch));
            Advance();
            return times;
        });
        ProductTimes Decoding(Func<DecodingProbe, int, Action> call) => MeasureAll(width =>
        {
            using var step = new DecodingProbe(width, options);
            var times = Array.ConvertAll(s_batches, batch => watch.Measure(call(step, batch)) / step.Rows);
            Advance();
            return times;
        });

        var greedy = Decoding((probe, batch) => probe.Predict(batch));
        var topK = Decoding((probe, batch) => probe.FindBest(batch, k: 1));
        var sampling = Decoding((probe, batch) => probe.Draw(batch));
        var selection = SelectionProbe.Measure(watch, options);
        Advance();
        var memory = MemoryProbe.Measure(watch, options);
        Advance();
        var (trainingHead, trainingTail) = FixedTimes.OfTraining(watch, options);
        Advance();
        var (decodingHead, decodingTail) = FixedTimes.OfDecoding(watch, options);
        var (batchHead, batchTail) = FixedTimes.OfBatches(watch, options);
        Advance();
        updates.Sort();
        return new MachineProfile
        {
            Name = name ?? Environment.MachineName,
            Threads = count,
            Training = training,
            Greedy = greedy,
            TopK = topK,
            Sampling = sampling,
            SelectionTime = selection,
            Memory = memory,
            UpdateTime = updates[updates.Count / 2],
            TrainingHeadTime = trainingHead,
            TrainingTailTime = trainingTail,
            DecodingHeadTime = decodingHead,
            DecodingTailTime = decodingTail,
            BatchHeadTime = batchHead,
            BatchTailTime = batchTail,
        };
    }

    private static ProductTimes MeasureAll(Func<int, double[]> measure) =>
        new(new EquatableArray<int>(s_widths), new EquatableArray<int>(s_batches), new EquatableArray<double>(s_widths.SelectMany(measure)));
}
