using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Distributed.Tests;

public sealed class VocabularyParallelTests
{
    private static readonly Lazy<string> s_alone = new(() => CollectivesTests.RunThreads(1, "vocabulary", "200"));

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(6)]
    public void TwoHundredSteps_HaveTheSameBits_ForAnyNumberOfThreads(int ranks) => Assert.Equal(s_alone.Value, CollectivesTests.RunThreads(ranks, "vocabulary", "200"));

    [Theory]
    [InlineData("openmpi", 2)]
    [InlineData("openmpi", 3)]
    [InlineData("mpich", 2)]
    public async Task TwoHundredSteps_HaveTheSameBits_ForProcesses(string launcher, int ranks)
    {
        var job = await MpiJob.RunAsync(launcher, ranks, "vocabulary", "200");
        Assert.Equal(s_alone.Value, job.OutputOfSuccess());
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(6)]
    public void AHeadThatEveryRankHas_GivesTheSameBits_ForAnyNumberOfRanks(int ranks)
    {
        var alone = Run(1, isGathered: false);
        Assert.Equal(alone, Run(ranks, isGathered: false));
        Assert.Equal(alone, Run(ranks, isGathered: true));
        Assert.NotEqual(s_alone.Value, alone);

        static string Run(int ranks, bool isGathered)
        {
            var output = new string[ranks];
            ThreadCollectives.Run(ranks, collectives => output[collectives.Rank] = VocabularyProgram.Run(collectives, 60, VocabularyProgram.TailsPlan, isGathered));
            return Assert.Single(output.Distinct());
        }
    }

    [Fact]
    public void TheLayer_Learns()
    {
        var words = s_alone.Value.Split(' ');
        Assert.InRange(double.Parse(words[^1], CultureInfo.InvariantCulture), 0, double.Parse(words[^3], CultureInfo.InvariantCulture) - 0.5);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void TheSameSeed_GivesTheWeightsOfAWholeLayer(int ranks)
    {
        using var whole = new DynamicAdaptiveSoftmax(VocabularyProgram.Layout, seed: 4);
        float[] expected = [.. whole.Parameters.SelectMany(parameter => parameter.Values.ToArray())];
        ThreadCollectives.Run(ranks, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            Assert.Equal(expected, VocabularyProgram.Weights(collectives, softmax));
            var rows = softmax.Parameters.Where(parameter => parameter.Name.StartsWith("tail.0.1.weight[", StringComparison.Ordinal)).Sum(parameter => parameter.Rows);
            Assert.InRange(rows, 950 / ranks - 160, 950 / ranks + 160);
        });
    }

    [Theory]
    [InlineData(0, 0f)]
    [InlineData(2, 0f)]
    [InlineData(3, 0.2f)]
    [InlineData(4, 0f)]
    public void LossAndGradients_AreThoseOfAWholeLayer(int step, float smoothing)
    {
        var (hidden, targets) = VocabularyProgram.Batch(step);
        var weights = targets.Select((_, token) => 0.5f + (token % 3)).ToArray();
        var options = new LossOptions { LabelSmoothing = smoothing };
        using var whole = new DynamicAdaptiveSoftmax(VocabularyProgram.Layout, seed: 4);
        var (expectedGradient, expectedLosses) = (new float[hidden.Length], new float[targets.Length]);
        var expected = whole.Backward(hidden, targets, expectedGradient, options, weights, expectedLosses);
        ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            var (gradient, losses) = (new float[hidden.Length], new float[targets.Length]);
            Assert.Equal(expected, softmax.Loss(hidden, targets, options, weights, losses), 1e-5);
            AssertClose(expectedLosses, losses, 1e-5f);
            Assert.Equal(expected, softmax.Backward(hidden, targets, gradient, options, weights), 1e-5);
            AssertClose(expectedGradient, gradient, 2e-6f);
            foreach (var parameter in softmax.Parameters)
            {
                var name = parameter.Name.Split('[', '.', ']');
                var start = parameter.Name.EndsWith(']') ? int.Parse(name[^4], CultureInfo.InvariantCulture) : 0;
                var tensor = whole.Parameters.Single(tensor => tensor.Name == parameter.Name.Split('[')[0]);
                Assert.Equal(tensor.HasGradient, parameter.HasGradient);
                AssertClose(tensor.Gradient.Slice(start * tensor.Columns, (int)parameter.Count), parameter.Gradient, 2e-6f);
            }

            Assert.Equal(Norm(whole), softmax.ClipByGlobalNorm(double.PositiveInfinity), 1e-5);
        });

        static double Norm(DynamicAdaptiveSoftmax softmax) => Math.Sqrt(softmax.Parameters.Sum(parameter => parameter.Gradient.ToArray().Sum(value => (double)value * value)));
    }

    [Fact]
    public void TheLoss_IsThatOfFloat64()
    {
        var layout = SoftmaxLayout.Create(VocabularyProgram.Hidden, 300, [100], [5]);
        var (hidden, targets) = VocabularyProgram.Batch(1, vocabulary: 300);
        using var whole = new DynamicAdaptiveSoftmax(layout, seed: 8);
        var sum = 0.0;
        var count = 0;
        for (var token = 0; token < targets.Length; token++)
        {
            if (targets[token] < 0) continue;
            double[] vector = [.. hidden[(token * 12)..((token + 1) * 12)]];
            var head = LogSoftmax(Multiply(whole.Parameters[0], vector));
            var tail = LogSoftmax(Multiply(whole.Parameters[2], Multiply(whole.Parameters[1], vector)));
            sum -= targets[token] < 100 ? head[targets[token]] : head[100] + tail[targets[token] - 100];
            count++;
        }

        ThreadCollectives.Run(3, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives, 8, layout, new VocabularyPlan { CutsHead = true, CutsTails = [true], Blocks = 3 });
            Assert.Equal(sum / count, softmax.Loss(hidden, targets), 1e-6 * sum / count);
        });

        static double[] Multiply(Parameter matrix, double[] vector) => [.. Enumerable.Range(0, matrix.Rows).Select(row => matrix.Row(row).ToArray().Select((value, column) => value * vector[column]).Sum())];
        static double[] LogSoftmax(double[] logits)
        {
            var total = Math.Log(logits.Sum(Math.Exp));
            return [.. logits.Select(logit => logit - total)];
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 1)]
    [InlineData(2, 19)]
    public void Decoding_HasTheBitsOfAWholeLayer(int ranks, int tokens)
    {
        var hidden = VocabularyProgram.Batch(0).Hidden[..(tokens * VocabularyProgram.Hidden)];
        using var whole = new DynamicAdaptiveSoftmax(VocabularyProgram.Layout, seed: 4, VocabularyProgram.Options);
        var expected = Decode(whole, hidden, tokens);
        ThreadCollectives.Run(ranks, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            Assert.Equal(expected, Decode(softmax, hidden, tokens));
        });
    }

    [Fact]
    public void Decoding_GathersTheClustersItNeeds()
    {
        ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);

            // A shortlist token that no tail can beat: the head's row of it becomes the vector itself.
            var hidden = VocabularyProgram.Batch(0).Hidden[..VocabularyProgram.Hidden];
            if (collectives.Rank == 0) softmax.Parameters[0].EditRow(3, row => hidden.CopyTo(row));
            var before = collectives.BytesReceived;
            Assert.Equal(3, softmax.Predict(hidden));
            Assert.InRange(collectives.BytesReceived - before, 1, (4 * 76) + 64);
            before = collectives.BytesReceived;
            softmax.LogProb(hidden, new float[1300]);
            Assert.InRange(collectives.BytesReceived - before, 4 * 1100 / 2, (4 * 660) + 128);
        });
    }

    [Fact]
    public void BytesOfAStep_DoNotGrowWithTheVocabulary()
    {
        var (small, large) = (StepBytes(400, Step), StepBytes(40_000, Step));
        Assert.Equal(small, large);

        // Of each of 20 tokens: one node and a logit of the target at most, and the gradient of the hidden vector, for head and tail.
        Assert.InRange(small, 20 * 4 * (12 + 4), (20 * ((2 * 16) + (4 * (12 + 4)))) + (6 * 32));

        static void Step(VocabularyParallel softmax) => softmax.Backward(new float[20 * 12], [.. Enumerable.Repeat(150, 20)], new float[20 * 12]);
    }

    /// <summary>The bytes that the first of two ranks receives in a step of a vocabulary of some size.</summary>
    internal static long StepBytes(int vocabulary, Action<VocabularyParallel> step)
    {
        var bytes = 0L;
        ThreadCollectives.Run(2, collectives =>
        {
            var layout = SoftmaxLayout.Create(12, vocabulary, [100], [4]);
            using var softmax = VocabularyProgram.Create(collectives, 1, layout, new VocabularyPlan { CutsHead = true, CutsTails = [true], Blocks = 2 });
            var before = collectives.BytesReceived;
            step(softmax);
            if (collectives.Rank == 0) bytes = collectives.BytesReceived - before;
        });
        return bytes;
    }

    [Fact]
    public void MoreRanksThanRows_AreRefusedByName()
    {
        var layout = SoftmaxLayout.Create(12, 300, [100, 298], [5, 5]);
        Assert.Equal("Tail 1 has 2 rows, of which 3 ranks cannot have one each; do not cut it, or start fewer ranks.", Refusal(layout, new VocabularyPlan { CutsHead = true, CutsTails = [true, true] }));
        Assert.Equal("The plan cuts a cluster into 2 blocks, of which 3 ranks cannot have one each; set Blocks to at least 3, or start fewer ranks.", Refusal(layout, new VocabularyPlan { CutsHead = true, CutsTails = [true, false], Blocks = 2 }));
        Assert.Equal("The plan says of 1 tails whether they are cut, and the layout has 2.", Refusal(layout, new VocabularyPlan { CutsHead = true, CutsTails = [true] }));

        static string Refusal(SoftmaxLayout layout, VocabularyPlan plan) =>
            Assert.Throws<ArgumentException>(() => ThreadCollectives.Run(3, collectives => VocabularyProgram.Create(collectives, 1, layout, plan))).Message;
    }

    [Fact]
    public void ThePlan_FollowsFromTheSizes()
    {
        var plan = VocabularyPlan.Create(SoftmaxLayout.Create(64, 10_000, [900, 1000, 1900], [16, 8, 4]));
        Assert.False(plan.CutsHead);
        Assert.Equal([false, false, true], plan.CutsTails);
        Assert.True(VocabularyPlan.Create(SoftmaxLayout.Create(64, 10_000, [900], [16]), minimumRows: 901).CutsHead);
    }

    [Fact]
    public void AnotherBatch_IsRefused()
    {
        Assert.Contains("Rank 1 takes the loss of 1 tokens (checksum ", Refusal((softmax, rank) => softmax.Loss(new float[12], [5 + rank])), StringComparison.Ordinal);
        Assert.Contains("Rank 1 takes the loss of 1 tokens (checksum ", Refusal((softmax, rank) => softmax.Loss([.. Enumerable.Repeat((float)rank, 12)], [5])), StringComparison.Ordinal);
        Assert.Contains("Rank 1 takes the loss of 2 tokens", Refusal((softmax, rank) => softmax.Loss(new float[12 * (rank + 1)], [.. Enumerable.Repeat(5, rank + 1)])), StringComparison.Ordinal);
        Assert.Contains("Rank 1 decodes 1 tokens (checksum ", Refusal((softmax, rank) => softmax.Predict([.. Enumerable.Repeat((float)rank, 12)])), StringComparison.Ordinal);
        Assert.Contains("Rank 1 takes the loss of ", Refusal((softmax, rank) => _ = rank == 0 ? softmax.Predict(new float[12]) : softmax.Loss(new float[12], [5])), StringComparison.Ordinal);

        static string Refusal(Action<VocabularyParallel, int> call) => Assert.Throws<RankMismatchException>(() => ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            call(softmax, collectives.Rank);
        })).Message;
    }

    // One rank's layout differs in one thing.
    [Theory]
    [InlineData(12, 61, 40, 3, false)]
    [InlineData(13, 60, 40, 3, false)]
    [InlineData(12, 60, 41, 3, false)]
    [InlineData(12, 60, 40, 2, false)]
    [InlineData(12, 60, 40, 3, true)]
    public void OtherLayouts_AreNamedWithBothValues(int hidden, int tokens, int cutoff, int width, bool hasBias)
    {
        var exception = Assert.Throws<RankMismatchException>(() => ThreadCollectives.Run(2, collectives =>
        {
            var layout = collectives.Rank == 0 ? SoftmaxLayout.Create(12, 60, [20, 40], [6, 3]) : SoftmaxLayout.Create(hidden, tokens, [20, cutoff], [6, width], hasBias);
            new VocabularyParallel(collectives, layout).Dispose();
        }));
        Assert.Contains($"the layout is {Describe(hidden, tokens, cutoff, width, hasBias)}", exception.Message, StringComparison.Ordinal);
        Assert.Contains($" and {Describe(12, 60, 40, 3, hasBias: false)}", exception.Message, StringComparison.Ordinal);

        static string Describe(int hidden, int tokens, int cutoff, int width, bool hasBias) => FormattableString.Invariant(
            $"{tokens} tokens, hidden size {hidden}, {(hasBias ? "a" : "no")} head bias, cutoffs 20, {cutoff}, projections 6, {width}");
    }

    [Fact]
    public void OtherSeedsAndPlans_AreNamedWithBothValues()
    {
        var exception = Assert.Throws<RankMismatchException>(() => ThreadCollectives.Run(2, collectives =>
            VocabularyProgram.Create(collectives, (ulong)collectives.Rank + 1, plan: VocabularyProgram.Plan with { Blocks = 6 + collectives.Rank }).Dispose()));
        Assert.Contains("the number of blocks is 7 on rank 1 and 6 on rank 0; the seed is 2 on rank 1 and 1 on rank 0", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AGradientThatIsNotFiniteOnOneRank_StopsTheStepOnAll()
    {
        ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            using var optimizer = new Sgd(0.1);
            var before = VocabularyProgram.Weights(collectives, softmax);
            var (hidden, targets) = VocabularyProgram.Batch(0);
            Break();
            var message = Assert.Throws<NotFiniteNumberException>(() => softmax.Step(optimizer)).Message;
            Assert.Contains(collectives.Rank == 1 ? "The gradient of 'head.weight[" : "A gradient of rank 1 is not finite", message, StringComparison.Ordinal);
            Assert.False(softmax.TryStep(optimizer));
            Assert.DoesNotContain(softmax.Parameters, parameter => parameter.HasGradient);
            Assert.Equal(before, VocabularyProgram.Weights(collectives, softmax));
            Assert.Equal(0, optimizer.StepCount);
            softmax.Backward(hidden, targets, new float[hidden.Length]);
            Assert.True(softmax.TryStep(optimizer));
            Assert.NotEqual(before, VocabularyProgram.Weights(collectives, softmax));

            void Break()
            {
                softmax.Backward(hidden, targets, new float[hidden.Length]);
                if (collectives.Rank == 1) softmax.Parameters[0].TouchGradientRow(2)[1] = float.NaN;
            }
        });
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Clipping_TakesTheNormOfAllRowsAndTheBody(int ranks)
    {
        // The same model whole, whose norm is taken in double precision, one gradient after the other.
        var (hidden, targets) = VocabularyProgram.Batch(0);
        using var whole = new DynamicAdaptiveSoftmax(VocabularyProgram.Layout, seed: 4);
        whole.Backward(hidden, targets, new float[hidden.Length]);
        var squares = whole.Parameters.Where(parameter => parameter.HasGradient).Sum(parameter => parameter.Gradient.ToArray().Sum(value => (double)value * value));
        var norm = Math.Sqrt(squares + (15 * 4));
        ThreadCollectives.Run(ranks, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            using Parameter body = new("body", 3, 5), idle = new("idle", 2, 2);
            body.TouchGradient().Fill(-2);
            softmax.Backward(hidden, targets, new float[hidden.Length]);
            Assert.Equal(norm, softmax.ClipByGlobalNorm(norm * 2, [body, body, idle]), 1e-5);
            Assert.Equal(-2, body.Gradient[7]);
            var before = softmax.Parameters[0].Gradient.ToArray();
            Assert.Equal(norm, softmax.ClipByGlobalNorm(norm / 4, [body, body, idle]), 1e-5);
            Assert.All(body.Gradient.ToArray(), value => Assert.Equal(-0.5f, value, 1e-5f));
            Assert.False(idle.HasGradient);
            AssertClose([.. before.Select(value => value / 4)], softmax.Parameters[0].Gradient, 1e-6f);
            Assert.Equal(norm / 4, softmax.ClipByGlobalNorm(norm, [body]), 1e-5);
        });
    }

    [Fact]
    public void OtherLearningRates_AreRefused()
    {
        var exception = Assert.Throws<RankMismatchException>(() => ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            using var optimizer = new Sgd(0.1 + collectives.Rank);
            softmax.Step(optimizer);
        }));
        Assert.Contains("the optimizer's 'lr' is 1.1 on rank 1 and 0.1 on rank 0", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ADisposedLayer_RefusesEveryCall()
    {
        ThreadCollectives.Run(1, collectives =>
        {
            var softmax = VocabularyProgram.Create(collectives);
            using var optimizer = new Sgd(0.1);
            softmax.Dispose();
            Assert.Throws<ObjectDisposedException>(() => softmax.Loss([], []));
            Assert.Throws<ObjectDisposedException>(() => softmax.Backward([], [], []));
            Assert.Throws<ObjectDisposedException>(() => softmax.LossGathered([], []));
            Assert.Throws<ObjectDisposedException>(() => softmax.BackwardGathered([], [], []));
            Assert.Throws<ObjectDisposedException>(softmax.DecodeGathered);
            Assert.Throws<ObjectDisposedException>(() => softmax.ClipByGlobalNorm(1));
            Assert.Throws<ObjectDisposedException>(() => softmax.Step(optimizer));
            Assert.Throws<ObjectDisposedException>(() => softmax.TryStep(optimizer));
            Assert.Throws<ObjectDisposedException>(() => softmax.Predict(new float[12]));
            Assert.Throws<ObjectDisposedException>(() => softmax.Parameters[0].Values.ToArray());
        });
    }

    // Everything that a decoder answers, in one text.
    private static string Decode(SoftmaxDecoder softmax, float[] hidden, int tokens)
    {
        var logProbs = new float[tokens * 1300];
        softmax.LogProb(hidden, logProbs);
        var predictions = new int[tokens];
        softmax.Predict(hidden, predictions);
        var (top, topLogProbs) = (new int[9], new float[9]);
        softmax.TopK(hidden.AsSpan(0, 12), top, topLogProbs);
        var draws = new List<DecodedToken>();
        foreach (var options in (DecodeOptions[])[DecodeOptions.Default, new() { Temperature = 0.6f }, new() { Temperature = 1.7f }, new() { TopK = 20, TopP = 0.9f }])
        {
            var random = new SampleRandom(seed: 3);
            for (var i = 0; i < 8; i++) draws.Add(softmax.Sample(hidden.AsSpan(0, 12), options, ref random));
        }

        return $"{VocabularyProgram.Digest<float>(logProbs)} {string.Join(',', predictions)} {string.Join(',', top)} {VocabularyProgram.Digest<float>(topLogProbs)} {string.Join(' ', draws)} {softmax.LogProbOf(hidden.AsSpan(0, 12), 1200)}";
    }

    internal static void AssertClose(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, float tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], tolerance);
    }
}
