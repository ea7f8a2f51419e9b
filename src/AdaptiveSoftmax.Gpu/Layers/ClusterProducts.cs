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
    private readonly StoreKernels<Tile16, Float4> _storeFew;
    private readonly StoreKernels<Tile128, Float4> _storeMany;
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
        ColumnTiles = Sizes.Tiles(linears.Max(linear => linear.Rows), TileProduct.Columns);
        MaySplit = linears.Any(linear => Sizes.Tiles(linear.Rows, TileProduct.Columns) >= 8 && Sizes.Tiles(linear.Columns, TileProduct.Columns) <= 128);
        _storeFew = KernelCache.Get(accelerator, device => new StoreKernels<Tile16, Float4>(device));
        _storeMany = KernelCache.Get(accelerator, device => new StoreKernels<Tile128, Float4>(device));
        _many = KernelCache.Get(accelerator, device => new ClusterKernels<Tile128>(device));
        _common = KernelCache.Get(accelerator, device => new CommonKernels(device));
    }

    /// <summary>The first cluster.</summary>
    public int First => _first;

    /// <summary>The weight, where there is one alone.</summary>
    public GpuLinear Single => _linears.Length == 1 ? _linears[0] : throw new InvalidOperationException("These are the products of several weights.");

    /// <summary>The weights.</summary>
    public ReadOnlySpan<GpuLinear> Linears => _linears;

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

    /// <summary>The number of weights.</summary>
    public int Count => _linears.Length;

    /// <summary>The column tiles of the weight that has most rows.</summary>
    public int ColumnTiles { get; }

    /// <summary>Whether the input gradient of some chunk may be split: the plan splits none below twice 512 rows.</summary>
    public bool MaySplit { get; }

    /// <summary>What a launch is told of the clusters, of all their tokens.</summary>
    /// <param name="tokens">The tokens of the batch.</param>
    public ClusterArguments Arguments(int tokens) => new()
    {
        First = _first,
        Count = _linears.Length,
        Plan = _first,
        Capacity = tokens,
        InputPitch = _inputPitch,
        OutputPitch = _outputPitch,
        HasBias = Bias is null ? 0 : 1,
    };

    /// <summary>inputs · weightᵀ (+ bias).</summary>
    public void Store(AcceleratorStream stream, ArrayView<float> inputs, ArrayView<BatchPlan> plan, ArrayView<float> outputs, ClusterArguments arguments)
    {
        var launch = IsFew(arguments) ? _storeFew.Store : _storeMany.Store;
        launch(stream, Groups(arguments), inputs.Cast<Float4>(), Weights, _linears[0].Biases, Planned(plan, arguments), _sizes, outputs.Cast<Float4>(), arguments);
    }

    /// <summary>Log-probs of the targets from a chunk's logits, and the gradient of these in their place.</summary>
    public void Softmax(AcceleratorStream stream, ArrayView<float> groupSizes, TrainingScratch scratch, ClusterArguments arguments, LogitArguments loss) =>
        _common.Softmax(
            stream, AllGroups, scratch.Logits.Cast<Float4>(), Planned(scratch.Plan, arguments), _sizes, scratch.HeadRows, scratch.TailRows, groupSizes, scratch.TokenWeights,
            scratch.TargetLogProbs, scratch.Smoothing, arguments, loss);

    /// <summary>The gradient of the inputs; of logits perhaps split, which <see cref="AddSplits"/> ends.</summary>
    public void InputGradient(AcceleratorStream stream, ArrayView<float> gradient, TrainingScratch scratch, ArrayView<float> inputGradient, ClusterArguments arguments) =>
        _many.InputGradient(stream, AllGroups, gradient.Cast<Float4>(), Weights, Planned(scratch.Plan, arguments), _sizes, inputGradient.Cast<Float4>(), scratch.SplitSums.Cast<Float4>(), arguments);

    /// <summary>Ends an <see cref="InputGradient"/> that is split.</summary>
    public void AddSplits(AcceleratorStream stream, ArrayView<BatchPlan> plan, ArrayView<float> splitSums, ArrayView<float> inputGradient, ClusterArguments arguments) =>
        _common.AddSplits(stream, AllGroups, splitSums.Cast<Float4>(), Planned(plan, arguments), _sizes, inputGradient.Cast<Float4>(), arguments);

    /// <summary>Adds to the gradients of the weights; those that are frozen are left out.</summary>
    public void WeightGradient(AcceleratorStream stream, ArrayView<float> gradient, ArrayView<float> inputs, ArrayView<BatchPlan> plan, ClusterArguments arguments)
    {
        var learning = WeightsLearning;
        if (learning == (1 << _linears.Length) - 1)
        {
            _many.WeightGradient(
                stream, AllGroups, gradient.Cast<Float4>(), inputs.Cast<Float4>(), Planned(plan, arguments), _sizes,
                Views(_linears, linear => linear.Weight.Gradient.Cast<Float4>()), States, arguments);
        }
        else
        {
            for (var i = 0; i < _linears.Length; i++)
            {
                if ((learning >> i & 1) == 0) continue;
                var alone = arguments;
                alone.First += i;
                alone.Plan += i;
                alone.Count = 1;
                var weight = _linears[i].Weight;
                _many.WeightGradient(
                    stream, AllGroups, gradient.Cast<Float4>(), inputs.Cast<Float4>(), Planned(plan, alone), _sizes,
                    ViewGroup<Float4>.Of(weight.Gradient.Cast<Float4>()), ViewGroup<int>.Of(weight.State), alone);
            }
        }
    }

    /// <summary>Adds to the gradient of the bias.</summary>
    public void BiasGradient(AcceleratorStream stream, ArrayView<float> gradient, ArrayView<BatchPlan> plan, ClusterArguments arguments) =>
        _common.BiasGradient(stream, Launches.Groups(_accelerator, Sizes.Tiles(_linears[0].Rows, 32)), gradient, Planned(plan, arguments), _sizes, Bias!.Gradient, Bias.State, arguments);

    // Kernels find plan and sizes of a cluster by one index: a second one would stay in a register over a product.
    private static ArrayView<BatchPlan> Planned(ArrayView<BatchPlan> plan, ClusterArguments arguments) => plan.SubView(arguments.Plan - arguments.First);

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
        return Launches.Groups(_accelerator, (long)(Sizes.Tiles(arguments.Capacity, height) + arguments.Count - 1) * ColumnTiles);
    }
}
