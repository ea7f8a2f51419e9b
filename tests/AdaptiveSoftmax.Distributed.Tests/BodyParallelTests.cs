using System.Runtime.InteropServices;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Distributed.Tests;

/// <summary>A body in parallel over the data before a vocabulary over the ranks.</summary>
public sealed class BodyParallelTests
{
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(TrainingProgram.Hidden, TrainingProgram.Vocabulary, [20, 40], [6, 3]);
    private static readonly VocabularyPlan s_plan = new() { CutsHead = true, CutsTails = [true, false], Blocks = 6 };

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(6)]
    public void TheWholeModel_HasTheSameBits_ForAnyNumberOfRanks(int ranks) => Assert.Equal(Train(1), Train(ranks));

    [Fact]
    public void Gradients_AreThoseOfOneProcess()
    {
        using var whole = new TrainingProgram.Model();
        using var softmax = new DynamicAdaptiveSoftmax(s_layout, seed: 4);
        int[] inputs = [], targets = [];
        for (var shard = 0; shard < TrainingProgram.Shards; shard++)
        {
            var (moreInputs, moreTargets) = TrainingProgram.Shard(1, shard);
            (inputs, targets) = ([.. inputs, .. moreInputs], [.. targets, .. moreTargets]);
        }

        var hidden = whole.Forward(inputs);
        var hiddenGradient = new float[hidden.Length];
        var loss = softmax.Backward(hidden, targets, hiddenGradient);
        whole.Backward(inputs, hiddenGradient);
        ThreadCollectives.Run(3, collectives =>
        {
            using var model = new TrainingProgram.Model();
            using var cut = new VocabularyParallel(collectives, s_layout, seed: 4, s_plan, VocabularyProgram.Options);
            using var body = new BodyParallel(collectives, model.Body, TrainingProgram.Shards);
            Assert.Equal(loss, Accumulate(cut, body, model, step: 1), 1e-5);
            foreach (var (expected, actual) in whole.Body.Zip(body.Parameters))
            {
                for (var i = 0; i < expected.Count; i++) Assert.Equal(expected.Gradient[i], actual.Gradient[i], 2e-6f);
            }
        });
    }

    [Fact]
    public void WhatDiffers_IsNamed()
    {
        var exception = Assert.Throws<RankMismatchException>(() => ThreadCollectives.Run(2, collectives =>
        {
            using var matrix = new Parameter("matrix", 2, 2);
            matrix.Edit(values => values.Fill(collectives.Rank));
            new BodyParallel(collectives, [matrix], shards: 2 + collectives.Rank).Dispose();
        }));
        Assert.Contains("the number of shards is 3 on rank 1 and 2 on rank 0; the hash of 'matrix' is ", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ShardsOutOfTurn_AreRefused() => ThreadCollectives.Run(1, collectives =>
    {
        using var matrix = new Parameter("matrix", 2, 2);
        using var body = new BodyParallel(collectives, [matrix], shards: 2);
        Assert.Equal([0, 1], body.OwnShards);
        Assert.Contains("Shard 0 of rank 0 is missing", Assert.Throws<InvalidOperationException>(body.Reduce).Message, StringComparison.Ordinal);
        Assert.Contains("Rank 0 ends shard 1 where shard 0 is next", Assert.Throws<InvalidOperationException>(() => body.EndShard(1)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => body.Threads = 0);
    });

    private static string Train(int ranks)
    {
        var digests = new string[ranks];
        ThreadCollectives.Run(ranks, collectives =>
        {
            using var model = new TrainingProgram.Model();
            using var softmax = new VocabularyParallel(collectives, s_layout, seed: 4, s_plan, VocabularyProgram.Options);
            using var body = new BodyParallel(collectives, model.Body, TrainingProgram.Shards) { Threads = 1 };
            using var optimizer = new AdamW(0.01) { Threads = 1 };
            var numbers = new List<float>();
            for (var step = 0; step < 60; step++)
            {
                numbers.Add(Accumulate(softmax, body, model, step));
                numbers.Add((float)softmax.ClipByGlobalNorm(0.5, body.Parameters));
                softmax.Step(optimizer, body.Parameters);
            }

            numbers.AddRange(VocabularyProgram.Weights(collectives, softmax));
            foreach (var parameter in body.Parameters) numbers.AddRange(parameter.Values);
            digests[collectives.Rank] = SumProgram.Digest(CollectionsMarshal.AsSpan(numbers));
        });
        return Assert.Single(digests.Distinct());
    }

    // The gradients of one step: the tokens of all own shards together through the softmax, and each shard back through the body.
    private static float Accumulate(VocabularyParallel softmax, BodyParallel body, TrainingProgram.Model model, int step)
    {
        const int Values = TrainingProgram.TokensPerShard * TrainingProgram.Hidden;
        var shards = body.OwnShards.Select(shard => TrainingProgram.Shard(step, shard)).ToArray();
        float[] hidden = [.. shards.SelectMany(shard => model.Forward(shard.Inputs))];
        var gradient = new float[hidden.Length];
        var loss = softmax.BackwardGathered(hidden, [.. shards.SelectMany(shard => shard.Targets)], gradient);
        for (var i = 0; i < shards.Length; i++)
        {
            model.Backward(shards[i].Inputs, gradient.AsSpan(i * Values, Values));
            body.EndShard(body.OwnShards[i]);
        }

        body.Reduce();
        return loss;
    }
}
