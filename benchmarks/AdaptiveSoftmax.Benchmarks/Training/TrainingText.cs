using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>The targets of training: real text as slots, which are ranks by count as in a token table.</summary>
/// <param name="Slots">The slot of each token in the order of the text.</param>
/// <param name="Plan">The cutoffs that the planner chooses.</param>
internal sealed record TrainingText(int[] Slots, ClusterPlan Plan)
{
    public static TrainingText Load(int hiddenSize, ComparisonSession session)
    {
        var (_, stream, counts) = Documentation.Load(session.Cancellation);
        var ranking = Enumerable.Range(0, counts.Length).OrderByDescending(id => counts[id]).ThenBy(id => id).ToArray();
        var slotOf = new int[counts.Length];
        for (var slot = 0; slot < ranking.Length; slot++) slotOf[ranking[slot]] = slot;
        var plan = ClusterPlanner.Plan([.. ranking.Select(id => counts[id])], hiddenSize, new ClusterPlanOptions { DivValue = SoftmaxSpec.DefaultDivValue, MinimumWidthShare = 0 }, session.Cancellation);
        session.Note($"{stream.Length:N0} tokens of .NET's API documentation; {plan.Layout.VocabularySize:N0} in the vocabulary; cutoffs {string.Join(", ", plan.Cutoffs)}, which hold {string.Join(", ", plan.Coverage.Select(share => $"{100 * share:F1} %"))} of the targets");
        return new TrainingText([.. stream.Select(id => slotOf[id])], plan);
    }
}
