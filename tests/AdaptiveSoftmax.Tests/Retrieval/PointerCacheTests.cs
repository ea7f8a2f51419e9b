using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

public sealed class PointerCacheTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory().FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(1, 7)]
    [InlineData(5, 3)]
    [InlineData(40, 33)]
    [InlineData(300, 128)]
    public void Retrieve_IsTheSoftmaxOfProducts_OfTheLastStates(int capacity, int hiddenSize)
    {
        using var layer = CreateLayer(hiddenSize);
        var random = new Random(capacity);
        var (cache, retrieved) = (new PointerCache(layer, capacity, 0.7f), layer.CreateRetrieved());
        List<(float[] Hidden, int Token)> all = [];
        for (var step = 0; step < 3 * capacity; step++)
        {
            var hidden = Vector(random, hiddenSize);
            cache.Retrieve(hidden, retrieved);
            var last = all.TakeLast(capacity).ToList();
            Assert.Equal(last.Count, cache.Count);
            var scores = last.Select(entry => 0.7f * entry.Hidden.Zip(hidden, (a, b) => (double)a * b).Sum()).ToArray();
            var sum = scores.Sum(score => Math.Exp(score - scores.Max()));
            var expected = new double[50];
            for (var i = 0; i < last.Count; i++) expected[last[i].Token] += Math.Exp(scores[i] - scores.Max()) / sum;
            for (var token = 0; token < 50; token++) Assert.Equal(expected[token], retrieved.ProbabilityOf(token), 1e-5);
            Assert.Equal(last.Select(entry => entry.Token).Distinct().Count(), retrieved.Count);
            all.Add((hidden, random.Next(50)));
            cache.Add(hidden, all[^1].Token);
        }
    }

    [Fact]
    public void Retrieve_OfLongStates_IsFinite()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(2, 6));
        var cache = new PointerCache(layer, capacity: 3, theta: 1);
        cache.Add([40, 0], 1);
        cache.Add([40, 0.01f], 2);
        var retrieved = layer.CreateRetrieved();
        cache.Retrieve([40, 40], retrieved);

        // exp(1600) is beyond float64, and the ratio of the two is exp(0.4).
        Assert.Equal(1 / (1 + Math.Exp(-0.4)), retrieved.ProbabilityOf(2), 1e-4);
    }

    [Fact]
    public void ThetaZero_CountsEntriesAlike_AndAnEmptyCacheGivesNothing()
    {
        using var layer = CreateLayer(4);
        var (cache, retrieved) = (new PointerCache(layer, 3, theta: 0), layer.CreateRetrieved());
        retrieved.Add(7, 1);
        cache.Retrieve([1, 1, 1, 1], retrieved);
        Assert.Equal(0, retrieved.Count);
        foreach (var token in new[] { 9, 4, 4, 8 }) cache.Add([token, 0, -token, 3], token);
        cache.Retrieve([1, 1, 1, 1], retrieved);
        Assert.Equal((2 / 3.0, 1 / 3.0, 0.0), (retrieved.ProbabilityOf(4), retrieved.ProbabilityOf(8), retrieved.ProbabilityOf(9)));
        cache.Clear();
        cache.Retrieve([1, 1, 1, 1], retrieved);
        Assert.Equal((0, 0), (retrieved.Count, cache.Count));
        cache.Add([0, 0, 0, 0], 1);
        cache.Retrieve([1, 1, 1, 1], retrieved);
        Assert.Equal(1, retrieved.ProbabilityOf(1));
    }

    [Fact]
    public void CopiesAndFiles_GiveTheSameBits_AndGoTheirOwnWay()
    {
        using var layer = CreateLayer(20);
        var random = new Random(2);
        var cache = new PointerCache(layer, 30, 0.4f);
        for (var i = 0; i < 47; i++) cache.Add(Vector(random, 20), random.Next(50));
        var path = Path.Combine(_folder, "cache.safetensors");
        cache.Save(path);
        var (clone, loaded, smaller) = (cache.Clone(), new PointerCache(layer, 30, 0.4f), new PointerCache(layer, 10, 0.4f));
        loaded.Load(path);
        smaller.Load(path);

        // A stream that only goes on, and what stands before in one that can be sought.
        using var kept = new MemoryStream();
        kept.Write("before"u8);
        cache.Save(new PlainStream(kept));
        Assert.Equal(File.ReadAllBytes(path), kept.ToArray()[6..]);
        var (plain, sought) = (new PointerCache(layer, 30, 0.4f), new PointerCache(layer, 30, 0.4f));
        kept.Position = 6;
        plain.Load(new PlainStream(kept));
        kept.Position = 6;
        sought.Load(kept);
        Assert.True(kept.CanRead);
        var hidden = Vector(random, 20);
        var expected = Probabilities(cache, hidden);
        Assert.Equal(expected, Probabilities(clone, hidden));
        Assert.Equal(expected, Probabilities(loaded, hidden));
        Assert.Equal(expected, Probabilities(plain, hidden));
        Assert.Equal(expected, Probabilities(sought, hidden));
        Assert.Equal((30, 30, 10), (clone.Count, loaded.Count, smaller.Count));
        clone.Add(hidden, 3);
        loaded.Add(hidden, 3);
        Assert.Equal(Probabilities(clone, hidden), Probabilities(loaded, hidden));
        Assert.NotEqual(expected, Probabilities(clone, hidden));
        Assert.Equal(expected, Probabilities(cache, hidden));

        // The last ten of the file.
        var last = new PointerCache(layer, 10, 0.4f);
        using (var states = StatesFile.Open(path))
        {
            var block = new StatesBlock();
            states.Read(20, 10, block);
            for (var i = 0; i < 10; i++) last.Add(block.Hidden.Slice(i * 20, 20), block.Targets[i]);
        }

        Assert.Equal(Probabilities(last, hidden), Probabilities(smaller, hidden));

        double[] Probabilities(PointerCache from, float[] state)
        {
            var retrieved = layer.CreateRetrieved();
            from.Retrieve(state, retrieved);
            return [.. Enumerable.Range(0, 50).Select(retrieved.ProbabilityOf)];
        }
    }

    [Fact]
    public void WhatDoesNotFit_IsRefused_AndLeavesTheCacheAsItWas()
    {
        using var layer = CreateLayer(4);
        using var other = CreateLayer(5);
        Assert.Throws<ArgumentOutOfRangeException>(() => new PointerCache(layer, 0, 1));
        foreach (var theta in new[] { -1, float.NaN, float.PositiveInfinity }) Assert.Throws<ArgumentOutOfRangeException>(() => new PointerCache(layer, 2, theta));
        var cache = new PointerCache(layer, 2, 1);
        Assert.Throws<InvalidOperationException>(() => cache.Save(Path.Combine(_folder, "empty.safetensors")));
        Assert.Throws<InvalidOperationException>(() => cache.Save(Stream.Null));
        cache.Add([1, 2, 3, 4], 5);
        Assert.Contains("Value 2", Assert.Throws<ArgumentException>(() => cache.Add([1, 2, float.NaN, 4], 5)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => cache.Add([1, 2, 3], 5));
        Assert.Throws<ArgumentException>(() => cache.Add([1, 2, 3, 4], 50));
        Assert.Throws<ArgumentException>(() => cache.Retrieve([1, 2, 3], layer.CreateRetrieved()));
        Assert.Throws<ArgumentException>(() => cache.Retrieve([1, 2, 3, float.PositiveInfinity], layer.CreateRetrieved()));
        Assert.Throws<ArgumentException>(() => cache.Retrieve([1, 2, 3, 4], other.CreateRetrieved()));
        Assert.Contains("beyond float32", Assert.Throws<ArgumentException>(() => cache.Retrieve([3e38f, 3e38f, 3e38f, 3e38f], layer.CreateRetrieved())).Message, StringComparison.Ordinal);
        var path = Path.Combine(_folder, "other.safetensors");
        var foreign = new PointerCache(other, 2, 1);
        foreign.Add([1, 2, 3, 4, 5], 1);
        foreign.Save(path);
        Assert.ThrowsAny<WeightsFormatException>(() => cache.Load(path));
        Assert.ThrowsAny<WeightsFormatException>(() => cache.Load(new MemoryStream(File.ReadAllBytes(path))));
        Assert.ThrowsAny<WeightsFormatException>(() => cache.Load(Stream.Null));
        Assert.Equal(1, cache.Count);
    }

    private static DynamicAdaptiveSoftmax CreateLayer(int hiddenSize) => new(SoftmaxLayout.Create(hiddenSize, 50, [20, 30], [1, 1]), seed: 1);

    private static float[] Vector(Random random, int size) => [.. Enumerable.Range(0, size).Select(_ => (float)((random.NextDouble() * 2) - 1))];
}
