using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// Training's products with one weight, or with those of some tails of which each has tokens of its own: every product is
/// one launch for all of them.
/// </summary>
internal sealed class ClusterProducts
{
    // Up to here most of a large tile's rows would be empty.
    private const int FewTokens = 64;

    private readonly Accelerator _accelerator;
    private readonly GpuLinear[] _linears;
    private readonly ArrayView<ClusterSizes> _sizes;
    private readonly int _first;
    private readonly int _inputPitch;
    private readonly int _outputPitch;
    private readonly int _columnTiles;
    private readonly ClusterKernels<Tile16> _few;
    private readonly ClusterKernels<Tile128> _many;
    private readonly CommonKernels _common;

    /// <summary>Describes the products. The weights stay the layer's.</summary>
    /// <param name="accelerator">The device.</param>
    /// <param name="linears">The weights, at most <see cref="ViewGroup{T}.Capacity"/>, in the order of their clusters.</param>
    /// <param name="first">The first weight's cluster.</param>
    /// <param name="sizes">The sizes of such weights, one entry a cluster.</param>
    /// <param name="inputPitch">See <see cref="ClusterArguments.InputPitch"/>.</param>
    /// <param name="outputPitch">See <see cref="ClusterArguments.OutputPitch"/>.</param>
    public ClusterProducts(Accelerator accelerator, GpuLinear[] linears, int first, ArrayView<ClusterSizes> sizes, int inputPitch, int outputPitch)
    {
        _accelerator = accelerator;
        _linears = linears;
        _first = first;
        _sizes = sizes;
        _inputPitch = inputPitch;
        _outputPitch = outputPitch;
        MostRows = linears.Max(linear => linear.Rows);
        _columnTiles = Sizes.Tiles(MostRows, TileProduct.Columns);
        _few = KernelCache.Get(accelerator, device => new ClusterKernels<Tile16>(device));
        _many = KernelCache.Get(accelerator, device => new ClusterKernels<Tile128>(device));
        _common = KernelCache.Get(accelerator, device => new CommonKernels(device));
    }

    /// <summary>The first cluster.</summary>
    public int First => _first;

    /// <summary>The weight, where there is one alone.</summary>
    public GpuLinear Single => _linears.Length == 1 ? _linears[0] : throw new InvalidOperationException("These are the products of several weights.");

    /// <summary>The rows of the weight that has most.</summary>
    public int MostRows { get; }

    /// <summary>Each weight's <see cref="ParameterState"/>.</summary>
    public ViewGroup<int> States => Views(_linears, linear => linear.Weight.State);

    /// <summary>Each bias's, or the weight's where there is none.</summary>
    public ViewGroup<int> BiasStates => Views(_linears, linear => (linear.Bias ?? linear.Weight).State);

    /// <summary>Whether a weight or a bias learns.</summary>
    public bool Learns => WeightsLearning != 0 || BiasLearns;

    /// <summary>The weights that learn, a bit each.</summary>
    public int WeightsLearning
    {
        get
        {
            var learning = 0;
            for (var i = 0; i < _linears.Length; i++)
            {
                if (_linears[i].Weight.RequiresGradient) learning |= 1 << i;
            }

            return learning;
        }
    }

    /// <summary>Whether there is a bias that learns.</summary>
    public bool BiasLearns => Bias is { RequiresGradient: true };

    private ViewGroup<Float4> Weights => Views(_linears, linear => linear.Weight.Values.Cast<Float4>());

    private GpuParameter? Bias => _linears[0].Bias;

    private KernelConfig AllGroups => Launches.Groups(_accelerator, long.MaxValue);

    /// <summary>What a launch is told of the clusters.</summary>
    /// <param name="tokens">The tokens of the batch.</param>
    public ClusterArguments Arguments(int tokens) => new()
    {
        First = _first,
        Count = _linears.Length,
        Capacity = tokens,
        InputPitch = _inputPitch,
        OutputPitch = _outputPitch,
        HasBias = Bias is null ? 0 : 1,
    };

    /// <summary>The chunks of rows that a batch takes, whose plan was read back; 0 where no cluster has a token.</summary>
    public int Passes(BatchPlan[] plan)
    {
        var passes = 0;
        for (var i = 0; i < _linears.Length; i++)
        {
            var cluster = plan[_first + i];
            if (cluster.Count > 0) passes = Math.Max(passes, Sizes.Tiles(_linears[i].Rows, cluster.ChunkRows));
        }

        return passes;
    }

    /// <summary>inputs · weightᵀ (+ bias).</summary>
    public void Store(AcceleratorStream stream, ArrayView<float> inputs, ArrayView<BatchPlan> plan, ArrayView<float> outputs, ClusterArguments arguments)
    {
        var launch = IsFew(arguments) ? _few.Store : _many.Store;
        launch(stream, Groups(arguments), inputs.Cast<Float4>(), Weights, _linears[0].Biases, plan, _sizes, outputs.Cast<Float4>(), arguments);
    }

    /// <summary>Log-sum-exp and the target's share of the log-prob of every token.</summary>
    public void Reduce(AcceleratorStream stream, ArrayView<float> inputs, ArrayView<int> targetRows, TrainingScratch scratch, ClusterArguments arguments)
    {
        var launch = IsFew(arguments) ? _few.Reduce : _many.Reduce;
        launch(
            stream, Groups(arguments), inputs.Cast<Float4>(), Weights, _linears[0].Biases, scratch.Plan, _sizes, targetRows, scratch.TargetLogits,
            scratch.Maximum, scratch.Sum, scratch.Kept.Cast<Float4>(), arguments);
        _common.FinishReduce(
            stream, Launches.Groups(_accelerator, Sizes.Tiles(arguments.Capacity, 16) + arguments.Count), scratch.Plan, _sizes, scratch.Maximum, scratch.Sum,
            targetRows, scratch.TargetLogits, scratch.LogSumExp, scratch.TargetLogProbs, arguments);
    }

    /// <summary>Sums of logits for label smoothing, of one cluster.</summary>
    public void Sum(AcceleratorStream stream, ArrayView<float> inputs, ArrayView<float> groupSizes, TrainingScratch scratch, ClusterArguments arguments) =>
        _many.Sum(stream, Groups(arguments), inputs.Cast<Float4>(), Weights, _linears[0].Biases, scratch.Plan, _sizes, groupSizes, scratch.Sum, arguments);

    /// <summary>The gradient of one chunk's logits, from logits that are kept or computed again.</summary>
    public void LogitGradient(
        AcceleratorStream stream, ArrayView<float> inputs, ArrayView<int> targetRows, ArrayView<float> groupSizes, TrainingScratch scratch, bool isKept,
        ClusterArguments arguments, LossWeights loss)
    {
        if (isKept)
        {
            _common.KeptGradient(
                stream, AllGroups, scratch.LogitGradient.Cast<Float4>(), scratch.Plan, _sizes, targetRows, scratch.LogSumExp, scratch.TokenWeights, groupSizes,
                arguments, loss);
            return;
        }

        _many.LogitGradient(
            stream, Groups(arguments), inputs.Cast<Float4>(), Weights, _linears[0].Biases, scratch.Plan, _sizes, targetRows, scratch.LogSumExp,
            scratch.TokenWeights, groupSizes, scratch.LogitGradient.Cast<Float4>(), arguments, loss);
    }

    /// <summary>The gradient of the inputs; of logits one chunk's, which <see cref="AddShares"/> ends.</summary>
    public void InputGradient(AcceleratorStream stream, ArrayView<float> gradient, TrainingScratch scratch, ArrayView<float> inputGradient, ClusterArguments arguments) =>
        _many.InputGradient(stream, AllGroups, gradient.Cast<Float4>(), Weights, scratch.Plan, _sizes, inputGradient.Cast<Float4>(), scratch.Shares.Cast<Float4>(), arguments);

    /// <summary>Ends an <see cref="InputGradient"/> over all chunks.</summary>
    public void AddShares(AcceleratorStream stream, ArrayView<BatchPlan> plan, ArrayView<float> shares, ArrayView<float> inputGradient, ClusterArguments arguments) =>
        _common.AddShares(stream, AllGroups, shares.Cast<Float4>(), plan, _sizes, inputGradient.Cast<Float4>(), arguments);

    /// <summary>Adds to the gradients of the weights, and of a bias; those that are frozen are left out.</summary>
    public void WeightGradient(AcceleratorStream stream, ArrayView<float> gradient, ArrayView<float> inputs, TrainingScratch scratch, ClusterArguments arguments)
    {
        var learning = WeightsLearning;
        if (learning == (1 << _linears.Length) - 1)
        {
            _many.WeightGradient(
                stream, AllGroups, gradient.Cast<Float4>(), inputs.Cast<Float4>(), scratch.Plan, _sizes,
                Views(_linears, linear => linear.Weight.Gradient.Cast<Float4>()), States, arguments);
        }
        else
        {
            for (var i = 0; i < _linears.Length; i++)
            {
                if ((learning >> i & 1) == 0) continue;
                var alone = arguments;
                alone.First += i;
                alone.Count = 1;
                var weight = _linears[i].Weight;
                _many.WeightGradient(
                    stream, AllGroups, gradient.Cast<Float4>(), inputs.Cast<Float4>(), scratch.Plan, _sizes,
                    ViewGroup<Float4>.Of(weight.Gradient.Cast<Float4>()), ViewGroup<int>.Of(weight.State), alone);
            }
        }

        if (BiasLearns)
            _common.BiasGradient(stream, Launches.Groups(_accelerator, Sizes.Tiles(MostRows, 32)), gradient, scratch.Plan, _sizes, Bias!.Gradient, Bias.State, arguments);
    }

    // A kernel takes no missing view, and reads none behind the last cluster's.
    private static ViewGroup<T> Views<T>(GpuLinear[] linears, Func<GpuLinear, ArrayView<T>> view)
        where T : unmanaged
    {
        var last = linears.Length - 1;
        return new()
        {
            First = view(linears[0]),
            Second = view(linears[Math.Min(1, last)]),
            Third = view(linears[Math.Min(2, last)]),
            Fourth = view(linears[last]),
        };
    }

    private static bool IsFew(ClusterArguments arguments) => arguments.Capacity <= FewTokens;

    // As many groups as tiles if all tokens lay in the largest cluster, and each other had a tile of a few.
    private KernelConfig Groups(ClusterArguments arguments)
    {
        var height = IsFew(arguments) ? default(Tile16).GroupRows : default(Tile128).GroupRows;
        return Launches.Groups(_accelerator, (long)(Sizes.Tiles(arguments.Capacity, height) + arguments.Count - 1) * _columnTiles);
    }
}
