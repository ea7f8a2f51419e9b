using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>Planning as the library does it, for every use, of a normal and of a large vocabulary, with what the tool prints beside a plan.</summary>
internal sealed class PlanComparison : IComparison
{
    private const int Normal = 200_019;
    private const int Large = 1_000_000;
    private const int HiddenSize = 512;

    public string Name => "plan";

    public string Description => "Planning 200,019 and 1,000,000 tokens for every use, with div values and domains, in milliseconds: the slowest plan of 200,019.";

    public double Run(ComparisonSession session)
    {
        var measurements = new List<(int Size, Measurement Measurement)>();
        foreach (var size in new[] { Normal, Large })
        {
            // Zipf's law, with a tenth of the tokens never counted, as in corpora of a few million tokens.
            long[] counts = [.. Enumerable.Range(1, size).Select(rank => rank > size / 10 * 9 ? 0 : 3L * size / rank)];
            var domains = Domains(counts);
            var plans = Enum.GetValues<SoftmaxUse>().Select(use => (Name: use.ToString().ToLowerInvariant(), Run: (Action)(() => ClusterPlanner.Plan(counts, HiddenSize, Options(use), session.Cancellation))))
                .Append(("div values side by side", () => PlanFrontier.Create(counts, HiddenSize, Options(SoftmaxUse.Training), session.Cancellation)))
                .Append(("four domains, balanced", () => DomainCosts.Balance([.. domains.Select((_, i) => i.ToString(CultureInfo.InvariantCulture))], domains, HiddenSize, Options(SoftmaxUse.Sampling), session.Cancellation)))
                .Append(("kept within memory", () => ClusterPlanner.Plan(counts, HiddenSize, Options(SoftmaxUse.Training) with { MaximumWeightBytes = 700L * size }, session.Cancellation)));
            var measured = session.Measure([.. plans.Select(plan => new Contender(plan.Name, () =>
            {
                plan.Run();
                return 0;
            }))]);
            session.Note($"{size:n0} tokens");
            session.Print("plan", 1, measured);
            measurements.AddRange(measured.Select(measurement => (size, measurement)));
        }

        return measurements.Where(one => one.Size == Normal).Max(one => one.Measurement.Median);
    }

    private static ClusterPlanOptions Options(SoftmaxUse use) =>
        new() { CostModel = new SoftmaxCostModel { Use = use, Batch = SoftmaxCostModel.DefaultBatch(use) } };

    // Each has every fourth token three times as often as the others.
    private static long[][] Domains(long[] counts) =>
        [.. Enumerable.Range(0, 4).Select(domain => counts.Select((count, slot) => slot % 4 == domain ? 3 * count : count).ToArray())];
}
