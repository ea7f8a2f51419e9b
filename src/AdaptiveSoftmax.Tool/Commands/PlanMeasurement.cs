using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>A layout's predicted time of a step beside what it took.</summary>
/// <param name="Name">What the layout is.</param>
/// <param name="Cutoffs">Its cutoffs; none for a full softmax.</param>
/// <param name="PredictedNanoseconds">What the plan predicts.</param>
/// <param name="MeasuredNanoseconds">What it took.</param>
internal sealed record PlanMeasurement(string Name, IReadOnlyList<int> Cutoffs, double PredictedNanoseconds, double MeasuredNanoseconds)
{
    private const int BestPlans = 3;

    /// <summary>How much the prediction is off, as a share of what was measured.</summary>
    public double Error => (PredictedNanoseconds / MeasuredNanoseconds) - 1;

    /// <summary>Runs the plan, the best plans with one cluster more or fewer, and a full softmax.</summary>
    public static IReadOnlyList<PlanMeasurement> Run(PlanOutcome outcome, ReadOnlySpan<long> counts, ToolConsole console, CancellationToken cancellationToken)
    {
        var (plan, options) = (outcome.Plan, outcome.Options);
        var others = new List<ClusterPlan>();
        for (var clusters = Math.Max(1, plan.Cutoffs.Count - 1); clusters <= plan.Cutoffs.Count + 1 && options.Projections.Count == 0; clusters++)
        {
            var width = ProjectionWidth.Compute(plan.Layout.HiddenSize, options.DivValue, clusters - 1);
            if (clusters != plan.Cutoffs.Count && width > 0 && clusters < plan.Layout.VocabularySize - options.MinimumHeadSize)
                others.Add(PlanCommand.Plan(counts, plan.Layout.HiddenSize, options with { Clusters = clusters, MaximumWeightBytes = null }, cancellationToken));
        }

        var measured = new List<PlanMeasurement>();
        foreach (var (name, other) in others.OrderBy(other => other.Cost).Take(BestPlans - 1).Select(other => ($"{other.Cutoffs.Count} clusters", other)).Prepend(("plan", plan)))
            measured.Add(new PlanMeasurement(name, other.Cutoffs, other.Cost, Measure(other.Layout, counts)));
        var full = SoftmaxLayout.CreateFull(plan.Layout.HiddenSize, plan.Layout.VocabularySize, plan.Layout.HasHeadBias);
        measured.Add(new PlanMeasurement("full softmax", [], plan.FullCost, Measure(full, counts)));
        return measured;

        double Measure(SoftmaxLayout layout, ReadOnlySpan<long> slots)
        {
            try
            {
                return LayoutBenchmark.Measure(layout, slots, options.CostModel, options.CostModel.Machine.Threads, options.Visits, cancellationToken);
            }
            catch (OutOfMemoryException)
            {
                console.WriteNote($"There is not enough memory to run {layout.VocabularySize} tokens with {layout.TailCount} tails.");
                return double.NaN;
            }
        }
    }
}
