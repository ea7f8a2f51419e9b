using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Distributed.Tests;

/// <summary>Decoding where each rank has hidden vectors of its own.</summary>
public sealed class GatheredDecodingTests
{
    private const int Hidden = VocabularyProgram.Hidden;

    // What the ranks of the program decode, by a whole layer.
    private static string Whole(int ranks)
    {
        using var whole = new DynamicAdaptiveSoftmax(VocabularyProgram.Layout, seed: 4, VocabularyProgram.Options);
        return string.Concat(Enumerable.Range(0, ranks).Select(rank => DecodingProgram.Decode(whole, 21 * rank * rank / (ranks * ranks), 21 * (rank + 1) * (rank + 1) / (ranks * ranks))));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(6)]
    public void OwnSequences_HaveTheBitsOfAWholeLayer_ForAnyNumberOfThreads(int ranks)
    {
        Assert.Equal(Whole(ranks), CollectivesTests.RunThreads(ranks, "decoded"));
        Assert.Equal(Whole(ranks), CollectivesTests.RunWithWindows(ranks, "decoded"));

        // One process has the same lines in another order.
        Assert.Equal(Whole(1).Split('\n').Order(), CollectivesTests.RunThreads(ranks, "decoded").Split('\n').Order());
    }

    [Theory]
    [MemberData(nameof(MpiJob.Launchers), MemberType = typeof(MpiJob))]
    public async Task OwnSequences_HaveTheBitsOfAWholeLayer_ForProcesses(string launcher)
    {
        foreach (var program in (string[][])[["decoded"], ["messages", "decoded"]])
        {
            var job = await MpiJob.RunAsync(launcher, 2, program);
            Assert.Equal(Whole(2).Trim(), job.OutputOfSuccess());
        }
    }

    [Theory]
    [InlineData(0, 1, 9)]
    [InlineData(8, 0, 0)]
    [InlineData(7, 20, 16)]
    [InlineData(120, 100, 90)]
    public void EachRanksCall_HasTheBitsThatAWholeLayerGivesIt_AndAllRanksTogether(params int[] rows)
    {
        // The last vectors of a rank are zero, as are those that fill a block, and so is one among the others.
        float[] Own(int rank)
        {
            var random = new Random(rank);
            float[] vectors = [.. Enumerable.Range(0, rows[rank] * Hidden).Select(_ => random.NextSingle() - 0.5f)];
            vectors.AsSpan(Math.Max(0, rows[rank] - 2) * Hidden).Clear();
            vectors.AsSpan(rows[rank] / 3 * Hidden, Math.Min(Hidden, vectors.Length)).Clear();
            return vectors;
        }

        using var whole = new DynamicAdaptiveSoftmax(VocabularyProgram.Layout, seed: 4, VocabularyProgram.Options);
        foreach (var plan in (VocabularyPlan[])[VocabularyProgram.Plan, VocabularyProgram.TailsPlan])
        {
            ThreadCollectives.Run(rows.Length, collectives =>
            {
                using var softmax = VocabularyProgram.Create(collectives, plan: plan);
                var own = Own(collectives.Rank);
                float[] result;
                using (softmax.DecodeGathered()) result = Decode(softmax, own);
                Assert.Equal(Decode(whole, own), result);
                for (var rank = 0; rank < rows.Length; rank++)
                {
                    var replicated = Decode(softmax, Own(rank));
                    if (rank == collectives.Rank) Assert.Equal(replicated, result);
                }
            });
        }

        // The log-probs, and behind them the predictions.
        static float[] Decode(SoftmaxDecoder softmax, float[] hidden)
        {
            var (logProbs, predictions) = (new float[hidden.Length / Hidden * 1300], new int[hidden.Length / Hidden]);
            softmax.LogProb(hidden, logProbs);
            softmax.Predict(hidden, predictions);
            return [.. logProbs, .. predictions];
        }
    }

    [Fact]
    public void Bytes_AreThoseOfTheVectors_AndOfTheOthersRowsForTheOwn()
    {
        // A head of 102 rows and tails of 300 and 100, of which each rank has half.
        var layout = SoftmaxLayout.Create(Hidden, 500, [100, 400], [4, 4]);
        var plan = new VocabularyPlan { CutsHead = true, CutsTails = [true, true], Blocks = 2 };
        const int Round = 32;
        ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives, 1, layout, plan);
            var isFirst = collectives.Rank == 0;
            var hidden = DecodingProgram.Vectors(0, 0, 20);
            var last = collectives.BytesReceived;

            // One vector of the first rank: it gets half of the head and of a tail, the other rank the vector and its projection.
            using (softmax.DecodeGathered()) softmax.LogProbOf(isFirst ? hidden.AsSpan(0, Hidden) : [], isFirst ? [450] : [], new float[isFirst ? 1 : 0]);
            Assert.Equal(isFirst ? Block(51, 50, 2) : Questions(2), Received());

            // As long as the other rank has nothing to ask.
            using (softmax.DecodeGathered()) _ = isFirst ? softmax.LogProbOf(hidden.AsSpan(0, Hidden), 450) : 0;
            Assert.Equal(isFirst ? Block(51, 50, 1) : Questions(1), Received());

            // Both, of other numbers: one round serves both, and a block takes a zero beside its vectors, unless it is full.
            var (tokens, others) = isFirst ? (3, 16) : (16, 3);
            using (softmax.DecodeGathered()) softmax.LogProbOf(hidden.AsSpan(0, tokens * Hidden), [.. Enumerable.Repeat(450, tokens)], new float[tokens]);
            Assert.Equal(isFirst ? Block(51, 50, 4) + Asked(16) : Block(51, 50, 16) + Asked(4), Received());

            // The same vectors on every rank: each gets the other's rows for all of them.
            softmax.LogProbOf(hidden.AsSpan(0, 19 * Hidden), [.. Enumerable.Repeat(450, 19)], new float[19]);
            Assert.Equal(2 * Round + (4 * 32 * (51 + 50)), Received());
            Assert.NotEqual(tokens, others);

            long Received()
            {
                var before = last;
                last = collectives.BytesReceived;
                return last - before;
            }
        });

        // Two rounds with questions, and one in which no rank has any.
        static long Block(int headRows, int tailRows, int tokens) => (3 * Round) + (4 * tokens * (headRows + tailRows));
        static long Questions(int tokens) => (3 * Round) + Asked(tokens);
        static long Asked(int tokens) => 4 * (1 + (tokens * Hidden) + 1 + (tokens * 4));
    }

    [Fact]
    public void AnExceptionOfOneRank_IsThatRanksAlone()
    {
        using var whole = new DynamicAdaptiveSoftmax(VocabularyProgram.Layout, seed: 4, VocabularyProgram.Options);
        var hidden = DecodingProgram.Vectors(0, 0, 12);
        var expected = new int[12];
        whole.Predict(hidden, expected);
        ThreadCollectives.Run(3, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            var tokens = new int[12];
            var own = hidden.ToArray();
            if (collectives.Rank == 1) own[(5 * Hidden) + 2] = float.NaN;
            using (softmax.DecodeGathered())
            {
                if (collectives.Rank == 1) Assert.Equal("Hidden vector 5 holds NaN at index 2; every value must be finite.", Assert.Throws<DecodeException>(() => softmax.Predict(own, tokens)).Message);
                else if (collectives.Rank == 0) softmax.Predict(own, tokens);
                else Assert.Throws<ArgumentException>(() => softmax.Predict(own, new int[11]));
            }

            if (collectives.Rank < 2) Assert.Equal([.. expected.Select((token, row) => collectives.Rank == 1 && row == 5 ? -1 : token)], tokens);

            // And all go on.
            softmax.Predict(hidden, tokens);
            Assert.Equal(expected, tokens);
        });
    }

    [Fact]
    public void ARankThatThrowsOutOfIt_StillAnswers()
    {
        var predicted = 0;
        var message = Assert.Throws<InvalidOperationException>(() => ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            using var gathered = softmax.DecodeGathered();
            if (collectives.Rank == 1) throw new InvalidOperationException("The disk of rank 1 is full.");
            for (var i = 0; i < 5; i++)
            {
                softmax.Predict(DecodingProgram.Vectors(0, i, i + 1));
                predicted++;
            }
        })).Message;
        Assert.Equal("The disk of rank 1 is full.", message);
        Assert.Equal(5, predicted);
    }

    [Fact]
    public void ARankThatDoesSomethingElse_IsNamed()
    {
        Assert.Contains("Rank 1 decodes vectors of its own with layer 1 as its call ", Refusal((softmax, collectives) =>
        {
            using var gathered = collectives.Rank == 1 ? softmax.DecodeGathered() : null;
            softmax.Predict(new float[Hidden]);
        }), StringComparison.Ordinal);
        Assert.Contains("Rank 1 calls Barrier", Refusal((softmax, collectives) =>
        {
            using var gathered = softmax.DecodeGathered();
            if (collectives.Rank == 1) collectives.Barrier();
        }), StringComparison.Ordinal);

        // Of the same sizes, and with other weights.
        Assert.Contains("Rank 1 decodes vectors of its own with layer 2", Refusal((first, collectives) =>
        {
            using var second = VocabularyProgram.Create(collectives, 9);
            using var gathered = (collectives.Rank == 0 ? first : second).DecodeGathered();
            (collectives.Rank == 0 ? first : second).Predict(new float[Hidden]);
        }), StringComparison.Ordinal);

        static string Refusal(Action<VocabularyParallel, Collectives> call) => Assert.Throws<RankMismatchException>(() => ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            call(softmax, collectives);
        })).Message;
    }

    [Fact]
    public void Training_WaitsForItsEnd()
    {
        ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            using var optimizer = new Sgd(0.1);
            var gathered = softmax.DecodeGathered();
            foreach (var call in (Action[])
                [
                    () => softmax.DecodeGathered(),
                    () => softmax.Loss([], []),
                    () => softmax.Backward([], [], []),
                    () => softmax.LossGathered([], []),
                    () => softmax.BackwardGathered([], [], []),
                    () => softmax.ClipByGlobalNorm(1),
                    () => softmax.Step(optimizer),
                    () => softmax.TryStep(optimizer),
                ])
            {
                Assert.Equal($"Rank {collectives.Rank} decodes hidden vectors of its own; dispose what DecodeGathered returned, on every rank, before anything else.", Assert.Throws<InvalidOperationException>(call).Message);
            }

            gathered.Dispose();
            gathered.Dispose();
            softmax.Loss([], []);
            using (softmax.DecodeGathered()) softmax.Predict(new float[Hidden]);
        });
    }
}
