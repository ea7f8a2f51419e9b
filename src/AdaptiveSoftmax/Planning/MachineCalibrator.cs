using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// Measures what the layers of this library take on this machine, in less than a minute: whole products with all that
/// stands around them, as a step has them, rather than a product that no step computes.
/// </summary>
public static class MachineCalibrator
{
    // Where the layer changes its ways: single vectors up to 4 tokens, then lanes by 16, of which the second costs least.
    private static readonly int[] s_batches = [1, 2, 4, 5, 16, 17, 32, 33, 64, 256];
    private static readonly int[] s_widths = [16, 64, 128, 256, 512, 1024];

    // Of weights that no cache holds greedy decoding has lanes from 16 on, and a session from 2.
    private static readonly int[] s_farGreedyBatches = [16, 64, 256];
    private static readonly int[] s_farBatches = [2, 16, 64, 256];

    /// <summary>Whatever else the machine does comes and goes: all is measured twice, some seconds apart, and the lesser time counts.</summary>
    internal const int Rounds = 2;

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
        void Advance() => progress?.Report((double)++done / ((6 * Rounds * s_widths.Length) + 4 + CallTimes.Parts));

        var updates = new List<double>();
        var training = MeasureAll(s_batches, width =>
        {
            using var step = new TrainingProbe(width, options);
            var times = Array.ConvertAll(s_batches, batch => step.Measure(watch, batch));
            updates.Add(step.MeasureUpdate(watch));
            Advance();
            return times;
        });
        ProductTimes Decoding(Func<DecodingProbe, int, Action> call, int[] batches, long bytes = MachineProfile.NearBytes) => MeasureAll(batches, width =>
        {
            using var step = new DecodingProbe(width, bytes, options);
            var times = Array.ConvertAll(batches, batch => watch.Measure(call(step, batch)) / step.Rows);
            Advance();
            return times;
        });

        var greedy = Decoding((probe, batch) => probe.Predict(batch), s_batches);
        var topK = Decoding((probe, batch) => probe.FindBest(batch, k: 1), s_batches);
        var sampling = Decoding((probe, batch) => probe.Draw(batch), s_batches);
        var farGreedy = Decoding((probe, batch) => probe.Predict(batch), s_farGreedyBatches, MachineProfile.FarBytes);
        var farSampling = Decoding((probe, batch) => probe.Draw(batch), s_farBatches, MachineProfile.FarBytes);
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
        var profile = new MachineProfile
        {
            Name = name ?? Environment.MachineName,
            Threads = count,
            Training = training,
            Greedy = greedy,
            TopK = topK,
            Sampling = sampling,
            FarGreedy = farGreedy,
            FarSampling = farSampling,
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
        return CallTimes.AddTo(profile, CallTimes.Tokens, CallTimes.Cutoffs, Advance, cancellationToken);
    }

    private static ProductTimes MeasureAll(int[] batches, Func<int, double[]> measure)
    {
        var times = s_widths.SelectMany(measure).ToArray();
        for (var round = 1; round < Rounds; round++) times = [.. times.Zip(s_widths.SelectMany(measure), Math.Min)];
        return new ProductTimes(new EquatableArray<int>(s_widths), new EquatableArray<int>(batches), new EquatableArray<double>(times));
    }
}
