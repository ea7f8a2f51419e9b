using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Migration;

/// <summary>Where new tokens begin, what states count, what polishing learns, and what is said of a prefix.</summary>
public sealed class StartingPointTests : ToyMigration
{
    [Fact]
    public void NewTokens_AreAsLikelyInTheMeanStateAsTheirCountsSay()
    {
        var domain = TokenTable.Create([90, 91, 92], [400, 20, 60], ["t1t2"u8.ToArray(), "zz"u8.ToArray(), "t9t12"u8.ToArray()]);
        var to = SoftmaxMigration.Extend(From, domain, projectionWidth: 8, "extended.tokens", out var share);
        var options = new MigrationOptions { StatesPath = Folder["states"], AddedShare = share, AddedCounts = domain };
        SoftmaxMigration.Migrate(Folder["old"], From, to, Folder["new"], options, TestContext.Current.CancellationToken);
        using var migrated = DynamicAdaptiveSoftmax.Load(Folder["new"], to.Layout);
        var random = new Random(6);
        var mean = new float[ToyVocabulary.Hidden];
        for (var i = 0; i < 1000; i++)
        {
            var state = ToyVocabulary.CreateState(random, ToyVocabulary.Hidden);
            for (var j = 0; j < mean.Length; j++) mean[j] += state[j] / 1000;
        }

        var logProbs = ToyVocabulary.LogProbs(migrated, mean);
        for (var slot = 21; slot < 23; slot++)
            Assert.Equal(Math.Log((CountOf(slot) + 0.5) / (CountOf(20) + 0.5)), logProbs[slot] - logProbs[20], 0.1);

        long CountOf(int slot) => domain.GetCount(Enumerable.Range(0, 3).Single(i => domain.GetToken(i).SequenceEqual(to.Table.GetToken(slot))));
    }

    [Fact]
    public void NewTokensOfATailOfTheirOwn_DifferByAQuarterOfWhatTheirPartsDiffer()
    {
        var domain = TokenTable.Create([90, 91], [50, 50], ["t1t2"u8.ToArray(), "t3t4"u8.ToArray()]);
        var to = SoftmaxMigration.Extend(From, domain, projectionWidth: 8, "extended.tokens", out _);
        using var migrated = Migrate(to, out _, new MigrationOptions { StatesPath = Folder["states"], AddedShare = 0.4, AddedCounts = domain });
        var random = new Random(6);
        var (error, spread) = (0.0, 0.0);
        for (var i = 0; i < 100; i++)
        {
            var (one, other) = (ToyVocabulary.CreateState(random, ToyVocabulary.Hidden), ToyVocabulary.CreateState(random, ToyVocabulary.Hidden));
            var expected = (PartsOf(one) - PartsOf(other)) / 4;
            error += Math.Abs(Difference(one) - Difference(other) - expected);
            spread += Math.Abs(expected);
        }

        Assert.InRange(error, 0, 0.05 * spread);

        double Difference(float[] state)
        {
            var logProbs = ToyVocabulary.LogProbs(migrated, state);
            return logProbs[20] - logProbs[21];
        }

        double PartsOf(float[] state)
        {
            var logits = Enumerable.Range(0, 5).Select(slot => state.Select((value, j) => (double)value * Source.Parameters[0].Row(slot)[j]).Sum()).ToArray();
            return ((logits[1] + logits[2]) / 2) - ((logits[3] + logits[4]) / 2);
        }
    }

    // Tokens that were hardly counted: what their rows happen to have is far less than what is planned for them.
    [Fact]
    public void Polishing_KeepsThePlannedShareOfATail_WhoseTokensHaveSmallCounts()
    {
        var domain = TokenTable.Create([90, 91, 92], [3, 2, 1], ["t1t2"u8.ToArray(), "zz"u8.ToArray(), "t9t12"u8.ToArray()]);
        var to = SoftmaxMigration.Extend(From, domain, projectionWidth: 8, "extended.tokens", out _);
        var options = new MigrationOptions { StatesPath = Folder["states"], AddedShare = 0.4, AddedCounts = domain, PolishSteps = 300, PolishLearningRate = 0.02, PolishTargetShare = 0 };
        using var migrated = Migrate(to, out _, options);
        var random = new Random(6);
        var share = Enumerable.Range(0, 500).Average(_ => ToyVocabulary.LogProbs(migrated, ToyVocabulary.CreateState(random, ToyVocabulary.Hidden)).Skip(20).Sum(Math.Exp));
        Assert.InRange(share, 0.37, 0.43);
    }

    // In a direction that no state has, nothing tells how a gate should be but the gate that most of its tail's tokens had.
    [Fact]
    public void AGate_StaysWhereItsLargestTailsWas_InDirectionsThatNoStateHas()
    {
        const int Unseen = ToyVocabulary.Hidden - 1;
        var random = new Random(7);
        StatesWriter.Write(Folder["flat"], ToyVocabulary.Hidden, writer =>
        {
            for (var i = 0; i < 300; i++)
            {
                var state = ToyVocabulary.CreateState(random, ToyVocabulary.Hidden);
                state[Unseen] = 0;
                writer.Add(state, [i % 20]);
            }
        }, cancellationToken: TestContext.Current.CancellationToken);

        // One token changes place with another: five of six and eight of nine stay.
        var to = ToyVocabulary.Create(ToyVocabulary.Tokens([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 10, 12, 13, 14, 15, 16, 17, 18, 19]), [5, 11], [2, 2]);
        using var migrated = Migrate(to, out var report, new MigrationOptions { StatesPath = Folder["flat"] });
        foreach (var tail in to.Layout.Tails)
        {
            Assert.Equal(ClusterChange.Factored, report.Clusters[tail.Cluster].Change);
            var gate = to.Layout.ShortlistSize + tail.Index;
            Assert.Equal(Source.Parameters[0].Row(gate)[Unseen], migrated.Parameters[0].Row(gate)[Unseen], 1e-6f);
        }
    }

    // Most states vary far more, where the tail has no mass; the three directions that it has are for those where it has.
    [Fact]
    public void ANarrowTail_KeepsTheDirectionsOfTheStatesInWhichItIsProbable()
    {
        foreach (var gate in new[] { 5, 6 })
        {
            Source.Parameters[0].WritableRow(gate).Clear();
            (Source.Parameters[0].WritableRow(gate)[0], Source.Parameters[0].WritableRow(gate)[1]) = (-9, 3);
        }

        ToyVocabulary.Save(Folder["old"], Source, From);
        var random = new Random(7);
        StatesWriter.Write(Folder["two kinds"], ToyVocabulary.Hidden, writer =>
        {
            for (var i = 0; i < 1000; i++) writer.Add(i % 10 == 0 ? Probable() : [1, 0, Draw(2), Draw(2), 0, 0, 0, 0], [i % 20]);
        }, cancellationToken: TestContext.Current.CancellationToken);
        var to = ToyVocabulary.Create(ToyVocabulary.Tokens([0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 8, 9, 10, 14, 15, 16, 17, 18, 19]), [5, 11], [3, 3]);
        using var migrated = Migrate(to, out _, new MigrationOptions { StatesPath = Folder["two kinds"] });

        // Of two tokens that shared a tail, 14 and 19 in the second one of both.
        var (error, spread) = (0.0, 0.0);
        for (var i = 0; i < 200; i++)
        {
            var state = Probable();
            var (before, after) = (ToyVocabulary.LogProbs(Source, state), ToyVocabulary.LogProbs(migrated, state));
            error += Math.Abs(before[14] - before[19] - (after[14] - after[19]));
            spread += Math.Abs(before[14] - before[19]);
        }

        Assert.InRange(error, 0, 0.1 * spread);

        float[] Probable() => [0, 1, 0, 0, Draw(1), Draw(1), 0, 0];

        float Draw(float most) => most * (float)((2 * random.NextDouble()) - 1);
    }

    // The log of the share in place of its log odds would give 0.29.
    [Theory]
    [InlineData(0)]
    [InlineData(200)]
    public void ATailOfNewTokens_HasTheShareThatItIsPlannedFor_AndKeepsItWhenPolished(int polishSteps)
    {
        var domain = TokenTable.Create([90, 91, 92], [400, 20, 60], ["t1t2"u8.ToArray(), "zz"u8.ToArray(), "t9t12"u8.ToArray()]);
        var to = SoftmaxMigration.Extend(From, domain, projectionWidth: 8, "extended.tokens", out _);
        using var migrated = Migrate(to, out _, new MigrationOptions { StatesPath = Folder["states"], AddedShare = 0.4, AddedCounts = domain, PolishSteps = polishSteps });
        var random = new Random(6);
        var share = Enumerable.Range(0, 500).Average(_ => ToyVocabulary.LogProbs(migrated, ToyVocabulary.CreateState(random, ToyVocabulary.Hidden)).Skip(20).Sum(Math.Exp));
        Assert.InRange(share, 0.37, 0.43);
    }

    // Two tokens that make up nearly all of a tail: the one direction that a width of 1 has is theirs.
    [Fact]
    public void ANarrowTail_KeepsWhatItsFrequentTokensDifferIn()
    {
        var order = ToyVocabulary.Tokens([0, 1, 11, 12, 5, 6, 2, 13, 14, 7, 8, 3, 15, 16, 9, 10, 4, 17, 18, 19]);
        long[] alike = [.. order.Select((_, i) => 100L - i)], frequent = [.. order.Select((_, i) => i < 6 ? 1_000_000_000L - i : 100L - i)];
        Assert.InRange(Error(frequent), 0, 0.1 * Error(alike));

        double Error(long[] counts)
        {
            using var migrated = Migrate(ToyVocabulary.Create(order, [4, 12], [1, 1], counts: counts), out _);
            var random = new Random(6);
            return Enumerable.Range(0, 100).Average(_ =>
            {
                var state = ToyVocabulary.CreateState(random, ToyVocabulary.Hidden);
                var (before, after) = (ToyVocabulary.LogProbs(Source, state), ToyVocabulary.LogProbs(migrated, state));
                return Math.Abs(before[5] - before[6] - (after[4] - after[5]));
            });
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AState_ThatCountsTwice_IsAsGoodAsTwo(bool withOffset)
    {
        var random = new Random(8);
        var states = Enumerable.Range(0, 40).Select(_ => ToyVocabulary.CreateState(random, ToyVocabulary.Hidden)).ToArray();
        var values = states.Select(_ => random.NextDouble()).ToArray();
        int[] repeats = [.. Enumerable.Range(0, 40).Select(i => 1 + (i % 3))];
        int[] repeated = [.. repeats.SelectMany((count, i) => Enumerable.Repeat(i, count))];
        var (once, several) = (Read("once", states), Read("several", [.. repeated.Select(i => states[i])]));
        double[] prior = [.. Enumerable.Range(0, ToyVocabulary.Hidden).Select(_ => random.NextDouble())];
        var (expected, expectedOffset) = several.FitTo([.. repeated.Select(i => values[i])], prior, withOffset);
        double[] weights = [.. repeats.Select(count => (double)count / repeated.Length)];
        var (actual, offset) = once.FitTo(values, prior, withOffset, weights);
        Assert.Equal(expectedOffset, offset, 1e-9);
        for (var i = 0; i < actual.Length; i++) Assert.Equal(expected[i], actual[i], 1e-9);
        var (factor, other) = (several.Whitening.Factor.Values, once.WhitenBy(weights).Factor.Values);
        for (var i = 0; i < factor.Length; i++) Assert.Equal(factor[i], other[i], 1e-9);

        FitStates Read(string name, float[][] rows)
        {
            StatesWriter.Write(Folder[name], ToyVocabulary.Hidden, writer =>
            {
                foreach (var row in rows) writer.Add(row, [0]);
            }, cancellationToken: TestContext.Current.CancellationToken);
            using var file = StatesFile.Open(Folder[name]);
            return FitStates.Read(WorkerPool.Get(2), file, rows.Length, isLeftOut: null, TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public void StateWeights_AreWhatAnErrorCosts()
    {
        double[] head = [2, 3, 1];
        var weights = new StateWeights(head);
        double[] cluster = [1, 0, 1], members = [0, -1, 1];
        double[] masses = [Math.Exp(-1), Math.Exp(-3), 1];
        double[] shares = [Math.Exp(-1), Math.Exp(-1), 1];
        AssertShares(masses, weights.OfCluster(cluster));
        AssertShares([.. masses.Zip(shares, (mass, share) => mass * share * (1 - share))], weights.OfMembers(members, cluster));
        AssertShares([.. members.Zip(head, (log, normaliser) => Math.Exp(log - normaliser) * (1 - Math.Exp(log - normaliser)))], weights.OfMembers(members, null));

        static void AssertShares(double[] expected, double[] actual)
        {
            Assert.Equal(1, actual.Sum(), 1e-12);
            var least = 0.01 * expected.Average();
            for (var i = 0; i < expected.Length; i++) Assert.Equal((expected[i] + least) / (expected.Sum() + (3 * least)), actual[i], 1e-9);
        }
    }

    // All states are followed by one token, which the old model does not know.
    [Fact]
    public void Polishing_LearnsTheStatesTargetsToTheirShare()
    {
        var to = ToyVocabulary.Create(ToyVocabulary.Tokens([0, 1, 11, 12, 5, 6, 2, 13, 14, 7, 8, 3, 15, 16, 9, 10, 4, 17, 18, 19]), [4, 12], [2, 2]);
        var random = new Random(7);
        StatesWriter.Write(Folder["one"], ToyVocabulary.Hidden, writer =>
        {
            for (var i = 0; i < 400; i++) writer.Add(ToyVocabulary.CreateState(random, ToyVocabulary.Hidden), [i % 2 == 0 ? 11 : 13]);
        }, cancellationToken: TestContext.Current.CancellationToken);
        double[] perplexities = [.. new[] { 0, 0.5, 1 }.Select(share =>
        {
            var options = new MigrationOptions { StatesPath = Folder["one"], PolishSteps = 60, PolishLearningRate = 0.02, PolishTargetShare = share };
            return SoftmaxMigration.Migrate(Folder["old"], From, to, Folder["new"], options, TestContext.Current.CancellationToken).Polished!.Perplexity;
        })];
        Assert.True(perplexities[0] > 1.3 * perplexities[1] && perplexities[1] > perplexities[2], string.Join(' ', perplexities));
        var wrong = new MigrationOptions { PolishTargetShare = 1.1 };
        Assert.Contains("PolishTargetShare", Assert.Throws<ArgumentException>(() => SoftmaxMigration.Migrate(Folder["old"], From, to, Folder["new"], wrong, TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "decoder.softmax.", "'decoder.softmax.'")]
    [InlineData("", "a.,b.", "'a.' or 'b.'")]
    [InlineData("wrong.", "", "without a prefix")]
    [InlineData("", "b.x", "what stands before their names")]
    public void AWrongPrefix_IsToldTheRightOne(string given, string there, string said)
    {
        var copies = there.Split(',').SelectMany(prefix => Source.Parameters.Select(parameter =>
        {
            var copy = new Parameter(prefix + parameter.Name, parameter.Rows, parameter.Columns);
            copy.Set(parameter.Values);
            return copy;
        }));
        SafetensorsWriter.Write(Folder["named"], [.. copies]);
        var options = new MigrationOptions { StatesPath = Folder["states"], Prefix = given };
        var error = Assert.Throws<CheckpointMismatchException>(() => SoftmaxMigration.Migrate(Folder["named"], From, From, Folder["new"], options, TestContext.Current.CancellationToken));
        Assert.Contains(said, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ADenseHeadInSeveralFiles_IsAdoptedAsOneInOne()
    {
        var random = new Random(3);
        CheckpointTensor[] tensors = [Tensor("model.norm.weight", 8), Tensor("lm_head.weight", 20, 8), Tensor("model.layers.0.weight", 8, 8)];
        HuggingFaceFiles.WriteFile(Folder["one"], tensors);
        Directory.CreateDirectory(Folder["model"]);
        HuggingFaceFiles.Write(name => Path.Combine(Folder["model"], name), [tensors[0]], [tensors[1]], [tensors[2]]);
        var files = new[] { Folder["one"], Folder["model"], Path.Combine(Folder["model"], "model.safetensors.index.json") }.Select(model =>
        {
            SoftmaxMigration.Adopt(model, From, Folder["new"], options: new MigrationOptions { StatesPath = Folder["states"] }, cancellationToken: TestContext.Current.CancellationToken);
            using var file = WeightsFile.Open(Folder["new"]);
            return file.Tensors.OrderBy(tensor => tensor.Name, StringComparer.Ordinal).Select(tensor =>
            {
                using var parameter = tensor.Shape.Count == 1 ? Parameter.CreateVector(tensor.Name, (int)tensor.Count) : new Parameter(tensor.Name, (int)tensor.Shape[0], (int)tensor.Shape[1]);
                file.Read(tensor, parameter);
                return (tensor.Name, tensor.Type, Values: string.Join(' ', parameter.Values.ToArray()));
            }).ToArray();
        }).ToArray();
        Assert.Equal(files[0], files[1]);
        Assert.Equal(files[0], files[2]);
        Assert.Contains(files[0], tensor => tensor is { Name: "model.layers.0.weight", Type: "BF16" });
        Assert.DoesNotContain(files[0], tensor => tensor.Name == "lm_head.weight");

        CheckpointTensor Tensor(string name, params long[] shape) =>
            new(name, "BF16", shape, [.. Enumerable.Range(0, (int)shape.Aggregate((a, b) => a * b)).Select(_ => (float)random.NextDouble() - 0.5f)]);
    }
}
