using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Layers;

/// <summary>How tokens are cut into chunks, for random sizes and batches.</summary>
[Collection(Backend.Collection)]
public sealed class PlanTests
{
    private static Accelerator Accelerator => Backend.OpenCl;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Chunks_HoldEachTokenOnceAndFitTheMemory(int smoothed)
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
                LogitCapacity = TrainingScratch.LogitCapacity(tokens, mostTiles * TileProduct.Columns, (long)mostTiles * TileProduct.Columns * random.Next(tokens + 2)),
                SplitCapacity = random.Next(4 << 20),
            };
            Check(Plan(slots, clusters, arguments), clusters, counts, arguments);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(150_000)]
    [InlineData(1_000_000)]
    [InlineData(long.MaxValue)]
    public void Chunks_FitTheMemoryOfBatchesBefore(long logitBytes)
    {
        // Smaller and larger ones: a batch is planned from its own tokens, and what is there was made for the largest so far.
        var layout = SoftmaxLayout.Create(16, 4000, [300, 1700, 1900], [8, 4, 4]);
        ClusterSizes[] clusters =
        [
            new() { Rows = layout.HeadRows, Columns = layout.HiddenSize },
            .. layout.Tails.Select(tail => new ClusterSizes { Rows = tail.Size, Columns = tail.ProjectionWidth, Start = tail.Start }),
        ];
        using var scratch = new TrainingScratch(Accelerator, layout, logitBytes);
        using var large = new TrainingScratch(Accelerator, layout, logitBytes);
        large.Reserve(1000, withGradient: true, withHiddenGradient: true);
        foreach (var tokens in new[] { 5, 17, 16, 15, 300, 129, 128, 127, 256, 255, 1, 900, 899, 640, 513, 512, 511, 90, 1000, 901, 33 })
        {
            Assert.InRange(scratch.LogitCapacity(tokens), 1, large.Logits.Length);
            Assert.InRange(scratch.SplitCapacity(tokens), 1, large.SplitSums.Length);
            scratch.Reserve(tokens, withGradient: true, withHiddenGradient: true);
            foreach (var cluster in new[] { 0, 1, 2, 3, -1 })
            {
                var counts = new int[clusters.Length];
                var slots = Enumerable.Range(0, tokens).Select(token =>
                {
                    var at = cluster >= 0 ? cluster : token % clusters.Length;
                    counts[at]++;
                    return clusters[at].Start + (token % 200);
                }).ToArray();
                for (var smoothed = 0; smoothed <= 1; smoothed++)
                {
                    var arguments = new GroupArguments
                    {
                        Tokens = tokens,
                        Clusters = clusters.Length,
                        ShortlistSize = layout.ShortlistSize,
                        AllTokensInTails = smoothed,
                        ClustersAtOnce = smoothed == 1 ? 1 : ViewGroup<int>.Capacity,
                        LogitCapacity = scratch.LogitCapacity(tokens),
                        SplitCapacity = scratch.SplitCapacity(tokens),
                    };
                    Assert.InRange(arguments.LogitCapacity, 1, scratch.Logits.Length);
                    Assert.InRange(arguments.SplitCapacity, 1, scratch.SplitSums.Length);
                    var plan = Plan(slots, clusters, arguments);
                    Check(plan, clusters, counts, arguments);
                    Assert.InRange(plan.Length, 1, Math.Min(scratch.Plan.Length, scratch.HostPlan.Length));
                }
            }
        }
    }

    private static void Check(BatchPlan[] plan, ClusterSizes[] clusters, int[] counts, GroupArguments arguments)
    {
        Assert.Equal((0, arguments.Tokens), (plan[0].First, plan[0].Count));
        var next = new int[clusters.Length];
        for (int i = 1, first = counts[0]; i < clusters.Length; first += counts[i], i++)
        {
            Assert.Equal(arguments.AllTokensInTails == 1 ? (0, arguments.Tokens) : (first, counts[i]), (plan[i].First, plan[i].Count));
            next[i] = plan[i].First;
        }

        var place = clusters.Length;
        for (var group = 0; group < clusters.Length; group = group == 0 ? 1 : group + arguments.ClustersAtOnce)
        {
            var end = group == 0 ? 1 : Math.Min(group + arguments.ClustersAtOnce, clusters.Length);
            // The host launches as many chunks as a batch needs whose tokens all lie in the largest cluster.
            var most = (int)Math.Min(arguments.Tokens, arguments.LogitCapacity / (clusters[group..end].Max(cluster => cluster.ColumnTiles) * TileProduct.Columns));
            var chunks = most == arguments.Tokens || most < 128 ? (arguments.Tokens + most - 1) / most : (arguments.Tokens + (most / 128 * 128) - 1) / (most / 128 * 128);
            for (var chunk = 0; chunk < chunks; chunk++)
            {
                long logits = 0, splitSums = 0;
                for (var i = group; i < end; i++, place++)
                {
                    if (plan[place].Count == 0) continue;
                    Assert.Equal((next[i], next[i] - plan[i].First), (plan[place].First, plan[place].Before));
                    next[i] += plan[place].Count;
                    Assert.Equal((clusters[i].ColumnTiles * TileProduct.Columns, logits), (plan[place].ChunkRows, plan[place].Logits));
                    logits += (long)plan[place].ChunkRows * plan[place].Count;
                    if (plan[place].Splits == 1) continue;
                    // The last split has rows to add up.
                    Assert.InRange((plan[place].Splits - 1) * Sizes.Stride(Sizes.Tiles(clusters[i].Rows, plan[place].Splits)), 1, clusters[i].Rows - 1);
                    Assert.Equal((splitSums, 0), (plan[place].SplitSums, plan[place].SplitSums % 4));
                    splitSums += (long)plan[place].Splits * plan[place].Count * Sizes.Stride(clusters[i].Columns);
                }

                Assert.InRange(logits, 0, arguments.LogitCapacity);
                Assert.InRange(splitSums, 0, arguments.SplitCapacity);
            }

            // Every token is in a chunk, none behind the last launch.
            for (var i = group; i < end; i++) Assert.Equal(plan[i].First + plan[i].Count, next[i]);
        }

        Assert.Equal(plan.Length, place);
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
        var length = clusters.Length;
        for (var group = 0; group < clusters.Length; group = group == 0 ? 1 : group + arguments.ClustersAtOnce)
        {
            var end = group == 0 ? 1 : Math.Min(group + arguments.ClustersAtOnce, clusters.Length);
            length += (end - group) * BatchKernels.MostChunks(arguments.LogitCapacity, clusters[group..end].Max(cluster => cluster.ColumnTiles), slots.Length);
        }

        using var slotBuffer = Accelerator.Allocate1D(slots);
        using var sizeBuffer = Accelerator.Allocate1D(clusters);
        using var order = Accelerator.Allocate1D<int>(slots.Length);
        using var headRows = Accelerator.Allocate1D<int>(slots.Length);
        using var tailRows = Accelerator.Allocate1D<int>(slots.Length);
        using var places = Accelerator.Allocate1D<int>(slots.Length);
        using var unknown = Accelerator.Allocate1D<int>(1);
        using var plan = Accelerator.Allocate1D<BatchPlan>(length);
        KernelCache.Get(Accelerator, device => new CommonKernels(device)).GroupByCluster(
            Accelerator.DefaultStream, Launches.OneGroup, slotBuffer.View, sizeBuffer.View, order.View, headRows.View, tailRows.View, places.View, unknown.View, plan.View, arguments);
        int[] orders = order.GetAsArray1D(), back = places.GetAsArray1D();
        for (var i = 0; i < slots.Length; i++) Assert.Equal(i, back[orders[i]]);
        return plan.GetAsArray1D();
    }
}
