using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

public sealed class CachedTopKTests
{
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(16, 300, [20, 90], 2.0, hasHeadBias: false);

    [Fact]
    public void AKnownContext_IsAnsweredFromTheCache_WithTheSameBits()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        var cache = new DecodeCache(100, tokensPerEntry: 5);
        using var session = layer.CreateSession(cache);
        Assert.Same(cache, session.Cache);
        var calls = 0;
        var (tokens, logProbs, expected, expectedLogProbs) = (new int[5], new float[5], new int[5], new float[5]);
        for (var round = 0; round < 2; round++)
        {
            for (var context = 0; context < 10; context++)
            {
                session.TopK(Hidden(context), expected, expectedLogProbs);
                var result = session.TopK((UInt128)(ulong)context, vector => { calls++; Hidden(context).CopyTo(vector); }, tokens, logProbs);
                Assert.Equal((5, 0f), (result.Count, result.UnseenMass));
                if (round > 0) Assert.Equal(0, result.TailsVisited);
                Assert.Equal(expected, tokens);
                Assert.Equal(expectedLogProbs, logProbs);
                session.TopK((UInt128)(ulong)context, Hidden(context), tokens.AsSpan(0, 2), logProbs.AsSpan(0, 2));
                Assert.Equal(expected[..2], tokens[..2]);
            }
        }

        Assert.Equal((10, 10, 30L, 10L), (calls, cache.Count, cache.Hits, cache.Misses));
    }

    [Fact]
    public void WhatComputesAVector_MayDecodeWithTheSameSession()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        using var session = layer.CreateSession(new DecodeCache(100));
        var (token, logProb, expected, other) = (new int[1], new float[1], layer.Predict(Hidden(1)), layer.Predict(Hidden(2)));
        var inner = new int[1];
        session.TopK(1, outer =>
        {
            Hidden(1).CopyTo(outer);
            session.TopK(2, nested => Hidden(2).CopyTo(nested), inner, new float[1]);
        }, token, logProb);
        Assert.Equal((expected, other), (token[0], inner[0]));
    }

    [Fact]
    public void OptionsAndOtherLayers_GetNothingFromTheCache()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        using var other = new DynamicAdaptiveSoftmax(s_layout, seed: 2);
        using var small = layer.Quantize(QuantizationOptions.Default);
        var cache = new DecodeCache(100);
        using var session = layer.CreateSession(cache);
        var (token, logProb) = (new int[1], new float[1]);
        session.TopK(7, Hidden(0), token, logProb);
        var best = token[0];
        foreach (var stranger in new SoftmaxDecoder[] { other, small })
        {
            using var strangers = stranger.CreateSession(cache);
            var (expected, expectedLogProb) = (new int[1], new float[1]);
            stranger.TopK(Hidden(0), expected, expectedLogProb);
            strangers.TopK(7, Hidden(0), token, logProb);
            Assert.Equal((expected[0], expectedLogProb[0]), (token[0], logProb[0]));
        }

        // A call with options has no key to give, and leaves the cache alone.
        Assert.Equal(3, cache.Count);
        session.TopK(Hidden(0), token, logProb, new DecodeOptions { Mask = layer.CreateDenyMask([best]) });
        Assert.NotEqual(best, token[0]);
        session.TopK(7, Hidden(0), token, logProb);
        Assert.Equal((best, 3), (token[0], cache.Count));
    }

    [Fact]
    public void WithoutACache_EachCallComputes()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        using var session = layer.CreateSession();
        Assert.Null(session.Cache);
        var calls = 0;
        var (tokens, logProbs) = (new int[3], new float[3]);
        for (var i = 0; i < 3; i++) session.TopK(1, vector => { calls++; Hidden(i).CopyTo(vector); }, tokens, logProbs);
        Assert.Equal(3, calls);
        var (expected, expectedLogProbs) = (new int[3], new float[3]);
        session.TopK(Hidden(2), expected, expectedLogProbs);
        Assert.Equal(expected, tokens);
    }

    [Fact]
    public void WeightsThatChange_MakeNewEntries()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        var cache = new DecodeCache(100, tokensPerEntry: 2);
        using var session = layer.CreateSession(cache);
        using var quantized = layer.Quantize();
        using var ofCopy = quantized.CreateSession(cache);
        var (tokens, logProbs, expected) = (new int[1], new float[1], new float[1]);
        ofCopy.TopK(1, Hidden(1), tokens, logProbs);
        Action[] changes =
        [
            () => layer.Initialize(9),
            () => layer.Parameters[0].Edit(values => values[3] += 2),
            () => layer.Parameters[0].EditRow(1, row => row.Fill(1)),
            () =>
            {
                using var optimizer = new Sgd(0.5);
                layer.Backward(Hidden(1), [3], new float[16]);
                optimizer.Step(layer);
            },
        ];
        foreach (var change in changes)
        {
            var misses = cache.Misses;
            session.TopK(1, Hidden(1), tokens, logProbs);
            session.TopK(1, Hidden(1), tokens, logProbs);
            Assert.Equal(misses + 1, cache.Misses);
            change();
            layer.TopK(Hidden(1), tokens, expected);
            session.TopK(1, Hidden(1), tokens, logProbs);
            Assert.Equal(expected, logProbs);
            Assert.Equal(misses + 2, cache.Misses);
            change();
        }

        // The copy's weights are its own.
        var before = cache.Misses;
        ofCopy.TopK(1, Hidden(1), tokens, logProbs);
        Assert.Equal(before, cache.Misses);

        // A change in the midst of a call leaves open which weights made the result.
        session.TopK(2, vector => { Hidden(2).CopyTo(vector); layer.Initialize(4); }, tokens, logProbs);
        session.TopK(2, Hidden(2), tokens, logProbs);
        Assert.Equal(before + 2, cache.Misses);
    }

    [Fact]
    public void ACallThatFails_KeepsNothing()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        var cache = new DecodeCache(100, tokensPerEntry: 2);
        using var session = layer.CreateSession(cache);
        var (tokens, logProbs) = (new int[3], new float[3]);
        Assert.Throws<TimeoutException>(() => session.TopK(1, _ => throw new TimeoutException(), tokens.AsSpan(0, 1), logProbs.AsSpan(0, 1)));
        Assert.Throws<DecodeException>(() => session.TopK(1, vector => vector.Fill(float.NaN), tokens.AsSpan(0, 1), logProbs.AsSpan(0, 1)));
        Assert.Throws<ArgumentException>(() => session.TopK(1, new float[15], tokens.AsSpan(0, 1), logProbs.AsSpan(0, 1)));
        Assert.Throws<ArgumentException>(() => session.TopK(1, Hidden(1), tokens.AsSpan(0, 1), logProbs.AsSpan(0, 2)));
        Assert.Contains("tokensPerEntry: 3", Assert.Throws<ArgumentException>(() => session.TopK(1, Hidden(1), tokens, logProbs)).Message, StringComparison.Ordinal);
        Assert.Equal(0, cache.Count);
        session.Dispose();
        Assert.Throws<ObjectDisposedException>(() => session.TopK(1, Hidden(1), tokens.AsSpan(0, 1), logProbs.AsSpan(0, 1)));
    }

    [Fact]
    public void MoreTokensThanTheVocabularyHas_AreKeptToo()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(16, 6, [2], 2.0, hasHeadBias: false));
        var cache = new DecodeCache(10, tokensPerEntry: 8);
        using var session = layer.CreateSession(cache);
        var (tokens, logProbs) = (new int[8], new float[8]);
        Assert.Equal(6, session.TopK(1, Hidden(1), tokens, logProbs).Count);
        Assert.Equal(6, session.TopK(1, Hidden(1), tokens, logProbs).Count);
        Assert.Equal((1, 1), (cache.Hits, cache.Misses));
    }

    [Fact]
    public void AStepThatMisses_AllocatesNothing()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        using var session = layer.CreateSession(new DecodeCache(64));
        var (token, logProb, hidden) = (new int[1], new float[1], Hidden(0));
        Action<Span<float>> compute = vector => hidden.CopyTo(vector);
        var key = UInt128.Zero;
        for (var i = 0; i < 200; i++) session.TopK(key++, compute, token, logProb);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++)
        {
            session.TopK(key++, compute, token, logProb);
            session.TopK(key, hidden, token, logProb);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static float[] Hidden(int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, 16).Select(_ => (random.NextSingle() * 4) - 2)];
    }
}
