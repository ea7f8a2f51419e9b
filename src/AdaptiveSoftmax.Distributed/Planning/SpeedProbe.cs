using System.Diagnostics;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Distributed;

/// <summary>
/// Measures <see cref="RankSpeeds"/>. Steps of two softmaxes, wide rows and narrow ones, with few tokens and with many: what more
/// tokens cost is products and logits, which the two have in different proportions; what remains at no tokens is the weights'.
/// </summary>
internal static class SpeedProbe
{
    private const int FewTokens = 64;
    private const int ManyTokens = 256;
    private const int Repetitions = 5;
    private const int Values = 1 << 22;

    private static readonly (int Rows, int Width) s_wide = (4096, 512);
    private static readonly (int Rows, int Width) s_narrow = (98_304, 32);

    public static RankSpeeds Measure(Collectives ranks, int threads)
    {
        // Side by side, as in a job: they share memory and caches.
        ranks.Barrier();
        var (wideToken, wideRest) = TimeSteps(s_wide, threads);
        var (narrowToken, narrowRest) = TimeSteps(s_narrow, threads);

        // A row's token costs one logit and three multiply-adds a column.
        var (wideRow, narrowRow) = (wideToken / s_wide.Rows, narrowToken / s_narrow.Rows);
        var multiplyAdd = Math.Max((wideRow - narrowRow) / (3 * (s_wide.Width - s_narrow.Width)), 1e-15);
        var logit = Math.Max(narrowRow - (3 * s_narrow.Width * multiplyAdd), 1e-15);
        var weight = Math.Max((wideRest + narrowRest) / (((double)s_wide.Rows * s_wide.Width) + ((double)s_narrow.Rows * s_narrow.Width)), 1e-15);
        var (perByte, perGatheredByte, message) = ranks.Size == 1 ? (0, 0, 0) : TimeNetwork(ranks);

        double[] own = [multiplyAdd, logit, weight, perByte, perGatheredByte, message];
        var all = new double[own.Length * ranks.Size];
        ranks.AllGather<double>(own, all);
        double Slowest(int index) => Enumerable.Range(0, ranks.Size).Max(rank => all[(rank * own.Length) + index]);
        return new RankSpeeds
        {
            MultiplyAddsPerSecond = 1 / Slowest(0),
            LogitsPerSecond = 1 / Slowest(1),
            WeightsPerSecond = 1 / Slowest(2),
            BytesPerSecond = 1 / Slowest(3),
            GatheredBytesPerSecond = 1 / Slowest(4),
            SecondsPerMessage = Slowest(5),
        };
    }

    // The seconds of one more token, and those of a step without any.
    private static (double Token, double Weights) TimeSteps((int Rows, int Width) size, int threads)
    {
        using var softmax = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(size.Width, size.Rows), seed: 1, new AdaptiveSoftmaxOptions { Threads = threads });
        using var optimizer = new Adagrad(learningRate: 1e-3) { Threads = threads };
        var (few, many) = (TimeStep(FewTokens), TimeStep(ManyTokens));
        var token = (many - few) / (ManyTokens - FewTokens);
        return (token, Math.Max(few - (FewTokens * token), 0));

        double TimeStep(int tokens)
        {
            var random = new Random(tokens);
            var hidden = new float[tokens * size.Width];
            foreach (ref var value in hidden.AsSpan()) value = random.NextSingle() - 0.5f;
            int[] targets = [.. Enumerable.Range(0, tokens).Select(_ => random.Next(size.Rows))];
            var gradient = new float[hidden.Length];
            return Median(() =>
            {
                softmax.Backward(hidden, targets, gradient);
                optimizer.Step(softmax.Parameters);
            });
        }
    }

    // Sums as training has them: what is received is added up, and copied to where it belongs. And what is put together, as normalisers are.
    private static (double PerByte, double PerGatheredByte, double Message) TimeNetwork(Collectives ranks)
    {
        const int Messages = 100;
        var word = new double[ranks.Size];
        var message = Median(() =>
        {
            for (var i = 0; i < Messages; i++) ranks.AllGather<double>([1.0], word);
        }) / (2 * Messages * Math.Log2(ranks.Size));

        var tree = new SumTree(ranks.Size, ranks.Size);
        float[] terms = new float[Values], sum = new float[Values];
        var part = Values / ranks.Size;
        return (TimeByte(() => ranks.AllReduce(tree, terms, sum)), TimeByte(() => ranks.AllGather<float>(terms.AsSpan(0, part), sum.AsSpan(0, part * ranks.Size))), message);

        double TimeByte(Action work)
        {
            var before = ranks.BytesReceived;
            work();
            var bytes = ranks.BytesReceived - before;
            return Median(work) / bytes;
        }
    }

    private static double Median(Action work)
    {
        work();
        var times = new double[Repetitions];
        for (var i = 0; i < times.Length; i++)
        {
            var start = Stopwatch.GetTimestamp();
            work();
            times[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        Array.Sort(times);
        return times[Repetitions / 2];
    }
}
