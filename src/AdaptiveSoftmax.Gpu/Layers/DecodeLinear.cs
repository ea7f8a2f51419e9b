using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>The values of a weight as they lie on a device, rows of whole strides, and its bias.</summary>
internal interface IWeightRows<TBlock>
    where TBlock : unmanaged
{
    /// <summary>[rows, stride].</summary>
    ArrayView<TBlock> Blocks { get; }

    /// <summary>[rows], if there is a bias; any view otherwise, which nobody reads.</summary>
    ArrayView<float> Biases { get; }
}

/// <summary>The launches of decoding's products with one weight, in whichever form it is stored.</summary>
/// <param name="rows">The weight's rows.</param>
/// <param name="columns">Its columns.</param>
/// <param name="clusterRows">The rows that stand for clusters.</param>
/// <param name="hasBias">Whether there is a bias.</param>
internal abstract class DecodeLinear(int rows, int columns, int clusterRows, bool hasBias)
{
    // Enough strips to busy a large device; fewer of them keep the partial sums small.
    private const int MostStrips = 128;

    public int Rows { get; } = rows;

    public int Columns { get; } = columns;

    /// <summary>The rows that stand for tokens; the others stand for clusters.</summary>
    public int TokenRows { get; } = rows - clusterRows;

    public bool HasBias { get; } = hasBias;

    /// <summary>The column tiles of a strip, to whose end one group computes a maximum and a sum.</summary>
    public int TilesPerStrip => Sizes.Tiles(Sizes.Tiles(Rows, TileProduct.Columns), MostStrips);

    /// <summary>The strips.</summary>
    public int Strips => Sizes.Tiles(Sizes.Tiles(Rows, TileProduct.Columns), TilesPerStrip);

    /// <summary>What the device's tables have of it.</summary>
    /// <param name="start">The first slot of its cluster.</param>
    public ClusterSizes Describe(int start) => new() { Start = start, Rows = Rows, Columns = Columns, TokenRows = TokenRows };

    public abstract void LogProbs(AcceleratorStream stream, int tokens, ArrayView<float> inputs, DecodeScratch scratch, ArrayView<float> output, ProductArguments arguments, int start, int vocabulary);

    public abstract void Best(AcceleratorStream stream, int tokens, ArrayView<float> inputs, DecodeScratch scratch, ProductArguments arguments);

    public abstract void BestOfOne(AcceleratorStream stream, ArrayView<float> input, VectorScratch scratch, ArrayView<int> ids, ArrayView<int> token, VectorArguments arguments);

    public abstract void ProjectOne(AcceleratorStream stream, ArrayView<float> input, VectorScratch scratch, int cluster);

    /// <summary>inputs · weightᵀ (+ bias) of a cluster's tokens, both from the beginning of their memory on.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="tokens">The most tokens that the plan may have there.</param>
    /// <param name="inputs">[tokens, stride of the columns].</param>
    /// <param name="plan">The plan, which has the cluster's tokens.</param>
    /// <param name="sizes">The sizes of such weights, at their clusters' places.</param>
    /// <param name="outputs">Receives [tokens, stride of the rows].</param>
    /// <param name="cluster">The cluster.</param>
    public abstract void Store(
        AcceleratorStream stream, int tokens, ArrayView<float> inputs, ArrayView<BatchPlan> plan, ArrayView<ClusterSizes> sizes, ArrayView<float> outputs, int cluster);
}

/// <summary>A weight whose sizes are those of <typeparamref name="TShape"/>, which the device's compiler folds.</summary>
internal sealed class DecodeLinear<TShape, TBlock>(Accelerator accelerator, TShape shape, int clusterRows, bool hasBias, IWeightRows<TBlock> weight)
    : DecodeLinear(shape.Rows, shape.Columns, clusterRows, hasBias)
    where TShape : unmanaged, IMatrixShape
    where TBlock : unmanaged, IWeightBlock<TBlock>
{
    private readonly DecodeProducts<TShape, Tile16, TBlock> _few = KernelCache.Get(accelerator, device => new DecodeProducts<TShape, Tile16, TBlock>(device));
    private readonly VectorProducts<TShape, TBlock> _one = KernelCache.Get(accelerator, device => new VectorProducts<TShape, TBlock>(device));
    private readonly DecodeProducts<TShape, Tile128, TBlock> _many = KernelCache.Get(accelerator, device => new DecodeProducts<TShape, Tile128, TBlock>(device));
    private readonly StoreKernels<Tile16, TBlock> _storeFew = KernelCache.Get(accelerator, device => new StoreKernels<Tile16, TBlock>(device));
    private readonly StoreKernels<Tile128, TBlock> _storeMany = KernelCache.Get(accelerator, device => new StoreKernels<Tile128, TBlock>(device));

    public override void LogProbs(AcceleratorStream stream, int tokens, ArrayView<float> inputs, DecodeScratch scratch, ArrayView<float> output, ProductArguments arguments, int start, int vocabulary)
    {
        var launch = IsFew(tokens) ? _few.LogProbs : _many.LogProbs;
        launch(stream, Groups(tokens), shape, inputs.Cast<Float4>(), weight.Blocks, weight.Biases, scratch.Plan, scratch.LogSumExp, scratch.Clusters, output, arguments, start, vocabulary);
    }

    public override void Best(AcceleratorStream stream, int tokens, ArrayView<float> inputs, DecodeScratch scratch, ProductArguments arguments)
    {
        var launch = IsFew(tokens) ? _few.Best : _many.Best;
        launch(stream, Groups(tokens), shape, inputs.Cast<Float4>(), weight.Blocks, weight.Biases, scratch.Plan, scratch.Clusters, scratch.Maximum, scratch.Sum, scratch.Best, scratch.BestRow, arguments);
    }

    public override void BestOfOne(AcceleratorStream stream, ArrayView<float> input, VectorScratch scratch, ArrayView<int> ids, ArrayView<int> token, VectorArguments arguments)
    {
        arguments.RowsPerStrip = Sizes.Tiles(Rows, VectorKernels.LeastRowsPerStrip * VectorKernels.MaximumStrips) * VectorKernels.LeastRowsPerStrip;
        _one.Best(
            stream, Launches.Groups(accelerator, Sizes.Tiles(Rows, arguments.RowsPerStrip)), shape, input, weight.Blocks, weight.Biases, scratch.Clusters,
            scratch.Partial, scratch.BestRow, scratch.Score, scratch.State, ids, token, arguments);
    }

    public override void ProjectOne(AcceleratorStream stream, ArrayView<float> input, VectorScratch scratch, int cluster) =>
        _one.Project(stream, Launches.Groups(accelerator, (Rows + 7) / 8), shape, input, weight.Blocks, scratch.Clusters, scratch.Score, scratch.Projected, cluster);

    public override void Store(
        AcceleratorStream stream, int tokens, ArrayView<float> inputs, ArrayView<BatchPlan> plan, ArrayView<ClusterSizes> sizes, ArrayView<float> outputs, int cluster)
    {
        var launch = IsFew(tokens) ? _storeFew.Store : _storeMany.Store;
        var arguments = new ClusterArguments { First = cluster, Count = 1, Plan = cluster, Capacity = tokens, HasBias = HasBias ? 1 : 0 };
        launch(stream, Groups(tokens), inputs.Cast<Float4>(), ViewGroup<TBlock>.Of(weight.Blocks), weight.Biases, plan, sizes, outputs.Cast<Float4>(), arguments);
    }

    private static bool IsFew(int tokens) => tokens <= 64;

    private KernelConfig Groups(int tokens)
    {
        var height = IsFew(tokens) ? default(Tile16).GroupRows : default(Tile128).GroupRows;
        return Launches.Groups(accelerator, (long)Sizes.Tiles(tokens, height) * Sizes.Tiles(Rows, TileProduct.Columns));
    }
}
