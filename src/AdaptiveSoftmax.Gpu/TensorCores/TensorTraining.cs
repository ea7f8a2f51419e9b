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
    private readonly GrowingBuffer<float> _biasSums;
    private readonly ArrayView<int> _present;
    private readonly int _mostRows;
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
        _targets = _memory.Add<int>("a chunk's target rows");
        _targetLogits = _memory.Add<float>("a chunk's target logits");
        _logSumExp = _memory.Add<float>("a chunk's log-sum-exp");
        _workspace = _memory.Add<float>("maxima and sums of strips of columns, then the gradient of logits in bfloat16 and split sums");
        _biasSums = _memory.Add<float>("split sums of a bias's gradient");
        _weights = new DeviceBuffers(accelerator);
        _present = _weights.Upload([1], "the state of a gradient that is there");
        _mostRows = linears.Max(linear => Tiles(linear.Linear)) * TileProduct.Columns;
        foreach (var (linear, products) in linears)
        {
            _linears.Add(linear, (products, _weights.Allocate<ushort>(linear.Weight.PaddedCount, $"the weight '{linear.Weight.Name}' in bfloat16")));
        }
    }

    public long Bytes => _weights.Bytes + _memory.Bytes;

    /// <summary>How often memory was exchanged.</summary>
    public int Generation => _memory.Generation;

    /// <summary>The values that the gradient of logits has room for: three quarters of the budget. In the rest are split sums, of which there are at most 16 MiB.</summary>
    public long LogitCapacity(int tokens) => TrainingScratch.LogitCapacity(tokens, _mostRows, _logitBytes / 4 * 3 / sizeof(ushort));

    /// <summary>How many chunks a batch may take that lies in the largest cluster as a whole.</summary>
    public int MostChunks(int tokens) => BatchKernels.MostChunks(LogitCapacity(tokens), _mostRows / TileProduct.Columns, tokens);

    // The pairs of a chunk are spent when its gradient of logits begins, and the split sums behind that.
    private ArrayView<float> Pairs => _workspace.View;

    /// <summary>Memory for a batch. None of it is less for a larger one, so that a smaller one exchanges nothing.</summary>
    public void Reserve(int tokens, TrainingScratch scratch, bool withGradient)
    {
        if (tokens > _memory.Capacity || (withGradient && tokens > _gradientCapacity)) Exchange(tokens, scratch, withGradient);
    }

    /// <summary>Before the chunks of a cluster: rounds its weight.</summary>
    public void Begin(AcceleratorStream stream, GpuLinear linear)
    {
        var weights = _linears[linear].Weights;
        _launches.Narrow(stream, Launches.Threads(_accelerator, weights.Length / 4), linear.Weight.Values.Cast<Float4>(), weights.Cast<ulong>());
    }

    /// <summary>
    /// The target's log-prob of a chunk's tokens. Where gradients are wanted it adds to those of weight and bias, and sets that of
    /// the chunk's vectors if it is wanted.
    /// </summary>
    public void Chunk(
        AcceleratorStream stream, ClusterProducts output, ClusterArguments arguments, bool isFirst, ArrayView<float> inputs, TrainingScratch scratch,
        bool wantsGradient, ArrayView<float> inputGradient, bool wantsInputGradient)
    {
        Reduce(stream, output, arguments, inputs, scratch);
        if (!wantsGradient) return;

        // Logits are computed again, none are kept: the gradient needs them in float32, and to write and read them so saves
        // no more than the product costs.
        var (linear, place, tokens) = (output.Single, arguments.Plan, arguments.Capacity);
        var (products, weights) = _linears[linear];
        var length = GradientLength(tokens);
        var gradient = _workspace.View.SubView(0, length).Cast<ushort>();
        var splitSums = _workspace.View.SubView(length, scratch.SplitCapacity(tokens));
        products.Gradient(stream, tokens, _inputs.View, weights, linear.Bias, scratch.Plan, place, _logSumExp.View, _targets.View, scratch.Scales.SubView(1, 1), gradient);
        if (linear.Weight.RequiresGradient)
        {
            var splits = WeightSplits(linear.Weight, tokens, scratch);
            var state = isFirst ? linear.Weight.State : _present;
            products.WeightGradient(stream, gradient, _inputs.View, scratch.Plan, place, state, splitSums, splits);
            if (splits > 1) _launches.AddSplits(stream, Launches.Threads(_accelerator, linear.Weight.PaddedCount), splitSums, scratch.Plan, linear.Weight.Gradient, state, place, splits);
        }

        if (wantsInputGradient)
        {
            products.InputGradient(stream, gradient, weights, scratch.Plan, place, inputGradient, splitSums);
            if (output.MaySplit) output.AddSplits(stream, scratch.Plan, splitSums, inputGradient, arguments);
        }

        if (linear.Bias is not { RequiresGradient: true } bias) return;
        _launches.SplitBias(stream, Launches.Groups(_accelerator, long.MaxValue), gradient.Cast<uint>(), scratch.Plan, _biasSums.View, place, linear.Rows);
        _launches.Bias(stream, Launches.Threads(_accelerator, linear.Rows), _biasSums.View, scratch.Plan, bias.Gradient, isFirst ? bias.State : _present, place, linear.Rows);
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
            if (withGradient) _workspace.Reserve(GradientLength(tokens) + scratch.SplitCapacity(tokens));
            foreach (var linear in _linears.Keys)
            {
                _inputs.Reserve((long)tokens * linear.Weight.Stride);
                _workspace.Reserve(2L * tokens * Strips(linear));
                if (withGradient && linear.Bias is not null) _biasSums.Reserve((LogitCapacity(tokens) / NarrowKernels.BiasTokens) + linear.Rows + TileProduct.Columns);
            }

            _targets.Reserve(tokens);
            _targetLogits.Reserve(tokens);
            _logSumExp.Reserve(tokens);
        });
        _gradientCapacity = gradientCapacity;
    }

    // Log-sum-exp and the target's log-prob of a chunk's tokens.
    private void Reduce(AcceleratorStream stream, ClusterProducts output, ClusterArguments arguments, ArrayView<float> inputs, TrainingScratch scratch)
    {
        var (linear, place, tokens) = (output.Single, arguments.Plan, arguments.Capacity);
        var (products, weights) = _linears[linear];
        _launches.NarrowChunk(
            stream, Launches.Threads(_accelerator, (long)tokens * linear.Weight.Stride / 4), inputs.Cast<Float4>(), arguments.First == 0 ? scratch.HeadRows : scratch.TailRows,
            scratch.Plan, _inputs.View.Cast<ulong>(), _targets.View, linear.Weight.Stride, place);
        products.Logits(stream, tokens, _inputs.View, weights, linear.Bias, scratch.Plan, place, TilesPerStrip(linear), Pairs, _targets.View, _targetLogits.View);
        _launches.FinishPairs(
            stream, Launches.Groups(_accelerator, (tokens + 15) / 16), scratch.Plan, Pairs, _targets.View, _targetLogits.View, _logSumExp.View,
            scratch.TargetLogProbs, place, arguments.First == 0 ? 1 : 0, Strips(linear), tokens);
    }

    private static int Tiles(GpuLinear linear) => Sizes.Tiles(linear.Rows, TensorCoreMethods.LogitTileColumns);

    // Enough strips to busy a large device with few tokens; fewer of them keep the pairs small.
    private static int TilesPerStrip(GpuLinear linear) => Sizes.Tiles(Tiles(linear), 256);

    private static int Strips(GpuLinear linear) => Sizes.Tiles(Tiles(linear), TilesPerStrip(linear));

    // In float32. A multiple of 256 bytes, as kernels expect of the view behind it.
    private long GradientLength(int tokens) => (LogitCapacity(tokens) + 127) / 128 * 64;

    // A small weight's gradient has few tiles: splitting the tokens busies the other groups.
    private static int WeightSplits(GpuParameter weight, int tokens, TrainingScratch scratch)
    {
        var tiles = (long)Sizes.Tiles(weight.Rows, TileProduct.Columns) * Sizes.Tiles(weight.Columns, TileProduct.Columns);
        var room = scratch.SplitCapacity(tokens) / weight.PaddedCount;
        return (int)Math.Max(1, Math.Min(Math.Min(256 / tiles, tokens / 512), room));
    }
}
