using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>One weight of the layer and the launches of its products in decoding; training's are those of <see cref="ClusterProducts"/>.</summary>
internal abstract class GpuLinear(GpuParameter weight, GpuParameter? bias, int clusterRows)
{
    // Enough strips to busy a large device; fewer of them keep the partial sums small.
    private const int MostStrips = 128;

    public GpuParameter Weight { get; } = weight;

    public GpuParameter? Bias { get; } = bias;

    /// <summary>The generated kernels for tensor cores, where there are any.</summary>
    public TensorCoreMethods? TensorCores { get; init; }

    public int Rows => Weight.Rows;

    public int Columns => Weight.Columns;

    /// <summary>The rows that stand for tokens; the others stand for clusters.</summary>
    public int TokenRows => Rows - clusterRows;

    /// <summary>The column tiles of a strip, to whose end one group computes a maximum and a sum.</summary>
    public int TilesPerStrip => Sizes.Tiles(Sizes.Tiles(Rows, TileProduct.Columns), MostStrips);

    /// <summary>The strips.</summary>
    public int Strips => Sizes.Tiles(Sizes.Tiles(Rows, TileProduct.Columns), TilesPerStrip);

    public ArrayView<float> Biases => Bias is null ? Weight.Values.SubView(0, 1) : Bias.Values;

    public abstract void LogProbs(AcceleratorStream stream, int tokens, ArrayView<float> inputs, DecodeScratch scratch, ArrayView<float> output, ProductArguments arguments, int start, int vocabulary);

    public abstract void Best(AcceleratorStream stream, int tokens, ArrayView<float> inputs, DecodeScratch scratch, ProductArguments arguments);

    public abstract void BestOfOne(AcceleratorStream stream, ArrayView<float> input, VectorScratch scratch, ArrayView<int> ids, ArrayView<int> token, VectorArguments arguments);

    public abstract void ProjectOne(AcceleratorStream stream, ArrayView<float> input, VectorScratch scratch, int cluster);
}

/// <summary>A weight whose sizes are those of <typeparamref name="TShape"/>, which the device's compiler folds.</summary>
internal sealed class GpuLinear<TShape>(TShape shape, GpuParameter weight, GpuParameter? bias, int clusterRows) : GpuLinear(weight, bias, clusterRows)
    where TShape : unmanaged, IMatrixShape
{
    private readonly DecodeProducts<TShape, Tile16> _few = KernelCache.Get(weight.Accelerator, accelerator => new DecodeProducts<TShape, Tile16>(accelerator));
    private readonly VectorProducts<TShape> _one = KernelCache.Get(weight.Accelerator, accelerator => new VectorProducts<TShape>(accelerator));
    private readonly DecodeProducts<TShape, Tile128> _many = KernelCache.Get(weight.Accelerator, accelerator => new DecodeProducts<TShape, Tile128>(accelerator));

    public override void LogProbs(AcceleratorStream stream, int tokens, ArrayView<float> inputs, DecodeScratch scratch, ArrayView<float> output, ProductArguments arguments, int start, int vocabulary)
    {
        var launch = IsFew(tokens) ? _few.LogProbs : _many.LogProbs;
        launch(stream, Groups(tokens, Rows), shape, inputs.Cast<Float4>(), Weight.Values.Cast<Float4>(), Biases, scratch.Plan, scratch.LogSumExp, scratch.Clusters, output, arguments, start, vocabulary);
    }

    public override void Best(AcceleratorStream stream, int tokens, ArrayView<float> inputs, DecodeScratch scratch, ProductArguments arguments)
    {
        var launch = IsFew(tokens) ? _few.Best : _many.Best;
        launch(stream, Groups(tokens, Rows), shape, inputs.Cast<Float4>(), Weight.Values.Cast<Float4>(), Biases, scratch.Plan, scratch.Clusters, scratch.Maximum, scratch.Sum, scratch.Best, scratch.BestRow, arguments);
    }

    public override void BestOfOne(AcceleratorStream stream, ArrayView<float> input, VectorScratch scratch, ArrayView<int> ids, ArrayView<int> token, VectorArguments arguments)
    {
        arguments.RowsPerStrip = Sizes.Tiles(Rows, VectorKernels.LeastRowsPerStrip * VectorKernels.MaximumStrips) * VectorKernels.LeastRowsPerStrip;
        _one.Best(
            stream, Groups(Sizes.Tiles(Rows, arguments.RowsPerStrip)), shape, input, Weight.Values.Cast<Float4>(), Biases, scratch.Clusters,
            scratch.Partial, scratch.BestRow, scratch.Score, scratch.State, ids, token, arguments);
    }

    public override void ProjectOne(AcceleratorStream stream, ArrayView<float> input, VectorScratch scratch, int cluster) =>
        _one.Project(stream, Groups((Rows + 7) / 8), shape, input, Weight.Values.Cast<Float4>(), scratch.Clusters, scratch.Score, scratch.Projected, cluster);

    private static bool IsFew(int tokens) => tokens <= 64;

    private KernelConfig Groups(int tokens, int rows)
    {
        var height = IsFew(tokens) ? default(Tile16).GroupRows : default(Tile128).GroupRows;
        return Groups((long)Sizes.Tiles(tokens, height) * Sizes.Tiles(rows, TileProduct.Columns));
    }

    private KernelConfig Groups(long most) => Launches.Groups(Weight.Accelerator, most);
}
