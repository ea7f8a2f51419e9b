using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// Training's products with the output of head and tails on tensor cores. Vectors and weights are rounded to bfloat16 for
/// each step, the products are summed in float32, and gradients and weights stay float32.
/// </summary>
internal sealed class TensorTraining : IDisposable
{
    private readonly Accelerator _accelerator;
    private readonly long _logitBytes;
    private readonly GpuLinear? _head;
    private readonly Dictionary<GpuLinear, (ITensorProducts Products, ArrayView<ushort> Weights)> _linears = [];
    private readonly DeviceBuffers _weights;
    private readonly NarrowLaunches _launches;
    private readonly GrowingBuffer<ushort> _inputs;
    private readonly GrowingBuffer<int> _targets;
    private readonly GrowingBuffer<float> _targetLogits;
    private readonly GrowingBuffer<float> _logSumExp;
    private readonly GrowingBuffer<float> _workspace;
    private readonly GrowingBuffer<float> _inputGradient;

    /// <summary>Prepares some weights for tensor cores.</summary>
    /// <param name="accelerator">The device.</param>
    /// <param name="linears">The outputs of head and tails, with the kernels of each.</param>
    /// <param name="logitBytes">The memory for a chunk's gradient of logits.</param>
    public TensorTraining(Accelerator accelerator, IReadOnlyList<(GpuLinear Linear, ITensorProducts Products)> linears, long logitBytes)
    {
        _accelerator = accelerator;
        _logitBytes = logitBytes;
        _launches = KernelCache.Get(accelerator, device => new NarrowLaunches(device));
        _inputs = new(accelerator, "vectors in bfloat16");
        _targets = new(accelerator, "a part's target rows");
        _targetLogits = new(accelerator, "a part's target logits");
        _logSumExp = new(accelerator, "a part's log-sum-exp");
        _workspace = new(accelerator, "maxima and sums of column tiles, then the gradient of logits in bfloat16");
        _inputGradient = new(accelerator, "the gradient of a part's vectors");
        _weights = new DeviceBuffers(accelerator);
        foreach (var (linear, products) in linears)
        {
            _head ??= linear;
            _linears.Add(linear, (products, _weights.Allocate<ushort>(linear.Weight.PaddedCount, $"the weight '{linear.Weight.Name}' in bfloat16")));
        }
    }

    public long Bytes =>
        _weights.Bytes + _inputs.Bytes + _targets.Bytes + _targetLogits.Bytes + _logSumExp.Bytes
        + _workspace.Bytes + _inputGradient.Bytes;

    /// <summary>How often memory was exchanged. A smaller batch can need more: its chunks have more rows.</summary>
    public int Generation =>
        _inputs.Generation + _targets.Generation + _targetLogits.Generation + _logSumExp.Generation + _workspace.Generation + _inputGradient.Generation;

    // The pairs of a part are spent when its gradient of logits begins.
    private ArrayView<float> Pairs => _workspace.View;

    private ArrayView<ushort> Gradient => _workspace.View.Cast<ushort>();

    /// <summary>Memory for a batch.</summary>
    public void Reserve(int tokens, bool withGradient)
    {
        foreach (var linear in _linears.Keys)
        {
            _inputs.Reserve((long)tokens * linear.Weight.Stride);
            _workspace.Reserve(2L * tokens * Tiles(linear));
            if (!withGradient) continue;
            _workspace.Reserve((long)tokens * ChunkRows(linear, tokens) / 2);
            if (linear != _head) _inputGradient.Reserve((long)tokens * linear.Weight.Stride);
        }

        _targets.Reserve(tokens);
        _targetLogits.Reserve(tokens);
        _logSumExp.Reserve(tokens);
    }

    /// <summary>Log-sum-exp and the target's log-prob of a part's tokens.</summary>
    public void Reduce(AcceleratorStream stream, GpuLinear linear, int part, int tokens, ArrayView<float> inputs, ArrayView<int> targetRows, TrainingScratch scratch)
    {
        var (products, weights) = _linears[linear];
        _launches.Narrow(stream, Launches.Threads(_accelerator, weights.Length), linear.Weight.Values, weights);
        _launches.NarrowPart(
            stream, Launches.Threads(_accelerator, (long)tokens * linear.Weight.Stride), inputs, targetRows, scratch.Plan, _inputs.View, _targets.View, linear.Weight.Stride, part);
        products.Logits(stream, tokens, _inputs.View, weights, linear.Bias, scratch.Plan, part, Pairs, _targets.View, _targetLogits.View);
        _launches.FinishPairs(
            stream, Launches.Groups(_accelerator, (tokens + 15) / 16), scratch.Plan, Pairs, _targets.View, _targetLogits.View, _logSumExp.View,
            scratch.TargetLogProbs, part, Tiles(linear), tokens);
    }

    /// <summary>After <see cref="Reduce"/>: adds to the gradients of weight and bias, and sets that of the part's vectors.</summary>
    public void Backward(AcceleratorStream stream, GpuLinear linear, int part, int tokens, TrainingScratch scratch, ArrayView<float> inputGradient)
    {
        var (products, weights) = _linears[linear];
        ClearAbsent(stream, linear.Weight, scratch, part);
        if (linear.Bias is not null) ClearAbsent(stream, linear.Bias, scratch, part);
        var chunk = ChunkRows(linear, tokens);

        // Logits are computed again, none are kept: to write and read them in float32, which the gradient needs, takes the
        // memory about as long as the product takes tensor cores at 1,000 columns, and tails have fewer.
        // The head's tokens begin at row 0; those of a tail come to their place afterwards.
        var result = part == 0 ? inputGradient : _inputGradient.View;
        for (var first = 0; first < linear.Rows; first += chunk)
        {
            var count = Math.Min(chunk, linear.Rows - first);
            products.Gradient(
                stream, tokens, _inputs.View, weights, linear.Bias, scratch.Plan, part, first, count, _logSumExp.View, _targets.View, scratch.TokenWeight,
                Gradient, chunk);
            products.WeightGradient(stream, Gradient, chunk, _inputs.View, scratch.Plan, part, first, count, linear.Weight.Gradient);
            products.InputGradient(stream, tokens, Gradient, chunk, weights, scratch.Plan, part, first, count, result, accumulate: first > 0);
            if (linear.Bias is not null)
                _launches.Bias(stream, Launches.Threads(_accelerator, count), Gradient, scratch.Plan, linear.Bias.Gradient, part, first, count, chunk);
        }

        if (part > 0)
            _launches.Place(stream, Launches.Threads(_accelerator, (long)tokens * linear.Weight.Stride), _inputGradient.View, scratch.Plan, inputGradient, linear.Columns, part);
    }

    public void Dispose()
    {
        _weights.Dispose();
        foreach (var buffer in new IDisposable[] { _inputs, _targets, _targetLogits, _logSumExp, _workspace, _inputGradient }) buffer.Dispose();
    }

    private static int Tiles(GpuLinear linear) => Sizes.Tiles(linear.Rows, TensorCoreMethods.LogitTileColumns);

    // Equal chunks within half the budget, so that none is a remnant of a few rows; bfloat16 takes half of float32.
    private int ChunkRows(GpuLinear linear, int tokens)
    {
        var most = Math.Max(1, _logitBytes / sizeof(float) / tokens / TileProduct.Columns) * TileProduct.Columns;
        var passes = (linear.Rows + most - 1) / most;
        return Sizes.Tiles((int)((linear.Rows + passes - 1) / passes), TileProduct.Columns) * TileProduct.Columns;
    }

    private void ClearAbsent(AcceleratorStream stream, GpuParameter parameter, TrainingScratch scratch, int part) =>
        _launches.ClearAbsent(stream, Launches.Threads(_accelerator, parameter.PaddedCount), parameter.Gradient, parameter.State, scratch.Plan, part);
}
