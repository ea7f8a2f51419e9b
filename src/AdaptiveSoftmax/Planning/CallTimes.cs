using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// What a call that decodes one token takes beyond what a profile's products, memory and fixed times explain: workers that are woken,
/// weights that others have pushed out, what is kept for each candidate. A layer with tails is run as
/// <see cref="LayoutBenchmark"/> runs them, and what the prediction lacks is the call's.
/// </summary>
internal static class CallTimes
{
    /// <summary>The tokens of the softmax that is run: with tails that no cache close by holds, and that cost little where they are seldom visited.</summary>
    public const int Tokens = 40_000;

    /// <summary>How often <see cref="AddTo"/> reports progress.</summary>
    public const int Parts = 4;

    private const int HiddenSize = 512;
    private const int Many = 40;
    private static readonly TimeSpan s_least = TimeSpan.FromMilliseconds(300);

    /// <summary>Its cutoffs; plans of one token have heads of this size.</summary>
    public static int[] Cutoffs { get; } = [1024, 8192];

    /// <summary>Adds the times of calls to a profile that has none.</summary>
    /// <param name="profile">The profile.</param>
    /// <param name="tokens">The size of the vocabulary to run.</param>
    /// <param name="cutoffs">Its cutoffs.</param>
    /// <param name="advance">Called after each part.</param>
    /// <param name="cancellationToken">Stops between two steps.</param>
    public static MachineProfile AddTo(MachineProfile profile, int tokens, int[] cutoffs, Action advance, CancellationToken cancellationToken)
    {
        var counts = Counts(tokens, cutoffs);
        var layout = SoftmaxLayout.Create(HiddenSize, tokens, cutoffs, ClusterPlanOptions.RecommendedDivValue);
        var (greedy, sampling) = (Missing(SoftmaxUse.Greedy, 1), Missing(SoftmaxUse.Sampling, 1));
        var (one, many) = (Missing(SoftmaxUse.TopK, 1), Missing(SoftmaxUse.TopK, Many));
        var candidate = Math.Max(0, (many - one) / (Many - 1));
        return profile with { GreedyCallTime = Math.Max(0, greedy), SamplingCallTime = Math.Max(0, sampling), TopKCallTime = Math.Max(0, one - candidate), CandidateTime = candidate };

        double Missing(SoftmaxUse use, int k)
        {
            var model = new SoftmaxCostModel { Machine = profile, Use = use, Batch = 1, TopK = k };
            var took = Enumerable.Range(0, k == 1 ? MachineCalibrator.Rounds : 1).Min(_ => LayoutBenchmark.Measure(layout, counts, model, profile.Threads, s_least, cancellationToken));
            advance();
            return took - ClusterPlanner.Evaluate(layout, counts, model).Cost;
        }
    }

    // Of all occurrences 97 % fall on the head by Zipf's law, 2.5 % on the first tail and the rest on the second, so that times are mostly those of calls.
    private static long[] Counts(int tokens, int[] cutoffs)
    {
        var ranks = Enumerable.Range(1, cutoffs[0]).Sum(rank => 1.0 / rank);
        return [.. Enumerable.Range(0, tokens).Select(slot => (long)(1e9 * (slot < cutoffs[0] ? 0.97 / ((slot + 1) * ranks) : slot < cutoffs[1] ? 0.025 / (cutoffs[1] - cutoffs[0]) : 0.005 / (tokens - cutoffs[1]))))];
    }
}
