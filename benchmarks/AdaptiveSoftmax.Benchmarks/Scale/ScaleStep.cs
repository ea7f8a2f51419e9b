using System.Diagnostics;
using AdaptiveSoftmax.Distributed;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>The training step of <c>compare scale</c> on one rank: one thread, a batch of 256 targets a rank, Adagrad.</summary>
internal static class ScaleStep
{
    public const int HiddenSize = 512;
    public const int TokensPerRank = 256;

    /// <summary>That of the sample language model.</summary>
    public static SoftmaxLayout Layout { get; } = SoftmaxLayout.Create(HiddenSize, 200_019, [2_096, 20_209]);

    /// <summary>Data in parallel, the vocabulary over the ranks.</summary>
    public static IReadOnlyList<string> Ways { get; } = ["data", "vocabulary"];

    /// <summary>The way that takes no steps, but measures what the model of step time goes by.</summary>
    public const string Speeds = "speeds";

    /// <summary>Times some steps, and counts the bytes that this rank receives in one.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="way">One of <see cref="Ways"/>, or <see cref="Speeds"/>.</param>
    /// <param name="steps">The steps to time, after some that are not.</param>
    /// <returns>The median of the steps in milliseconds, and the bytes a step; or the numbers that <see cref="ScaleModel.Read"/> reads.</returns>
    public static double[] Measure(Collectives ranks, string way, int steps)
    {
        const int WarmUpSteps = 5;
        if (way == Speeds) return ScaleModel.Measure(ranks);
        using var optimizer = new Adagrad(learningRate: 0.05) { Threads = 1 };
        using var side = way == "data" ? (Side)new DataSide(ranks, optimizer) : new VocabularySide(ranks, optimizer);
        var times = new List<double>();
        var before = 0L;
        for (var step = -WarmUpSteps; step < steps; step++)
        {
            if (step == 0) before = ranks.BytesReceived;
            var start = Stopwatch.GetTimestamp();
            side.Step(step);
            if (step >= 0) times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }

        times.Sort();
        return [times[times.Count / 2], (ranks.BytesReceived - before) / steps];
    }

    // Hidden vectors are random: time does not depend on them. Targets are as frequent as one over their rank, as words are.
    private static (float[] Hidden, int[] Targets) Batch(int step, int part, int tokens)
    {
        var random = new Random((1000 * step) + part);
        var hidden = new float[tokens * HiddenSize];
        foreach (ref var value in hidden.AsSpan()) value = (float)((2 * random.NextDouble()) - 1);
        var targets = new int[tokens];
        foreach (ref var target in targets.AsSpan()) target = (int)Math.Exp(random.NextDouble() * Math.Log(Layout.VocabularySize)) - 1;
        return (hidden, targets);
    }

    private abstract class Side : IDisposable
    {
        public abstract void Step(int step);

        public abstract void Dispose();
    }

    private sealed class DataSide(Collectives ranks, Optimizer optimizer) : Side
    {
        private readonly DynamicAdaptiveSoftmax _softmax = new(Layout, seed: 1, new AdaptiveSoftmaxOptions { Threads = 1 });
        private DataParallel? _parallel;

        public override void Step(int step)
        {
            _parallel ??= new DataParallel(ranks, _softmax, body: null, ranks.Size) { Threads = 1 };
            var (hidden, targets) = Batch(step, ranks.Rank, TokensPerRank);
            _parallel.Backward(hidden, targets, new float[hidden.Length]);
            _parallel.EndShard(ranks.Rank);
            _parallel.Reduce();
            _parallel.Step(optimizer);
        }

        public override void Dispose()
        {
            _parallel?.Dispose();
            _softmax.Dispose();
        }
    }

    private sealed class VocabularySide(Collectives ranks, Optimizer optimizer) : Side
    {
        private readonly VocabularyParallel _softmax = new(ranks, Layout, seed: 1, plan: null, new AdaptiveSoftmaxOptions { Threads = 1 });

        public override void Step(int step)
        {
            var (hidden, targets) = Batch(step, 0, TokensPerRank * ranks.Size);
            _softmax.Backward(hidden, targets, new float[hidden.Length]);
            _softmax.Step(optimizer);
        }

        public override void Dispose() => _softmax.Dispose();
    }
}
