using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Planning;

public sealed class StatesVisitsTests
{
    private const int HiddenSize = 24, Tokens = 160, Count = 300;

    // The sample knows no cutoffs; the softmax decodes with these, and counts what it visits.
    [Theory]
    [InlineData(40, 90)]
    [InlineData(10, 30)]
    public void Visits_AreThoseOfExactDecoding(int first, int second)
    {
        var folder = Directory.CreateTempSubdirectory("adaptive-softmax-visits-");
        try
        {
            using var softmax = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(HiddenSize, Tokens, [first, second], 2.0), seed: 5);
            var random = new Random(1);
            float[] hidden = [.. Enumerable.Range(0, Count * HiddenSize).Select(_ => (float)((random.NextDouble() * 24) - 12))];
            var path = Path.Combine(folder.FullName, "states.safetensors");
            StatesWriter.Write(path, HiddenSize, writer => writer.Add(hidden, new int[Count]), cancellationToken: TestContext.Current.CancellationToken);
            using var states = StatesFile.Open(path);
            var table = Table([.. Enumerable.Range(0, Tokens)]);
            var sample = StatesVisits.Measure(states, softmax, table, table, topK: 5, cancellationToken: TestContext.Current.CancellationToken);
            Assert.Equal(Count, sample.Count);

            using var session = softmax.CreateSession();
            var all = new float[Tokens];
            var (greedy, best) = (0, 0);
            var mass = 0.0;
            for (var i = 0; i < Count; i++)
            {
                var vector = hidden.AsSpan(i * HiddenSize, HiddenSize);
                greedy += session.TopK(vector, new int[1], new float[1]).TailsVisited;
                best += session.TopK(vector, new int[5], new float[5]).TailsVisited;
                softmax.LogProb(vector, all);
                for (var slot = first; slot < second; slot++) mass += Math.Exp(all[slot]);
            }

            double Visits(SoftmaxUse use) => sample.VisitProbability(use, first, second) + sample.VisitProbability(use, second, Tokens);
            Assert.InRange(greedy, 10, (2 * Count) - 1);
            Assert.Equal(greedy, Visits(SoftmaxUse.Greedy) * Count, 1e-6);
            Assert.Equal(best, Visits(SoftmaxUse.TopK) * Count, 1e-6);
            Assert.Equal(mass / Count, sample.VisitProbability(SoftmaxUse.Sampling, first, second), 1e-5);

            // Of a plan that drops half of the head, the others have the share.
            var dropped = first / 2;
            var fewer = StatesVisits.Measure(states, softmax, table, Table([.. Enumerable.Range(dropped, Tokens - dropped)]), topK: 5, cancellationToken: TestContext.Current.CancellationToken);
            var (part, fewerGreedy, fewerBest) = (0.0, 0, 0);
            for (var i = 0; i < Count; i++)
            {
                softmax.LogProb(hidden.AsSpan(i * HiddenSize, HiddenSize), all);
                double[] left = [.. all.Skip(dropped).Select(value => Math.Exp(value))];
                double[] sorted = [.. left.OrderDescending()];
                var tail = left[(first - dropped)..(second - dropped)].Sum();
                part += tail / left.Sum();
                fewerGreedy += tail > sorted[0] * (1 - 1e-9) ? 1 : 0;
                fewerBest += tail > sorted[4] * (1 - 1e-9) ? 1 : 0;
            }

            Assert.InRange(part, 1.3 * mass, Count);
            Assert.Equal(part / Count, fewer.VisitProbability(SoftmaxUse.Sampling, first - dropped, second - dropped), 1e-5);
            Assert.Equal(fewerGreedy, fewer.VisitProbability(SoftmaxUse.Greedy, first - dropped, second - dropped) * Count, 1e-6);
            Assert.Equal(fewerBest, fewer.VisitProbability(SoftmaxUse.TopK, first - dropped, second - dropped) * Count, 1e-6);

            // The plan has the tokens in another order, and one more.
            int[] reordered = [.. Enumerable.Range(0, Tokens).Reverse(), 999];
            var other = StatesVisits.Measure(states, softmax, table, Table(reordered), topK: 5, cancellationToken: TestContext.Current.CancellationToken);
            Assert.Equal(sample.VisitProbability(SoftmaxUse.Greedy, first, second), other.VisitProbability(SoftmaxUse.Greedy, Tokens - second, Tokens - first), 1e-9);
            Assert.Equal(0, other.VisitProbability(SoftmaxUse.Sampling, Tokens, Tokens + 1));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    // The plan leaves out a token whose probability is 1 in float32, and that of all others 0.
    [Fact]
    public void CertainTokenThatIsLeftOut_LeavesTheShareToTheOthers()
    {
        var folder = Directory.CreateTempSubdirectory("adaptive-softmax-visits-");
        try
        {
            using var softmax = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(1, 4));
            softmax.Parameters[0].Set([200f, MathF.Log(6), MathF.Log(3), 0f]);
            var path = Path.Combine(folder.FullName, "states.safetensors");
            StatesWriter.Write(path, 1, writer => writer.Add([1f], [0]), cancellationToken: TestContext.Current.CancellationToken);
            using var states = StatesFile.Open(path);
            var sample = StatesVisits.Measure(states, softmax, Table([0, 1, 2, 3]), Table([1, 2, 3]), cancellationToken: TestContext.Current.CancellationToken);
            Assert.Equal(0.4, sample.VisitProbability(SoftmaxUse.Sampling, 1, 3), 1e-4);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void PlansByASample_PayForWhatItVisits()
    {
        long[] counts = [.. Enumerable.Range(1, 300).Select(rank => 10_000L / rank)];
        var sample = new VisitSample(counts.Length, topK: 3);
        var probabilities = new float[counts.Length];
        (probabilities[2], probabilities[150], probabilities[299]) = (0.5f, 0.3f, 0.2f);
        sample.Add(probabilities);
        (probabilities[2], probabilities[299]) = (0.2f, 0.5f);
        sample.Add(probabilities);
        var options = new ClusterPlanOptions { Clusters = 2, Visits = sample, CostModel = new SoftmaxCostModel { Use = SoftmaxUse.Greedy, Batch = 1 } };
        var plan = ClusterPlanner.Plan(counts, 64, options, TestContext.Current.CancellationToken);

        Assert.Equal(plan.Layout.Tails.Select(tail => sample.VisitProbability(SoftmaxUse.Greedy, tail.Start, tail.Start + tail.Size)), plan.Visits);
        Assert.Equal(0.5, sample.VisitProbability(SoftmaxUse.Greedy, 200, 300));
        Assert.Equal(0, sample.VisitProbability(SoftmaxUse.Greedy, 150, 200));
        Assert.Equal(1, sample.VisitProbability(SoftmaxUse.TopK, 150, 200));
        Assert.Throws<ArgumentException>(() => sample.Add(new float[299]));
        Assert.Throws<ArgumentException>(() => sample.Add(new float[300]));
        Assert.Throws<InvalidOperationException>(() => new VisitSample(10).VisitProbability(SoftmaxUse.Greedy, 1, 10));
        Assert.Contains("of 300 tokens", Assert.Throws<ArgumentException>(() => ClusterPlanner.Plan(counts.AsSpan(1), 64, options, TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
    }

    private static TokenTable Table(int[] ids) =>
        TokenTable.Create(ids, [.. ids.Select((_, place) => 10_000L - place)], [.. ids.Select(BitConverter.GetBytes)]);
}
