using AdaptiveSoftmax.Testing;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Fuzzing;

/// <summary>Damaged machine profiles are read or refused, and what is read can be planned with.</summary>
[MoreAtNight]
public sealed class MachineProfileFuzzTests
{
    private static readonly long[] s_counts = [.. Enumerable.Range(1, 40).Select(rank => 100_000L / rank)];

    [Fact]
    public void Profiles()
    {
        var profile = MachineProfile.Default;
        var full = profile with { FarGreedy = profile.Greedy, FarSampling = profile.Training, GreedyCallTime = 19, CandidateTime = 22 };
        string[] sound = [MachineProfileFile.ToText(full), MachineProfileFile.ToText(profile with { Device = "cuda", TopK = null, Sampling = null, SelectionTime = 0, FarGreedy = null, FarSampling = null })];
        DamagedInputs.Read(mutator => mutator.Next(4) == 0 ? mutator.Text(mutator.Any(sound)) : mutator.Json(mutator.Any(sound)), text =>
        {
            var read = MachineProfileFile.Parse(text, "machine.json");
            Assert.Equal(MachineProfileFile.ToText(read), MachineProfileFile.ToText(MachineProfileFile.Parse(MachineProfileFile.ToText(read), "again.json")));
            foreach (var use in new[] { SoftmaxUse.Training, SoftmaxUse.Greedy })
            {
                var plan = ClusterPlanner.Plan(s_counts, 16, new ClusterPlanOptions { MinimumProjectionWidth = 1, CostModel = new SoftmaxCostModel { Machine = read, Use = use } }, TestContext.Current.CancellationToken);
                Assert.Equal(s_counts.Length, plan.Layout.VocabularySize);
            }
        }, exception => exception is FormatException, "machine.json");
    }
}
