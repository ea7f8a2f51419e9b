using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

public class RetrievedTokensTests
{
    [Fact]
    public void Masses_AddUp_AndAreDividedByTheirSum()
    {
        using var layer = CreateLayer();
        var retrieved = layer.CreateRetrieved();
        retrieved.Add([9, 3, 9, 4], [1, 2, 3, 0]);
        Assert.Equal((2, 6.0), (retrieved.Count, retrieved.Total));
        Assert.Equal((4 / 6.0, 2 / 6.0, 0.0), (retrieved.ProbabilityOf(9), retrieved.ProbabilityOf(3), retrieved.ProbabilityOf(4)));
        retrieved.Add(3, 2);
        Assert.Equal((0.5, 0.5), (retrieved.ProbabilityOf(9), retrieved.ProbabilityOf(3)));
        Assert.Equal(Math.Log((0.75 * 0.2) + (0.25 * 0.5)), retrieved.Mix(MathF.Log(0.2f), 9, 0.25f), 1e-6);
        Assert.Equal(Math.Log(0.75 * 0.2), retrieved.Mix(MathF.Log(0.2f), 1, 0.25f), 1e-6);
        Assert.Equal(Math.Log(0.5), retrieved.Mix(MathF.Log(0.2f), 9, 1), 1e-6);
        Assert.Equal(float.NegativeInfinity, retrieved.Mix(MathF.Log(0.2f), 1, 1));
        Assert.Equal(-1.5f, retrieved.Mix(-1.5f, 9, 0));
        retrieved.Clear();
        Assert.Equal((0, 0.0, 0.0), (retrieved.Count, retrieved.Total, retrieved.ProbabilityOf(9)));
        Assert.Equal(-1.5f, retrieved.Mix(-1.5f, 9, 1));
    }

    [Fact]
    public void WhatIsNoMassOrNoToken_IsRefusedByName()
    {
        using var layer = CreateLayer();
        using var other = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(2, 13, [4, 8], [1, 1]));
        using var session = layer.CreateSession();
        var retrieved = layer.CreateRetrieved();
        foreach (var mass in new[] { -0.1, double.NaN, double.PositiveInfinity, double.NegativeInfinity })
            Assert.Contains("token 3", Assert.Throws<ArgumentException>(() => retrieved.Add(3, mass)).Message, StringComparison.Ordinal);
        foreach (var token in new[] { -1, 12 }) Assert.Contains("not in the vocabulary of 12", Assert.Throws<ArgumentException>(() => retrieved.Add(token, 1)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => retrieved.Add([1, 2], [1]));
        Assert.Equal(0, retrieved.Count);
        retrieved.Add(1, double.MaxValue);
        Assert.Contains("infinite", Assert.Throws<ArgumentException>(() => retrieved.Add(2, double.MaxValue)).Message, StringComparison.Ordinal);
        var random = new SampleRandom(1);
        foreach (var weight in new[] { -0.01f, 1.01f, float.NaN })
        {
            Assert.Contains("from 0 to 1", Assert.Throws<ArgumentException>(() => session.TopK([1, 1], retrieved, weight, new int[1], new float[1])).Message, StringComparison.Ordinal);
            Assert.Throws<ArgumentException>(() => session.Sample([1, 1], retrieved, weight, DecodeOptions.Default, ref random));
            Assert.Throws<ArgumentException>(() => session.TopK([1, 1], [retrieved], weight, new int[1], new float[1], new TopKResult[1]));
            Assert.Throws<ArgumentException>(() => new DecodeSequence(layer).Retrieve(retrieved, weight));
            Assert.Throws<ArgumentException>(() => retrieved.Mix(0, 1, weight));
        }

        var foreign = other.CreateRetrieved();
        Assert.Contains("another vocabulary", Assert.Throws<ArgumentException>(() => session.TopK([1, 1], foreign, 0.5f, new int[1], new float[1])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new DecodeSequence(layer).Retrieve(foreign, 0.5f));
        Assert.Throws<ArgumentException>(() => session.TopK([1, 1], [retrieved, retrieved], 0.5f, new int[1], new float[1], new TopKResult[1]));
        Assert.Equal(0, random.Position);
    }

    [Fact]
    public void AForkedSequence_KeepsWhatWasRetrieved()
    {
        using var layer = CreateLayer();
        var sequence = new DecodeSequence(layer);
        var retrieved = layer.CreateRetrieved();
        sequence.Retrieve(retrieved, 0.25f);
        var fork = sequence.Fork(new SampleRandom(1));
        sequence.Retrieve(null, 0);
        Assert.Same(retrieved, fork.Retrieved);
        Assert.Equal((0.25f, null), (fork.RetrievedWeight, sequence.Retrieved));
    }

    [Fact]
    public void Drafts_AreNotVerifiedAgainstAMixture()
    {
        using var layer = CreateLayer();
        using var speculation = new SpeculativeDecoding(layer);
        var (sequence, retrieved) = (new DecodeSequence(layer), layer.CreateRetrieved());
        sequence.Retrieve(retrieved, 0.5f);
        Assert.Equal(1, speculation.Verify([1, 1], sequence, new DecodedToken[1]));
        retrieved.Add(3, 1);
        Assert.Contains("retrieved tokens", Assert.Throws<ArgumentException>(() => speculation.Verify([1, 1], sequence, new DecodedToken[1])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Steps_AllocateNothing()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(16, 1000, [100, 400], [8, 4]), seed: 1, new AdaptiveSoftmaxOptions { Threads = 1 });
        using var session = layer.CreateSession();
        var (cache, retrieved) = (new PointerCache(layer, 50, 0.5f), layer.CreateRetrieved());
        var hidden = Enumerable.Range(0, 16).Select(i => MathF.Sin(i)).ToArray();
        var (tokens, logProbs, random, options) = (new int[3], new float[3], new SampleRandom(1), new DecodeOptions { Temperature = 0.7f, TopP = 0.9f });
        var before = 0L;
        for (var i = 0; i < 400; i++)
        {
            if (i == 200) before = GC.GetAllocatedBytesForCurrentThread();
            cache.Retrieve(hidden, retrieved);
            session.TopK(hidden, retrieved, 0.3f, tokens, logProbs);
            var token = session.Sample(hidden, retrieved, 0.3f, options, ref random).Token;
            token = session.Sample(hidden, retrieved, 0.3f, DecodeOptions.Default, ref random).Token;
            cache.Add(hidden, token);
            hidden[i % 16] += 0.01f;
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static DynamicAdaptiveSoftmax CreateLayer() => new(SoftmaxLayout.Create(2, 12, [4, 8], [1, 1]));
}
