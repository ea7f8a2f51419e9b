namespace AdaptiveSoftmax.Corpus.Tests.Tokenizing;

/// <summary>The lowest comes out first.</summary>
public sealed class RankHeapTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(5000)]
    public void WhatGoesIn_ComesOutSorted(int count)
    {
        var random = new Random(count);
        var heap = new RankHeap();
        var items = Enumerable.Range(0, count).Select(_ => (ulong)random.Next(count)).ToList();
        items.ForEach(heap.Add);
        Assert.Equal(count, heap.Count);
        foreach (var expected in items.Order())
        {
            Assert.True(heap.TryTake(out var item));
            Assert.Equal(expected, item);
        }

        Assert.False(heap.TryTake(out _));
    }

    [Fact]
    public void ItemsAddedBetween_ComeOutInOrderToo()
    {
        var random = new Random(2);
        var heap = new RankHeap();
        var expected = new PriorityQueue<ulong, ulong>();
        for (var step = 0; step < 20_000; step++)
        {
            if (random.Next(5) < 3)
            {
                var item = (ulong)random.NextInt64();
                heap.Add(item);
                expected.Enqueue(item, item);
            }
            else
            {
                Assert.Equal(expected.TryDequeue(out var lowest, out _), heap.TryTake(out var item));
                Assert.Equal(lowest, item);
            }
        }
    }
}
