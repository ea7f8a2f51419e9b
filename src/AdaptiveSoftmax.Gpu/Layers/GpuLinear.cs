using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>One weight of the layer and the launches of every product with it.</summary>
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

    public abstract void Store(AcceleratorStream stream, int tokens, ArrayView<float> inputs, ArrayView<PartPlan> plan, ArrayView<float> outputs, ProductArguments arguments);

    public abstract void LogProbs(AcceleratorStream stream, int tokens, ArrayView<float> inputs, DecodeScratch scratch, ArrayView<float> output, ProductArguments arguments, int start, int vocabulary);

    public abstract void Best(AcceleratorStream stream, int tokens, ArrayView<float> inputs, DecodeScratch scratch, ProductArguments arguments);

    public abstract void BestOfOne(AcceleratorStream stream, ArrayView<float> input, VectorScratch scratch, ArrayView<int> ids, ArrayView<int> token, VectorArguments arguments);

    public abstract void ProjectOne(AcceleratorStream stream, ArrayView<float> input, VectorScratch scratch, int part);

    public abstract void Reduce(AcceleratorStream stream, int tokens, ArrayView<float> inputs, ArrayView<PartPlan> plan, ArrayView<int> targetRows, TrainingScratch scratch, ProductArguments arguments);

    public abstract void Sum(AcceleratorStream stream, int tokens, ArrayView<float> inputs, ArrayView<PartPlan> plan, ArrayView<float> groupSizes, TrainingScratch scratch, ProductArguments arguments);

    public abstract void LogitGradient(AcceleratorStream stream, int tokens, ArrayView<float> inputs, ArrayView<int> targetRows, ArrayView<float> groupSizes, TrainingScratch scratch, ProductArguments arguments, LossWeights loss);

    public abstract void InputGradient(AcceleratorStream stream, ArrayView<float> gradient, ArrayView<PartPlan> plan, ArrayView<float> inputGradient, ArrayView<float> shares, ProductArguments arguments);

    /// <summary>Ends an <see cref="InputGradient"/> over all chunks.</summary>
    public abstract void AddShares(AcceleratorStream stream, int tokens, ArrayView<PartPlan> plan, ArrayView<float> inputGradient, ArrayView<float> shares, ProductArguments arguments);

    public abstract void WeightGradient(AcceleratorStream stream, ArrayView<float> gradient, ArrayView<float> inputs, ArrayView<PartPlan> plan, ProductArguments arguments);

    /// <summary>Notes that weight and bias have a gradient, where the part had tokens.</summary>
    public void MarkGradient(AcceleratorStream stream, CommonKernels kernels, ArrayView<PartPlan> plan, int part)
    {
        kernels.MarkGradient(stream, (1, 1), Weight.State, plan, part);
        if (Bias is not null) kernels.MarkGradient(stream, (1, 1), Bias.State, plan, part);
    }
}

/// <summary>A weight whose sizes are those of <typeparamref name="TShape"/>, which the device's compiler folds.</summary>
internal sealed class GpuLinear<TShape>(TShape shape, GpuParameter weight, GpuParameter? bias, int clusterRows) : GpuLinear(weight, bias, clusterRows)
    where TShape : unmanaged, IMatrixShape
{
    private readonly LinearKernels<TShape, Tile16> _few = KernelCache.Get(weight.Accelerator, accelerator => new LinearKernels<TShape, Tile16>(accelerator));
    private readonly VectorProducts<TShape> _one = KernelCache.Get(weight.Accelerator, accelerator => new VectorProducts<TShape>(accelerator));
    private readonly LinearKernels<TShape, Tile128> _many = KernelCache.Get(weight.Accelerator, accelerator => new LinearKernels<TShape, Tile128>(accelerator));

    public override void Store(AcceleratorStream stream, int tokens, ArrayView<float> inputs, ArrayView<PartPlan> plan, ArrayView<float> outputs, ProductArguments arguments)
    {
        var launch = IsFew(tokens) ? _few.Store : _many.Store;
        launch(stream, Groups(tokens, Rows), shape, inputs.Cast<Float4>(), Weight.Values.Cast<Float4>(), Biases, plan, outputs.Cast<Float4>(), arguments);
    }

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

    public override void ProjectOne(AcceleratorStream stream, ArrayView<float> input, VectorScratch scratch, int part) =>
        _one.Project(stream, Groups((Rows + 7) / 8), shape, input, Weight.Values.Cast<Float4>(), scratch.Clusters, scratch.Score, scratch.Projected, part);

    public override void Reduce(AcceleratorStream stream, int tokens, ArrayView<float> inputs, ArrayView<PartPlan> plan, ArrayView<int> targetRows, TrainingScratch scratch, ProductArguments arguments)
    {
        var launch = IsFew(tokens) ? _few.Reduce : _many.Reduce;
        launch(stream, Groups(tokens, Rows), shape, inputs.Cast<Float4>(), Weight.Values.Cast<Float4>(), Biases, plan, targetRows, scratch.TargetLogits, scratch.Maximum, scratch.Sum, scratch.Kept.Cast<Float4>(), arguments);
    }

    public override void Sum(AcceleratorStream stream, int tokens, ArrayView<float> inputs, ArrayView<PartPlan> plan, ArrayView<float> groupSizes, TrainingScratch scratch, ProductArguments arguments) =>
        _many.Sum(stream, Groups(tokens, Rows), shape, inputs.Cast<Float4>(), Weight.Values.Cast<Float4>(), Biases, plan, groupSizes, scratch.Sum, arguments);

    public override void LogitGradient(AcceleratorStream stream, int tokens, ArrayView<float> inputs, ArrayView<int> targetRows, ArrayView<float> groupSizes, TrainingScratch scratch, ProductArguments arguments, LossWeights loss) =>
        _many.LogitGradient(stream, Groups(tokens, Rows), shape, inputs.Cast<Float4>(), Weight.Values.Cast<Float4>(), Biases, scratch.Plan, targetRows, scratch.LogSumExp, scratch.TokenWeight, groupSizes, scratch.LogitGradient.Cast<Float4>(), arguments, loss);

    public override void InputGradient(AcceleratorStream stream, ArrayView<float> gradient, ArrayView<PartPlan> plan, ArrayView<float> inputGradient, ArrayView<float> shares, ProductArguments arguments) =>
        _many.InputGradient(stream, Groups(long.MaxValue), shape, gradient.Cast<Float4>(), Weight.Values.Cast<Float4>(), plan, inputGradient.Cast<Float4>(), shares.Cast<Float4>(), arguments);

    public override void AddShares(AcceleratorStream stream, int tokens, ArrayView<PartPlan> plan, ArrayView<float> inputGradient, ArrayView<float> shares, ProductArguments arguments) =>
        _many.AddShares(stream, Groups((long)tokens * Weight.Stride / 4 / TileProduct.GroupSize), shape, shares.Cast<Float4>(), plan, inputGradient.Cast<Float4>(), arguments);

    public override void WeightGradient(AcceleratorStream stream, ArrayView<float> gradient, ArrayView<float> inputs, ArrayView<PartPlan> plan, ProductArguments arguments)
    {
        _many.WeightGradient(stream, Groups(long.MaxValue), shape, gradient.Cast<Float4>(), inputs.Cast<Float4>(), plan, Weight.Gradient.Cast<Float4>(), Weight.State, arguments);
        if (Bias is not null)
            _many.BiasGradient(stream, Groups(Rows / 32), shape, gradient, plan, Bias.Gradient, Bias.State, arguments);
    }

    private static bool IsFew(int tokens) => tokens <= 64;

    private KernelConfig Groups(int tokens, int rows)
    {
        var height = IsFew(tokens) ? default(Tile16).GroupRows : default(Tile128).GroupRows;
        return Groups((long)Sizes.Tiles(tokens, height) * Sizes.Tiles(rows, TileProduct.Columns));
    }

    private KernelConfig Groups(long most) => Launches.Groups(Weight.Accelerator, most);
}
