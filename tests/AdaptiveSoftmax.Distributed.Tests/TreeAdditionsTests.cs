namespace AdaptiveSoftmax.Distributed.Tests;

public sealed unsafe class TreeAdditionsTests
{
    // Each term a power of two, so that a sum says which terms are in it and how often.
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(10)]
    [InlineData(11)]
    [InlineData(12)]
    public void ASum_HasEachTermThatIsThereOnce_WhicheverAreNot(int leaves)
    {
        for (var ranks = 1; ranks <= leaves; ranks++)
        {
            var tree = new SumTree(leaves, ranks);
            int[] counts = [.. Enumerable.Range(0, ranks).Select(rank => tree.NodesOf(rank).Count)];
            for (var mask = 1; mask < 1 << counts.Sum(); mask++) Assert.Equal(mask, SumOf(tree, counts, mask));
        }
    }

    private static float SumOf(SumTree tree, int[] counts, int mask)
    {
        var (present, node) = (new bool[counts.Length][], 0);
        for (var rank = 0; rank < counts.Length; rank++)
        {
            present[rank] = new bool[counts[rank]];
            for (var i = 0; i < counts[rank]; i++) present[rank][i] = (mask >> node++ & 1) == 1;
        }

        var additions = new TreeAdditions(tree, present);
        float[] values = [.. Enumerable.Range(0, node).Where(i => (mask >> i & 1) == 1).Select(i => (float)(1 << i))];
        Assert.Equal(values.Length, additions.Terms);
        var (work, sum) = (new float[additions.WorkLength + 1], 0f);
        fixed (float* first = values, room = work)
        {
            var terms = new nint[values.Length];
            for (var i = 0; i < terms.Length; i++) terms[i] = (nint)(first + i);
            additions.Run(terms, 1, scale: 1, &sum, room);
        }

        return sum;
    }
}
