using CsCheck;

namespace AdaptiveSoftmax.Tests;

public sealed class DecodeCacheTests
{
    [Fact]
    public void AnEntry_IsFoundByItsKeyAndVariantAlone()
    {
        var cache = new DecodeCache(capacity: 8, tokensPerEntry: 3);
        var key = new UInt128(7, 9);
        cache.Set(key, [4, 5, 6], [-1, -2, -3], variant: 1);
        var (tokens, logProbs) = (new int[3], new float[3]);
        Assert.True(cache.TryGet(key, tokens, logProbs, variant: 1));
        Assert.Equal([4, 5, 6], tokens);
        Assert.Equal([-1, -2, -3], logProbs);
        Assert.False(cache.TryGet(key, tokens, logProbs));
        Assert.False(cache.TryGet(new UInt128(9, 7), tokens, logProbs, variant: 1));
        Assert.False(cache.TryGet(7, tokens, logProbs, variant: 1));
        Assert.False(cache.TryGet(9, tokens, logProbs, variant: 1));
        Assert.Equal((1, 4), (cache.Hits, cache.Misses));
        Assert.Equal(0.2, cache.HitRate, 1e-12);
    }

    [Fact]
    public void AnEntryOfK_AnswersForFewer_AndNotForMore()
    {
        var cache = new DecodeCache(capacity: 8, tokensPerEntry: 4);
        cache.Set(1, [4, 5], [-1, -2]);
        var tokens = new int[1];
        Assert.True(cache.TryGet(1, tokens, []));
        Assert.Equal([4], tokens);
        tokens = [-7, -7, -7];
        Assert.False(cache.TryGet(1, tokens, []));
        Assert.Equal([-7, -7, -7], tokens);
        cache.Set(1, [8, 9, 10], [-1, -2, -3]);
        Assert.True(cache.TryGet(1, tokens, []));
        Assert.Equal([8, 9, 10], tokens);
        Assert.Equal(1, cache.Count);
    }

    [Fact]
    public void Clear_ForgetsEntries_AndLeavesRoomForAll()
    {
        var cache = new DecodeCache(capacity: 300);
        for (var round = 0; round < 3; round++)
        {
            for (var key = 0; key < 1000; key++) cache.Set((UInt128)key, [key], [0]);
            cache.Clear();
            Assert.Equal(0, cache.Count);
            for (var key = 0; key < 1000; key++) Assert.False(cache.TryGet((UInt128)key, new int[1], []));
        }
    }

    [Fact]
    public void WhatIsLookedUp_SurvivesAStreamOfNewEntries()
    {
        var cache = new DecodeCache(capacity: 32);
        for (var hot = 0; hot < 16; hot++) cache.Set((UInt128)hot, [hot], [0]);
        var token = new int[1];
        for (var key = 100; key < 2_000; key++)
        {
            cache.Set((UInt128)key, [key], [0]);
            for (var hot = 0; hot < 16 && key % 8 == 0; hot++) Assert.True(cache.TryGet((UInt128)hot, token, []));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(1_000)]
    [InlineData(5_003)]
    public void Capacity_IsNeverExceeded_AndIsReached(int capacity)
    {
        var cache = new DecodeCache(capacity);
        for (var key = 0; key < 20 * capacity; key++)
        {
            cache.Set((UInt128)key, [key], [0]);
            if (key % 97 == 0) Assert.True(cache.Count <= capacity);
        }

        Assert.Equal(capacity, cache.Count);
    }

    [Fact]
    public void Operations_AgreeWithAListOfEntriesAndSecondChances()
    {
        var operation = Gen.Select(Gen.Int[0, 3], Gen.Int[0, 12], Gen.Int[1, 3], (kind, key, length) => (kind, key, length));
        Gen.Select(Gen.Int[1, 8], operation.Array[0, 200]).Sample((capacity, operations) =>
        {
            // So few entries stand in one shard, whose order of eviction can be told.
            var cache = new DecodeCache(capacity, tokensPerEntry: 3);
            var clock = new LinkedList<ModelEntry>();
            for (var step = 0; step < operations.Length; step++)
            {
                var (kind, key, length) = operations[step];
                if (kind == 3 && key == 0)
                {
                    cache.Clear();
                    clock.Clear();
                }
                else if (kind >= 2)
                {
                    int[] tokens = [.. Enumerable.Range(step, length)];
                    cache.Set((UInt128)key, tokens, [.. tokens.Select(token => -(float)token)]);
                    SetInModel(clock, capacity, key, tokens);
                }
                else
                {
                    var (tokens, logProbs) = (new int[length], new float[length]);
                    var found = clock.FirstOrDefault(entry => entry.Key == key && entry.Tokens.Length >= length);
                    if (cache.TryGet((UInt128)key, tokens, logProbs) != found is not null) return false;
                    if (found is null) continue;
                    found.IsUsed = true;
                    if (!found.Tokens.Take(length).SequenceEqual(tokens) || !tokens.Select(token => -(float)token).SequenceEqual(logProbs)) return false;
                }

                if (cache.Count != clock.Count) return false;
            }

            return true;
        });
    }

    [Fact]
    public async Task ManyThreads_NeverGetAnothersResult()
    {
        const int Keys = 3_000;
        var cache = new DecodeCache(capacity: 1_000, tokensPerEntry: 8);
        var wrong = 0;
        var calls = 0L;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(thread => Task.Run(() =>
        {
            var random = new Random(thread);
            var (tokens, logProbs) = (new int[8], new float[8]);
            for (var i = 0; i < 60_000; i++)
            {
                // The square favours small keys, so that some are asked for often.
                var draw = random.NextDouble();
                var key = (int)(draw * draw * Keys);
                var length = random.Next(1, 9);
                if (cache.TryGet((UInt128)key, tokens.AsSpan(0, length), logProbs.AsSpan(0, length)))
                {
                    for (var at = 0; at < length; at++)
                    {
                        if (tokens[at] != (key * 31) + at || logProbs[at] != key - at) Interlocked.Increment(ref wrong);
                    }
                }
                else
                {
                    for (var at = 0; at < 8; at++) (tokens[at], logProbs[at]) = ((key * 31) + at, key - at);
                    cache.Set((UInt128)key, tokens.AsSpan(0, length), logProbs.AsSpan(0, length));
                }

                if (i % 20_000 == 0) cache.Clear();
                Interlocked.Increment(ref calls);
            }
        }, TestContext.Current.CancellationToken)));
        Assert.Equal(0, wrong);
        Assert.Equal(calls, cache.Hits + cache.Misses);
        Assert.InRange(cache.HitRate, 0.1, 0.9);
        Assert.InRange(cache.Count, 1, 1_000);
    }

    [Fact]
    public void NoCall_Allocates()
    {
        var cache = new DecodeCache(capacity: 500, tokensPerEntry: 4);
        Span<int> tokens = stackalloc int[4];
        Span<float> logProbs = stackalloc float[4];
        long before = 0;
        for (var round = 0; round < 3; round++)
        {
            before = GC.GetAllocatedBytesForCurrentThread();
            for (var key = 0; key < 5_000; key++)
            {
                if (!cache.TryGet((UInt128)(key / 2), tokens, logProbs)) cache.Set((UInt128)(key / 2), tokens, logProbs);
            }

            cache.Clear();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Bytes_AreAboutWhatTheCacheAllocates()
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var cache = new DecodeCache(capacity: 100_000, tokensPerEntry: 10);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.InRange((double)cache.Bytes / allocated, 0.9, 1.1);
    }

    [Fact]
    public void WrongArguments_AreRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new DecodeCache(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DecodeCache(1, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DecodeCache(int.MaxValue, 1_000));
        var cache = new DecodeCache(4, 2);
        Assert.Throws<ArgumentException>(() => cache.TryGet(1, [], []));
        Assert.Throws<ArgumentException>(() => cache.TryGet(1, new int[2], new float[1]));
        Assert.Throws<ArgumentException>(() => cache.Set(1, [1], []));
        Assert.Contains("tokensPerEntry: 3", Assert.Throws<ArgumentException>(() => cache.Set(1, [1, 2, 3], [0, 0, 0])).Message, StringComparison.Ordinal);
    }

    // The clock as a list that the hand takes from at the front.
    private static void SetInModel(LinkedList<ModelEntry> clock, int capacity, int key, int[] tokens)
    {
        if (clock.FirstOrDefault(entry => entry.Key == key) is { } known)
        {
            known.Tokens = tokens;
            return;
        }

        while (clock.Count == capacity)
        {
            var first = clock.First!.Value;
            clock.RemoveFirst();
            if (first.IsUsed) clock.AddLast(first);
            first.IsUsed = false;
        }

        clock.AddLast(new ModelEntry(key) { Tokens = tokens });
    }

    private sealed class ModelEntry(int key)
    {
        public int Key { get; } = key;

        public int[] Tokens { get; set; } = [];

        public bool IsUsed { get; set; }
    }
}
