using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

public class IdlePoolTests
{
    [Fact]
    public void WhatIsReturned_IsLentAgain_TheLastFirst()
    {
        using var pool = new IdlePool<Item>(() => new Item(), typeof(Item));
        var (first, second) = (pool.Rent(), pool.Rent());
        pool.Return(first);
        pool.Return(second);
        Assert.Same(second, pool.Rent());
        Assert.Same(first, pool.Rent());
        Assert.NotSame(first, pool.Rent());
    }

    [Fact]
    public void WhatNoCallNeededSinceTheLastTime_IsGivenBack_AndWhatCallsNeedStays()
    {
        using var pool = new IdlePool<Item>(() => new Item(), typeof(Item));
        var items = Enumerable.Range(0, 16).Select(_ => pool.Rent()).ToArray();
        foreach (var item in items) pool.Return(item);
        pool.Trim();
        Assert.DoesNotContain(items, item => item.IsDisposed);

        // Two at a time from here on.
        for (var call = 0; call < 10; call++)
        {
            var (one, other) = (pool.Rent(), pool.Rent());
            pool.Return(one);
            pool.Return(other);
        }

        pool.Trim();
        Assert.Equal(14, items.Count(item => item.IsDisposed));
        pool.Trim();
        Assert.All(items, item => Assert.True(item.IsDisposed));
        Assert.Equal(0, pool.SumFree(_ => 1));
    }

    [Fact]
    public void AfterTheOwner_NothingIsLent_AndWhatComesBackIsDisposed()
    {
        var pool = new IdlePool<Item>(() => new Item(), typeof(Item));
        var (free, lent) = (pool.Rent(), pool.Rent());
        pool.Return(free);
        pool.Dispose();
        Assert.True(free.IsDisposed);
        Assert.False(lent.IsDisposed);
        pool.Return(lent);
        Assert.True(lent.IsDisposed);
        Assert.Throws<ObjectDisposedException>(() => pool.Rent());
        pool.Trim();
        pool.Dispose();
    }

    [Fact]
    public void MemoryOfManyCallersAtOnce_IsGivenBack_WhateverTheyCalled()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(16, 3_000, [500, 1_500]), options: new AdaptiveSoftmaxOptions { Threads = 2 });
        using var together = new Barrier(16);
        var callers = Enumerable.Range(0, 16).Select(_ => new Thread(() =>
        {
            var hidden = new float[64 * 16];
            for (var i = 0; i < hidden.Length; i++) hidden[i] = i % 7 / 7f;
            together.SignalAndWait();
            layer.Loss(hidden, [.. Enumerable.Range(0, 64).Select(i => i * 40)]);
            layer.TopK(hidden.AsSpan(0, 16), new int[5], new float[5]);
            layer.LogProb(hidden, new float[64 * 3_000]);
        })).ToArray();
        foreach (var caller in callers) caller.Start();
        foreach (var caller in callers) caller.Join();
        Assert.True(layer.WorkingMemory > 0);
        layer.TrimWorkingMemory();
        layer.TrimWorkingMemory();
        Assert.Equal(0, layer.WorkingMemory);
        layer.TopK(new float[16], new int[5], new float[5]);
        Assert.True(layer.WorkingMemory > 0);
    }

    private sealed class Item : IDisposable
    {
        public bool IsDisposed { get; private set; }

        public void Dispose() => IsDisposed = true;
    }
}
