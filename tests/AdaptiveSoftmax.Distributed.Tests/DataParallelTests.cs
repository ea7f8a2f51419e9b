using System.Globalization;

namespace AdaptiveSoftmax.Distributed.Tests;

public sealed class DataParallelTests
{
    private static readonly Lazy<string> s_alone = new(() => CollectivesTests.RunThreads(1, "train", "200"));

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(12)]
    public void TwoHundredSteps_HaveTheSameBits_ForAnyNumberOfThreads(int ranks) => Assert.Equal(s_alone.Value, CollectivesTests.RunThreads(ranks, "train", "200"));

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(12)]
    public void TwoHundredSteps_HaveTheSameBits_ThroughSharedMemory(int ranks) => Assert.Equal(s_alone.Value, CollectivesTests.RunWithWindows(ranks, "train", "200"));

    [Theory]
    [InlineData("openmpi", 2)]
    [InlineData("openmpi", 3)]
    [InlineData("openmpi", 4)]
    [InlineData("mpich", 2)]
    public async Task TwoHundredSteps_HaveTheSameBits_ForProcesses(string launcher, int ranks)
    {
        var job = await MpiJob.RunAsync(launcher, ranks, "train", "200");
        Assert.Equal(s_alone.Value, job.OutputOfSuccess());
    }

    [Theory]
    [InlineData("openmpi", 3)]
    [InlineData("mpich", 2)]
    public async Task TwoHundredSteps_HaveTheSameBits_ForProcessesThatShareNoMemory(string launcher, int ranks)
    {
        var job = await MpiJob.RunAsync(launcher, ranks, "messages", "train", "200");
        Assert.Equal(s_alone.Value, job.OutputOfSuccess());
    }

    [Fact]
    public void ARunThatTwoRanksSaved_GoesOnWithOneAndThree_ToTheSameBits()
    {
        var folder = Directory.CreateTempSubdirectory("distributed-");
        try
        {
            var path = Path.Combine(folder.FullName, "run.safetensors");
            var straight = Part(1, 0, 60, null, null);
            Part(2, 0, 30, null, path);
            Assert.Equal(straight, Part(3, 30, 60, path, null));
            Assert.Equal(straight, Part(1, 30, 60, path, null));
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        static string Part(int ranks, int first, int last, string? from, string? to)
        {
            var digests = new string[ranks];
            ThreadCollectives.Run(ranks, collectives => digests[collectives.Rank] = TrainingProgram.RunPart(collectives, first, last, from, to));
            return Assert.Single(digests.Distinct());
        }
    }

    [Fact]
    public void TheModel_Learns()
    {
        var words = s_alone.Value.Split(' ');
        var (first, last) = (float.Parse(words[^3], CultureInfo.InvariantCulture), float.Parse(words[^1], CultureInfo.InvariantCulture));
        Assert.InRange(last, 0, first - 0.5f);
    }

    [Fact]
    public void ClustersWithoutTargets_AreSkippedOnAllRanks()
    {
        // Two parameters a tail; every fourth step has no target in the last one.
        var skipped = s_alone.Value.Split(' ')[7];
        for (var step = 0; step < skipped.Length; step++)
        {
            var reached = new bool[2];
            for (var shard = 0; shard < TrainingProgram.Shards; shard++)
            {
                foreach (var target in TrainingProgram.Shard(step, shard).Targets)
                {
                    if (target >= 20) reached[target < 40 ? 0 : 1] = true;
                }
            }

            Assert.Equal((char)('0' + (2 * reached.Count(tail => !tail))), skipped[step]);
        }

        Assert.Contains('2', skipped);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Gradients_AreThoseOfTheMeanOverAllTargets(int ranks)
    {
        // The whole batch in one call.
        using var whole = new TrainingProgram.Model();
        int[] inputs = [], targets = [];
        for (var shard = 0; shard < TrainingProgram.Shards; shard++)
        {
            var (moreInputs, moreTargets) = TrainingProgram.Shard(1, shard);
            (inputs, targets) = ([.. inputs, .. moreInputs], [.. targets, .. moreTargets]);
        }

        var hidden = whole.Forward(inputs);
        var hiddenGradient = new float[hidden.Length];
        var loss = whole.Softmax.Backward(hidden, targets, hiddenGradient);
        whole.Backward(inputs, hiddenGradient);

        ThreadCollectives.Run(ranks, collectives =>
        {
            using var model = new TrainingProgram.Model();
            using var parallel = new DataParallel(collectives, model.Softmax, model.Body, TrainingProgram.Shards);
            var result = TrainingProgram.Accumulate(parallel, model, step: 1);
            Assert.Equal(targets.Count(target => target >= 0), result.Weight);
            Assert.Equal(loss, result.Mean, 1e-5);
            foreach (var (expected, actual) in whole.Softmax.Parameters.Concat(whole.Body).Zip(parallel.Parameters))
            {
                Assert.Equal(expected.HasGradient, actual.HasGradient);
                for (var i = 0; i < expected.Count; i++) Assert.Equal(expected.Gradient[i], actual.Gradient[i], 2e-6f);
            }

            int[] touched = [.. whole.Embedding.TouchedRows.ToArray().Order()];
            Assert.Equal(touched, model.Embedding.TouchedRows.ToArray());
        });
    }

    [Fact]
    public void WeightsOfTokens_WeighTheMeanOverAllRanks()
    {
        var random = new Random(3);
        var hidden = new float[4 * TrainingProgram.Hidden];
        foreach (ref var value in hidden.AsSpan()) value = (float)random.NextDouble() - 0.5f;
        int[] targets = [1, 25, 50, 3];
        float[] weights = [1, 0.5f, 3, 0];
        using var whole = TrainingProgram.CreateSoftmax(seed: 2);
        var loss = whole.Backward(hidden, targets, new float[hidden.Length], weights: weights);
        ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = TrainingProgram.CreateSoftmax(seed: 2);
            using var parallel = new DataParallel(collectives, softmax, null, shards: 4);
            foreach (var shard in parallel.OwnShards)
            {
                parallel.Backward(hidden.AsSpan(shard * TrainingProgram.Hidden, TrainingProgram.Hidden), [targets[shard]], weights: [weights[shard]]);
                parallel.EndShard(shard);
            }

            var result = parallel.Reduce();
            Assert.Equal(4.5, result.Weight);
            Assert.Equal(loss, result.Mean, 1e-5);
            foreach (var (expected, actual) in whole.Parameters.Zip(softmax.Parameters))
            {
                for (var i = 0; i < expected.Count; i++) Assert.Equal(expected.Gradient[i], actual.Gradient[i], 2e-6f);
            }
        });
    }

    [Fact]
    public void BytesOfAStep_AreThoseOfTheGradients()
    {
        ThreadCollectives.Run(2, collectives =>
        {
            using var model = new TrainingProgram.Model();
            using var parallel = new DataParallel(collectives, model.Softmax, null, shards: 2);
            parallel.Backward(new float[5 * TrainingProgram.Hidden], [1, 2, 3, 4, 5]);
            parallel.EndShard(collectives.Rank);
            var before = collectives.BytesReceived;
            parallel.Reduce();

            // Only the head has a gradient: half of it to add up and the other half of the sum; the rest is agreement.
            var head = model.Softmax.Parameters[0].Count * sizeof(float);
            Assert.InRange(collectives.BytesReceived - before, head, head + 256);
        });
    }

    [Fact]
    public void OtherWeights_AreRefusedOnAllRanks()
    {
        var exception = Assert.Throws<RankMismatchException>(() => ThreadCollectives.Run(2, collectives => Programs.Run("differ", collectives, ["weights"], _ => { })));
        Assert.Contains("the hash of 'head.weight' is ", exception.Message, StringComparison.Ordinal);
        Assert.Contains(" on rank 1 and ", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void OtherNumbersOfShards_AreRefusedOnAllRanks()
    {
        var exception = Assert.Throws<RankMismatchException>(() => ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = TrainingProgram.CreateSoftmax(seed: 1);
            using var parallel = new DataParallel(collectives, softmax, null, shards: 4 + collectives.Rank);
        }));
        Assert.Contains("the number of shards is 5 on rank 1 and 4 on rank 0", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void OtherBodies_AreRefusedOnAllRanks()
    {
        var exception = Assert.Throws<RankMismatchException>(() => ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = TrainingProgram.CreateSoftmax(seed: 1);
            using var body = new Parameter("body", 3, 4 + collectives.Rank);
            using var parallel = new DataParallel(collectives, softmax, [body], shards: 4);
        }));
        Assert.Contains("the shape of 'body' is [3, 5] on rank 1 and [3, 4] on rank 0", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void OtherLearningRates_AreRefused()
    {
        var exception = Assert.Throws<RankMismatchException>(() => ThreadCollectives.Run(2, collectives =>
        {
            using var model = new TrainingProgram.Model();
            using var optimizer = new Sgd(0.1 + collectives.Rank);
            using var parallel = new DataParallel(collectives, model.Softmax, model.Body, TrainingProgram.Shards);
            TrainingProgram.Accumulate(parallel, model, step: 0);
            parallel.Step(optimizer);
        }));
        Assert.Contains("the optimizer's 'lr' is 1.1 on rank 1 and 0.1 on rank 0", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void OtherGroups_AreRefused()
    {
        var exception = Assert.Throws<RankMismatchException>(() => ThreadCollectives.Run(2, collectives =>
        {
            using var model = new TrainingProgram.Model();
            using var optimizer = new AdamW(0.1);
            if (collectives.Rank == 1) optimizer.AddGroup([model.Softmax.Parameters[0]], learningRateFactor: 0.5, weightDecay: 0);
            using var parallel = new DataParallel(collectives, model.Softmax, model.Body, TrainingProgram.Shards);
            TrainingProgram.Accumulate(parallel, model, step: 0);
            parallel.Step(optimizer);
        }));
        Assert.Contains("the optimizer's grouping is head.weight at 0.5 of the rate with weight decay 0 on rank 1 and none on rank 0", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AParameterThatIsFrozenOnOneRank_IsRefused()
    {
        var exception = Assert.Throws<RankMismatchException>(() => ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = TrainingProgram.CreateSoftmax(seed: 1);
            using var parallel = new DataParallel(collectives, softmax, null, shards: 2);
            softmax.Parameters[1].RequiresGradient = collectives.Rank == 0;
            parallel.EndShard(collectives.Rank);
            parallel.Reduce();
        }));
        Assert.Equal("'tail.0.0.weight' is frozen on one of the ranks 0 and 1, and learns on the other; freeze it on all ranks.", exception.Message);
    }

    [Fact]
    public void GradientsThatAreNotFinite_AreLeftOutOnAllRanks()
    {
        ThreadCollectives.Run(2, collectives =>
        {
            using var model = new TrainingProgram.Model();
            using var optimizer = new Sgd(0.1);
            using var parallel = new DataParallel(collectives, model.Softmax, null, shards: 2);
            var hidden = new float[TrainingProgram.Hidden];
            if (collectives.Rank == 1) hidden[0] = float.NaN;
            parallel.Backward(hidden, [3]);
            parallel.EndShard(collectives.Rank);
            Assert.True(double.IsNaN(parallel.Reduce().Mean));
            Assert.False(parallel.TryStep(optimizer));
        });
    }

    [Fact]
    public void TokensBehindTheLastShard_AreRefused()
    {
        ThreadCollectives.Run(1, collectives =>
        {
            using var softmax = TrainingProgram.CreateSoftmax(seed: 1);
            using var parallel = new DataParallel(collectives, softmax, null, shards: 1);
            var hidden = new float[TrainingProgram.Hidden];
            parallel.Backward(hidden, [1]);
            parallel.EndShard(0);
            Assert.Equal("All 1 shards of rank 0 are done; call Reduce before the next batch.", Assert.Throws<InvalidOperationException>(() => parallel.Backward(hidden, [1])).Message);
            Assert.Equal(1, parallel.Reduce().Weight);
            parallel.Backward(hidden, [1]);
        });
    }

    // With one rank the last shard was added to the other, with two it is still in the parameter.
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void GradientsBehindTheLastShard_AreRefused(int ranks)
    {
        ThreadCollectives.Run(ranks, collectives =>
        {
            using var softmax = TrainingProgram.CreateSoftmax(seed: 1);
            using var matrix = new Parameter("matrix", 2, 2);
            using var rows = new Parameter("rows", 2, 2, GradientLayout.SparseRows);
            foreach (var touch in (Action[])[() => matrix.TouchGradient()[0] = 1, () => rows.TouchGradientRow(1)[0] = 1, matrix.ZeroGradient])
            {
                using var parallel = new DataParallel(collectives, softmax, [matrix, rows], shards: 2);
                foreach (var shard in parallel.OwnShards)
                {
                    matrix.TouchGradient()[0]++;
                    parallel.EndShard(shard);
                }

                touch();
                var message = Assert.Throws<InvalidOperationException>(() => parallel.Reduce()).Message;
                Assert.Matches($"^The gradient of '(matrix|rows)' was added to or cleared on rank {collectives.Rank} behind the end of its last shard, {parallel.OwnShards[^1]}: ", message);
                matrix.ZeroGradient();
                rows.ZeroGradient();
            }
        });
    }

    [Fact]
    public void TheGradientOfOneShard_IsNotCopied()
    {
        ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = TrainingProgram.CreateSoftmax(seed: 1);
            using var parallel = new DataParallel(collectives, softmax, null, shards: 2);
            var hidden = new float[TrainingProgram.Hidden];
            Array.Fill(hidden, 0.5f);
            parallel.Backward(hidden, [1 + collectives.Rank]);
            var own = softmax.Parameters[0].Gradient.ToArray();
            parallel.EndShard(collectives.Rank);
            Assert.Equal(own, softmax.Parameters[0].Gradient);
            parallel.Reduce();
            Assert.NotEqual(own, softmax.Parameters[0].Gradient.ToArray());
        });
    }

    [Fact]
    public void ShardsOutOfTurn_AreRefused()
    {
        ThreadCollectives.Run(1, collectives =>
        {
            using var softmax = TrainingProgram.CreateSoftmax(seed: 1);
            using var parallel = new DataParallel(collectives, softmax, null, shards: 2);
            Assert.Contains("Shard 0 of rank 0 is missing", Assert.Throws<InvalidOperationException>(() => parallel.Reduce()).Message, StringComparison.Ordinal);
            Assert.Contains("Rank 0 ends shard 1 where shard 0 is next", Assert.Throws<InvalidOperationException>(() => parallel.EndShard(1)).Message, StringComparison.Ordinal);
            parallel.EndShard(0);
            parallel.EndShard(1);
            Assert.Contains("all 2 shards of rank 0 are done", Assert.Throws<InvalidOperationException>(() => parallel.EndShard(2)).Message, StringComparison.Ordinal);
            Assert.Equal(new BatchLoss(0, 0), parallel.Reduce());
            Assert.Contains("The reduction is Sum", Assert.Throws<ArgumentException>(() => parallel.Backward(new float[TrainingProgram.Hidden], [1], new LossOptions { Reduction = Reduction.Sum })).Message, StringComparison.Ordinal);
        });
    }
}
