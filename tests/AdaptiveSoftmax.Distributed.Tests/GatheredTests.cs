namespace AdaptiveSoftmax.Distributed.Tests;

/// <summary>Batches of which each rank has some tokens.</summary>
public sealed class GatheredTests
{
    // The ranks all have the whole batch there, and there is one.
    private static readonly Lazy<string> s_alone = new(() => CollectivesTests.RunThreads(1, "vocabulary", "200"));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(6)]
    public void TwoHundredSteps_HaveTheBitsOfTheWholeBatch_ForAnyNumberOfThreads(int ranks) => Assert.Equal(s_alone.Value, CollectivesTests.RunThreads(ranks, "gathered", "200"));

    [Theory]
    [MemberData(nameof(MpiJob.Launchers), MemberType = typeof(MpiJob))]
    public async Task TwoHundredSteps_HaveTheBitsOfTheWholeBatch_ForProcesses(string launcher)
    {
        foreach (var program in (string[][])[["gathered", "200"], ["messages", "gathered", "200"]])
        {
            var job = await MpiJob.RunAsync(launcher, 2, program);
            Assert.Equal(s_alone.Value, job.OutputOfSuccess());
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(6)]
    public void TwoHundredSteps_HaveTheBitsOfTheWholeBatch_ThroughSharedMemory(int ranks)
    {
        Assert.Equal(s_alone.Value, CollectivesTests.RunWithWindows(ranks, "gathered", "200"));
        Assert.Equal(s_alone.Value, CollectivesTests.RunWithWindows(ranks, "vocabulary", "200"));
    }

    [Theory]
    [InlineData(1, Reduction.Mean)]
    [InlineData(3, Reduction.Mean)]
    [InlineData(3, Reduction.Sum)]
    [InlineData(4, Reduction.None)]
    public void LossesAndGradients_AreThoseOfAWholeLayer(int ranks, Reduction reduction)
    {
        var (hidden, targets) = VocabularyProgram.Batch(0);
        var weights = targets.Select((_, token) => token < 7 ? 1 : 0.5f + (token % 3)).ToArray();
        var options = new LossOptions { Reduction = reduction };
        using var whole = new DynamicAdaptiveSoftmax(VocabularyProgram.Layout, seed: 4);
        var (expectedGradient, expectedLosses) = (new float[hidden.Length], new float[targets.Length]);
        var expected = whole.Backward(hidden, targets, expectedGradient, options, weights, expectedLosses);
        ThreadCollectives.Run(ranks, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            var (first, end) = VocabularyProgram.OwnTokens(collectives, targets.Length);
            var (own, ownTargets) = (hidden[(first * 12)..(end * 12)], targets[first..end]);

            // Who has weights of 1 alone may leave them out, while others have some.
            var ownWeights = end <= 7 ? [] : weights[first..end];
            var (gradient, losses) = (new float[own.Length], new float[end - first]);
            Assert.Equal(expected, softmax.LossGathered(own, ownTargets, options, ownWeights, losses), 1e-4);
            VocabularyParallelTests.AssertClose(expectedLosses.AsSpan(first, end - first), losses, 1e-5f);
            losses.AsSpan().Clear();
            Assert.Equal(expected, softmax.BackwardGathered(own, ownTargets, gradient, options, ownWeights, losses), 1e-4);
            VocabularyParallelTests.AssertClose(expectedLosses.AsSpan(first, end - first), losses, 1e-5f);
            VocabularyParallelTests.AssertClose(expectedGradient.AsSpan(first * 12, gradient.Length), gradient, 2e-6f);

            // What follows is a batch that every rank has again.
            var again = new float[hidden.Length];
            if (reduction == Reduction.None) return;
            softmax.Backward(hidden, targets, again, options, weights);
            VocabularyParallelTests.AssertClose(expectedGradient, again, 2e-6f);
        });
    }

    [Fact]
    public void BytesOfAStep_AreThoseOfTheTokens_WhateverTheVocabulary()
    {
        var (small, large) = (StepBytes(400), StepBytes(40_000));
        Assert.Equal(small, large);

        // Of 20 tokens each of two ranks gets the other's 10: target, hidden vector, and the other's half of the gradient in the head.
        // For all 20 it gets a node of each cluster, the logits of the targets that it does not have, and a tail's gradient twice by halves.
        var least = (10 * (4 + (12 * 4) + (12 * 4))) + (20 * 2 * 8) + (20 * 4 * 4);
        Assert.InRange(small, least, least + (20 * 2 * 8) + (8 * 32) + 16);

        static long StepBytes(int vocabulary) => VocabularyParallelTests.StepBytes(vocabulary, softmax => softmax.BackwardGathered(new float[10 * 12], [.. Enumerable.Repeat(150, 10)], new float[10 * 12]));
    }

    [Fact]
    public void ABatchOfManyBlocks_IsDealtOutToItsRanks()
    {
        // 700 tokens are taken in blocks of at most 256, and a rank's tokens begin in the middle of one.
        var random = new Random(5);
        var hidden = new float[700 * 12];
        foreach (ref var value in hidden.AsSpan()) value = random.NextSingle() - 0.5f;
        int[] targets = [.. Enumerable.Range(0, 700).Select(_ => random.Next(8) == 0 ? -100 : random.Next(1300))];
        var expected = new float[hidden.Length];
        ThreadCollectives.Run(1, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            softmax.Backward(hidden, targets, expected);
        });
        ThreadCollectives.Run(3, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            var (first, end) = VocabularyProgram.OwnTokens(collectives, 700);
            var gradient = new float[(end - first) * 12];
            softmax.BackwardGathered(hidden.AsSpan(first * 12, gradient.Length), targets.AsSpan(first, end - first), gradient);
            Assert.Equal(expected[(first * 12)..(end * 12)], gradient);
        });
    }

    [Fact]
    public void ABatchWithoutTokens_HasALossOfZero() => ThreadCollectives.Run(2, collectives =>
    {
        using var softmax = VocabularyProgram.Create(collectives);
        Assert.Equal(0, softmax.BackwardGathered([], [], []));
        Assert.DoesNotContain(softmax.Parameters, parameter => parameter.HasGradient);
    });

    [Fact]
    public void WhatIsWrongOnOneRank_EndsAll()
    {
        Assert.Equal("There are 2 targets for 1 hidden vectors; give one each. (Parameter 'targets')", Refusal<ArgumentException>((softmax, rank) => softmax.LossGathered(new float[12], rank == 1 ? [1, 2] : [1])));
        Assert.Contains("The gradient has room for 11 values of 12", Refusal<ArgumentException>((softmax, rank) => softmax.BackwardGathered(new float[12], [1], new float[12 - rank])), StringComparison.Ordinal);
        Assert.Contains("Target 1 is 1300, which is not a token id", Refusal<ArgumentException>((softmax, rank) => softmax.LossGathered(new float[12], [1299 + rank])), StringComparison.Ordinal);
        Assert.Contains("The weight of token 0 is NaN", Refusal<ArgumentException>((softmax, rank) => softmax.LossGathered(new float[12], [1], null, rank == 1 ? [float.NaN] : [])), StringComparison.Ordinal);
        Assert.Contains("There is room for 2 losses of 1 targets", Refusal<ArgumentException>((softmax, rank) => softmax.LossGathered(new float[12], [1], losses: new float[1 + rank])), StringComparison.Ordinal);
        Assert.Contains("Rank 1 takes the loss of 1 tokens", Refusal<RankMismatchException>((softmax, rank) => _ = rank == 0 ? softmax.LossGathered(new float[12], [1]) : softmax.Loss(new float[12], [1])), StringComparison.Ordinal);

        static string Refusal<T>(Action<VocabularyParallel, int> call)
            where T : Exception => Assert.Throws<T>(() => ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            call(softmax, collectives.Rank);
        })).Message;
    }
}
