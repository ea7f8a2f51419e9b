using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Layers;

/// <summary>How the tails of one launch share memory, for random sizes and batches.</summary>
[Collection(Backend.Collection)]
public sealed class PlanTests
{
    private static Accelerator Accelerator => Backend.OpenCl;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Tails_ShareTheMemoryForLogitsAndNeverOverlap(int smoothed)
    {
        var random = new Random(5);
        for (var round = 0; round < 60; round++)
        {
            var tokens = random.Next(1, 3000);
            var sizes = Enumerable.Range(0, random.Next(1, 11)).Select(_ => random.Next(3) == 0 ? random.Next(1, 200) : random.Next(1, 1_000_000)).ToArray();
            ClusterSizes[] clusters =
            [
                new() { Rows = 100, Columns = 256 },
                .. sizes.Select((rows, i) => new ClusterSizes { Rows = rows, Columns = random.Next(1, 300), Start = 100 + sizes.Take(i).Sum() }),
            ];
            var counts = new int[clusters.Length];
            var weights = clusters.Select(_ => random.Next(4)).ToArray();
            weights[0]++;
            var slots = Enumerable.Range(0, tokens).Select(_ => Pick(random, weights)).Select(cluster =>
            {
                counts[cluster]++;
                return clusters[cluster].Start + random.Next(clusters[cluster].Rows);
            }).ToArray();
            var mostTiles = clusters.Max(cluster => cluster.ColumnTiles);
            var arguments = new GroupArguments
            {
                Tokens = tokens,
                Clusters = clusters.Length,
                ShortlistSize = 100,
                AllTokensInTails = smoothed,
                ClustersAtOnce = smoothed == 1 ? 1 : ViewGroup<int>.Capacity,
                GradientCapacity = ((long)tokens * TileProduct.Columns * random.Next(1, mostTiles + 2)) + random.Next(100),
                ShareCapacity = random.Next(4 << 20),
            };
            Check(Plan(slots, clusters, arguments), clusters, counts, arguments);
        }
    }

    private static void Check(BatchPlan[] plan, ClusterSizes[] clusters, int[] counts, GroupArguments arguments)
    {
        Assert.Equal((0, arguments.Tokens), (plan[0].First, plan[0].Count));
        var first = counts[0];
        for (var group = 1; group < plan.Length; group += arguments.ClustersAtOnce)
        {
            var end = Math.Min(group + arguments.ClustersAtOnce, plan.Length);
            long logits = 0, shares = 0;
            // The host launches as many passes as a batch needs whose tokens all lie in the largest cluster.
            var most = clusters[group..end].Max(cluster => cluster.Rows);
            var chunk = arguments.GradientCapacity / arguments.Tokens / TileProduct.Columns * TileProduct.Columns;
            for (var i = group; i < end; i++)
            {
                Assert.Equal(arguments.AllTokensInTails == 1 ? (0, arguments.Tokens) : (first, counts[i]), (plan[i].First, plan[i].Count));
                first += counts[i];
                Assert.Equal((0, 0), (plan[i].ChunkRows % TileProduct.Columns, plan[i].Logits % 4));
                Assert.InRange(plan[i].ChunkRows, 1, clusters[i].ColumnTiles * TileProduct.Columns);
                Assert.Equal(logits, plan[i].Logits);
                logits += (long)plan[i].ChunkRows * plan[i].Count;
                if (plan[i].Splits > 1)
                {
                    Assert.Equal((shares, 0), (plan[i].Shares, plan[i].Shares % 4));
                    shares += (long)plan[i].Splits * plan[i].Count * Sizes.Stride(clusters[i].Columns);
                }

                if (plan[i].Count > 0) Assert.InRange((clusters[i].Rows + plan[i].ChunkRows - 1) / plan[i].ChunkRows, 1, (most + chunk - 1) / chunk);
            }

            Assert.InRange(logits, 0, arguments.GradientCapacity);
            Assert.InRange(shares, 0, arguments.ShareCapacity);
        }
    }

    private static int Pick(Random random, int[] weights)
    {
        var at = random.Next(weights.Sum());
        var cluster = 0;
        for (; at >= weights[cluster]; cluster++) at -= weights[cluster];
        return cluster;
    }

    private static BatchPlan[] Plan(int[] slots, ClusterSizes[] clusters, GroupArguments arguments)
    {
        using var slotBuffer = Accelerator.Allocate1D(slots);
        using var sizeBuffer = Accelerator.Allocate1D(clusters);
        using var order = Accelerator.Allocate1D<int>(slots.Length);
        using var headRows = Accelerator.Allocate1D<int>(slots.Length);
        using var tailRows = Accelerator.Allocate1D<int>(slots.Length);
        using var plan = Accelerator.Allocate1D<BatchPlan>(clusters.Length);
        KernelCache.Get(Accelerator, device => new CommonKernels(device)).GroupByCluster(
            Accelerator.DefaultStream, Launches.OneGroup, slotBuffer.View, sizeBuffer.View, order.View, headRows.View, tailRows.View, plan.View, arguments);
        return plan.GetAsArray1D();
    }
}
