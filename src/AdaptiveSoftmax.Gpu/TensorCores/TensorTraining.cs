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
    private readonly Dictionary<GpuLinear, (ITensorProducts Products, ArrayView<ushort> Weights)> _linears = [];
    private readonly DeviceBuffers _weights;
    private readonly NarrowLaunches _launches;
    private readonly Scratch _memory;
    private readonly GrowingBuffer<ushort> _inputs;
    private readonly GrowingBuffer<int> _targets;
    private readonly GrowingBuffer<float> _targetLogits;
    private readonly GrowingBuffer<float> _logSumExp;
    private readonly GrowingBuffer<float> _workspace;
    private readonly GrowingBuffer<float> _biasShares;
    private int _gradientCapacity;

    /// <summary>Prepares some weights for tensor cores.</summary>
    /// <param name="accelerator">The device.</param>
    /// <param name="linears">The outputs of head and tails, with the kernels of each.</param>
    /// <param name="logitBytes">The memory for a chunk's gradient of logits.</param>
    public TensorTraining(Accelerator accelerator, IReadOnlyList<(GpuLinear Linear, ITensorProducts Products)> linears, long logitBytes)
    {
        _accelerator = accelerator;
        _logitBytes = logitBytes;
        _launches = KernelCache.Get(accelerator, device => new NarrowLaunches(device));
        _memory = new Scratch(accelerator);
        _inputs = _memory.Add<ushort>("vectors in bfloat16");
        _targets = _memory.Add<int>("a cluster's target rows");
        _targetLogits = _memory.Add<float>("a cluster's target logits");
        _logSumExp = _memory.Add<float>("a cluster's log-sum-exp");
        _workspace = _memory.Add<float>("maxima and sums of strips of columns, then the gradient of logits in bfloat16 and shares of sums");
        _biasShares = _memory.Add<float>("shares of a bias's gradient");
        _weights = new DeviceBuffers(accelerator);
        foreach (var (linear, products) in linears)
        {
            _linears.Add(linear, (products, _weights.Allocate<ushort>(linear.Weight.PaddedCount, $"the weight '{linear.Weight.Name}' in bfloat16")));
        }
    }

    public long Bytes => _weights.Bytes + _memory.Bytes;

    /// <summary>How often memory was exchanged.</summary>
    public int Generation => _memory.Generation;

    /// <summary>
    /// The values that the gradient of logits has room for: three quarters of the budget, and at least one tile of columns.
    /// The rest is for the shares of sums.
    /// </summary>
    public long LogitCapacity(int tokens)
    {
        var whole = (long)tokens * _linears.Keys.Max(Tiles) * TileProduct.Columns;
        return Math.Max((long)tokens * TileProduct.Columns, Math.Min(whole, _logitBytes / 4 * 3 / sizeof(ushort)));
    }

    // The pairs of a cluster are spent when its gradient of logits begins, and the shares of sums behind that.
    private ArrayView<float> Pairs => _workspace.View;

    /// <summary>Memory for a batch. None of it is less for a larger one, so that a smaller one exchanges nothing.</summary>
    public void Reserve(int tokens, TrainingScratch scratch, bool withGradient)
    {
        if (tokens > _memory.Capacity || (withGradient && tokens > _gradientCapacity)) Exchange(tokens, scratch, withGradient);
    }

    /// <summary>Log-sum-exp and the target's log-prob of a cluster's tokens.</summary>
    public void Reduce(AcceleratorStream stream, GpuLinear linear, int cluster, int tokens, ArrayView<float> inputs, ArrayView<int> targetRows, TrainingScratch scratch)
    {
        var (products, weights) = _linears[linear];
        _launches.Narrow(stream, Launches.Threads(_accelerator, weights.Length / 4), linear.Weight.Values.Cast<Float4>(), weights.Cast<ulong>());
        _launches.NarrowCluster(
            stream, Launches.Threads(_accelerator, (long)tokens * linear.Weight.Stride / 4), inputs.Cast<Float4>(), targetRows, scratch.Plan,
            _inputs.View.Cast<ulong>(), _targets.View, linear.Weight.Stride, cluster);
        products.Logits(stream, tokens, _inputs.View, weights, linear.Bias, scratch.Plan, cluster, TilesPerStrip(linear), Pairs, _targets.View, _targetLogits.View);
        _launches.FinishPairs(
            stream, Launches.Groups(_accelerator, (tokens + 15) / 16), scratch.Plan, Pairs, _targets.View, _targetLogits.View, _logSumExp.View,
            scratch.TargetLogProbs, cluster, Strips(linear), tokens);
    }

    /// <summary>How many chunks the rows of the largest weight take if every token needs them.</summary>
    public int MostPasses(int tokens) => _linears.Keys.Max(linear => MostPasses(linear, tokens));

    /// <summary>After <see cref="Reduce"/>: adds to the gradients of weight and bias, and sets that of the cluster's vectors, where they are wanted.</summary>
    public void Backward(AcceleratorStream stream, ClusterProducts output, int tokens, TrainingScratch scratch, ArrayView<float> inputGradient, bool wantsInputGradient, BatchPlan[]? known)
    {
        var (linear, cluster) = (output.Single, output.First);
        var (products, weights) = _linears[linear];
        var length = GradientLength(tokens);
        var gradient = _workspace.View.SubView(0, length).Cast<ushort>();
        var shares = _workspace.View.SubView(length, scratch.ShareCapacity(tokens));
        var passes = MostPasses(linear, tokens);
        var splits = passes == 1 ? WeightSplits(linear.Weight, tokens, scratch) : 1;

        // Logits are computed again, none are kept: the gradient needs them in float32, and to write and read them so saves
        // no more than the product costs.
        var launched = known is null ? passes : output.Passes(known);
        for (var pass = 0; pass < launched; pass++)
        {
            products.Gradient(
                stream, tokens, _inputs.View, weights, linear.Bias, scratch.Plan, cluster, pass, _logSumExp.View, _targets.View, scratch.Scales.SubView(1, 1), gradient);
            if (linear.Weight.RequiresGradient) products.WeightGradient(stream, gradient, _inputs.View, scratch.Plan, cluster, pass, shares, splits);
            if (linear.Weight.RequiresGradient && splits > 1)
                _launches.AddShares(stream, Launches.Threads(_accelerator, linear.Weight.PaddedCount), shares, scratch.Plan, linear.Weight.Gradient, linear.Weight.State, cluster, splits);
            if (wantsInputGradient) products.InputGradient(stream, gradient, weights, scratch.Plan, cluster, pass, inputGradient, shares);
            if (linear.Bias is { RequiresGradient: true } bias)
            {
                _launches.BiasShares(stream, Launches.Groups(_accelerator, long.MaxValue), gradient.Cast<uint>(), scratch.Plan, _biasShares.View, cluster, pass, linear.Rows);
                _launches.Bias(stream, Launches.Threads(_accelerator, linear.Rows), _biasShares.View, scratch.Plan, bias.Gradient, bias.State, cluster, pass, linear.Rows);
            }
        }

        if (wantsInputGradient) output.AddShares(stream, scratch.Plan, shares, inputGradient, output.Arguments(tokens));
    }

    public void Dispose()
    {
        _weights.Dispose();
        _memory.Dispose();
    }

    private void Exchange(int tokens, TrainingScratch scratch, bool withGradient)
    {
        var gradientCapacity = withGradient ? Math.Max(tokens, _gradientCapacity) : _gradientCapacity;
        _gradientCapacity = 0;
        _memory.Exchange(tokens, () =>
        {
            if (withGradient) _workspace.Reserve(GradientLength(tokens) + scratch.ShareCapacity(tokens));
            foreach (var linear in _linears.Keys)
            {
                _inputs.Reserve((long)tokens * linear.Weight.Stride);
                _workspace.Reserve(2L * tokens * Strips(linear));
                if (withGradient && linear.Bias is not null) _biasShares.Reserve((LogitCapacity(tokens) / NarrowKernels.BiasTokens) + linear.Rows + TileProduct.Columns);
            }

            _targets.Reserve(tokens);
            _targetLogits.Reserve(tokens);
            _logSumExp.Reserve(tokens);
        });
        _gradientCapacity = gradientCapacity;
    }

    private static int Tiles(GpuLinear linear) => Sizes.Tiles(linear.Rows, TensorCoreMethods.LogitTileColumns);

    // Enough strips to busy a large device with few tokens; fewer of them keep the pairs small.
    private static int TilesPerStrip(GpuLinear linear) => Sizes.Tiles(Tiles(linear), 256);

    private static int Strips(GpuLinear linear) => Sizes.Tiles(Tiles(linear), TilesPerStrip(linear));

    // In float32. A multiple of 256 bytes, as kernels expect of the view behind it.
    private long GradientLength(int tokens) => (LogitCapacity(tokens) + 127) / 128 * 64;

    // How many chunks the rows take if every token needs them.
    private int MostPasses(GpuLinear linear, int tokens)
    {
        var most = LogitCapacity(tokens) / tokens / TileProduct.Columns;
        return (int)((Tiles(linear) + most - 1) / most);
    }

    // A small weight's gradient has few tiles: sharing out the tokens busies the other groups. The host knows its size only
    // where all rows are one chunk, whatever the number of tokens.
    private static int WeightSplits(GpuParameter weight, int tokens, TrainingScratch scratch)
    {
        var tiles = (long)Sizes.Tiles(weight.Rows, TileProduct.Columns) * Sizes.Tiles(weight.Columns, TileProduct.Columns);
        var room = scratch.ShareCapacity(tokens) / weight.PaddedCount;
        return (int)Math.Max(1, Math.Min(Math.Min(256 / tiles, tokens / 512), room));
    }
}
