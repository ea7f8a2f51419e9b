using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// The matrix products of a linear layer on a device, for the body of a model: what <see cref="MatrixKernels"/> is on the
/// CPU. Nothing is copied and nothing waits for the device; the same data on the same device give the same bits.
/// </summary>
/// <remarks>
/// Views are float32, row by row. A row takes its columns rounded up to 8, <see cref="InputStride"/> or
/// <see cref="OutputStride"/>, and what lies behind the columns must be 0; every product that is stored here keeps it so.
/// A view begins at a multiple of 4 values of its buffer. An object belongs to one thread at a time.
/// </remarks>
public sealed class GpuMatrix : IDisposable
{
    // Up to here most of a large tile's rows would be empty.
    private const int FewRows = 64;

    private readonly StoreKernels<Tile16, Float4> _storeFew;
    private readonly StoreKernels<Tile128, Float4> _storeMany;
    private readonly ClusterKernels<Tile16> _few;
    private readonly ClusterKernels<Tile128> _many;
    private readonly CommonKernels _common;
    private readonly MatrixPlan _planning;
    private readonly DeviceBuffers _buffers;
    private readonly ArrayView<BatchPlan> _plan;
    private readonly ArrayView<ClusterSizes> _sizes;
    private int _plannedTokens = -1;

    /// <summary>Prepares the products with a weight. Weight and bias stay the caller's.</summary>
    /// <param name="weight">PyTorch's <c>Linear.weight</c>, [outputs, inputs].</param>
    /// <param name="bias">PyTorch's <c>Linear.bias</c>, a vector [outputs]; null for none.</param>
    /// <exception cref="ArgumentException">
    /// The weight is empty, a vector or row-sparse, or the bias has another size or lies on another accelerator.
    /// </exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public GpuMatrix(GpuParameter weight, GpuParameter? bias = null)
    {
        ArgumentNullException.ThrowIfNull(weight);
        if (weight.IsVector || weight.GradientLayout != GradientLayout.Dense || weight.Rows == 0 || weight.Columns == 0)
            throw new ArgumentException(FormattableString.Invariant($"'{weight.Name}' [{weight.Rows}, {weight.Columns}] must be a matrix of at least one value with a dense gradient."), nameof(weight));
        if (bias is not null && (!bias.IsVector || bias.Rows != weight.Rows))
            throw new ArgumentException(FormattableString.Invariant($"'{bias.Name}' must be a vector [{weight.Rows}], one value a row of '{weight.Name}'."), nameof(bias));
        if (bias is not null && bias.Accelerator != weight.Accelerator)
            throw new ArgumentException($"'{bias.Name}' is on '{bias.Accelerator.Name}' and '{weight.Name}' on '{weight.Accelerator.Name}'; make both on the same accelerator.", nameof(bias));
        Weight = weight;
        Bias = bias;
        _storeFew = KernelCache.Get(weight.Accelerator, accelerator => new StoreKernels<Tile16, Float4>(accelerator));
        _storeMany = KernelCache.Get(weight.Accelerator, accelerator => new StoreKernels<Tile128, Float4>(accelerator));
        _few = KernelCache.Get(weight.Accelerator, accelerator => new ClusterKernels<Tile16>(accelerator));
        _many = KernelCache.Get(weight.Accelerator, accelerator => new ClusterKernels<Tile128>(accelerator));
        _common = KernelCache.Get(weight.Accelerator, accelerator => new CommonKernels(accelerator));
        _planning = KernelCache.Get(weight.Accelerator, accelerator => new MatrixPlan(accelerator));
        _buffers = new DeviceBuffers(weight.Accelerator);
        _plan = _buffers.Allocate<BatchPlan>(1, $"the plan of products with '{weight.Name}'");
        _sizes = _buffers.Upload([new ClusterSizes { Rows = weight.Rows, Columns = weight.Columns }], $"the sizes of products with '{weight.Name}'");
    }

    /// <summary>[outputs, inputs].</summary>
    public GpuParameter Weight { get; }

    /// <summary>[outputs], or null.</summary>
    public GpuParameter? Bias { get; }

    /// <summary>The values from one input to the next: the inputs rounded up to 8.</summary>
    public int InputStride => Weight.Stride;

    /// <summary>The values from one output to the next: the outputs rounded up to 8.</summary>
    public int OutputStride => Sizes.Stride(Weight.Rows);

    private AcceleratorStream Stream => Weight.Accelerator.DefaultStream;

    private ViewGroup<Float4> Weights => ViewGroup<Float4>.Of(Weight.Values.Cast<Float4>());

    /// <summary>output = input · weightᵀ + bias: <c>torch.nn.functional.linear</c>.</summary>
    /// <param name="input">[tokens, input stride].</param>
    /// <param name="output">Receives [tokens, output stride].</param>
    /// <exception cref="ArgumentException">The sizes do not agree, views share memory, or one belongs to another accelerator.</exception>
    /// <exception cref="ObjectDisposedException">The object is disposed.</exception>
    public void Forward(ArrayView<float> input, ArrayView<float> output)
    {
        var tokens = Begin(input, InputStride, nameof(input));
        Check(output, tokens, OutputStride, nameof(output));
        ViewOverlap.Refuse(input, output, "the input", "the output", nameof(output));
        if (tokens == 0) return;
        var isFew = IsFew(tokens, Weight.Rows);
        var launch = isFew ? _storeFew.Store : _storeMany.Store;
        // A kernel takes no missing view; without a bias it reads nothing from this one.
        var bias = Bias is null ? Weight.Values : Bias.Values;
        launch(Stream, Groups(isFew, tokens, Weight.Rows), input.Cast<Float4>(), Weights, bias, _plan, _sizes, output.Cast<Float4>(), Arguments());
    }

    /// <summary>inputGradient = outputGradient · weight.</summary>
    /// <param name="outputGradient">[tokens, output stride].</param>
    /// <param name="inputGradient">Receives [tokens, input stride].</param>
    /// <exception cref="ArgumentException">The sizes do not agree, views share memory, or one belongs to another accelerator.</exception>
    /// <exception cref="ObjectDisposedException">The object is disposed.</exception>
    public void InputGradient(ArrayView<float> outputGradient, ArrayView<float> inputGradient)
    {
        var tokens = Begin(outputGradient, OutputStride, nameof(outputGradient));
        Check(inputGradient, tokens, InputStride, nameof(inputGradient));
        ViewOverlap.Refuse(outputGradient, inputGradient, "the gradient of the output", "that of the input", nameof(inputGradient));
        if (tokens == 0) return;
        var isFew = IsFew(tokens, Weight.Columns);
        var launch = isFew ? _few.InputGradient : _many.InputGradient;
        launch(
            Stream, Groups(isFew, tokens, Weight.Columns), outputGradient.Cast<Float4>(), Weights, _plan, _sizes,
            inputGradient.Cast<Float4>(), inputGradient.Cast<Float4>(), Arguments());
    }

    /// <summary>
    /// Adds outputGradientᵀ · input to the gradient of the weight, and the sum over the tokens to that of the bias. What is
    /// frozen is left out.
    /// </summary>
    /// <param name="outputGradient">[tokens, output stride].</param>
    /// <param name="input">The input of <see cref="Forward"/>, [tokens, input stride].</param>
    /// <exception cref="ArgumentException">The sizes do not agree, or a view belongs to another accelerator.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory for a gradient.</exception>
    /// <exception cref="ObjectDisposedException">The object is disposed.</exception>
    public void AddWeightGradient(ArrayView<float> outputGradient, ArrayView<float> input)
    {
        var tokens = Begin(outputGradient, OutputStride, nameof(outputGradient));
        Check(input, tokens, InputStride, nameof(input));
        if (tokens == 0) return;
        var isFew = IsFew(Weight.Rows, Weight.Columns);
        var launch = isFew ? _few.WeightGradient : _many.WeightGradient;
        var states = ViewGroup<int>.Of(Weight.State);
        if (Weight.RequiresGradient)
        {
            launch(
                Stream, Groups(isFew, Weight.Rows, Weight.Columns), outputGradient.Cast<Float4>(), input.Cast<Float4>(), _plan, _sizes,
                ViewGroup<Float4>.Of(Weight.Gradient.Cast<Float4>()), states, Arguments());
        }

        var biasLearns = Bias is { RequiresGradient: true };
        if (biasLearns)
            _common.BiasGradient(Stream, Launches.Groups(Weight.Accelerator, Sizes.Tiles(Weight.Rows, 32)), outputGradient, _plan, _sizes, Bias!.Gradient, Bias.State, Arguments());
        _common.MarkGradients(Stream, (1, 1), states, ViewGroup<int>.Of((Bias ?? Weight).State), _plan, 0, 1, Weight.RequiresGradient ? 1 : 0, biasLearns ? 1 : 0);
    }

    /// <summary>Releases the working memory. Weight and bias stay as they are.</summary>
    public void Dispose() => _buffers.Dispose();

    private ClusterArguments Arguments() => new() { Count = 1, InputPitch = InputStride, OutputPitch = OutputStride, HasBias = Bias is null ? 0 : 1 };

    // Small tiles where there are few rows, and where large ones would leave most of the device idle.
    private bool IsFew(int rows, int columns) => rows <= FewRows || Tiles<Tile128>(rows, columns) < Weight.Accelerator.NumMultiprocessors;

    private KernelConfig Groups(bool isFew, int rows, int columns) =>
        Launches.Groups(Weight.Accelerator, isFew ? Tiles<Tile16>(rows, columns) : Tiles<Tile128>(rows, columns));

    private static long Tiles<TTile>(int rows, int columns)
        where TTile : unmanaged, IRegisterTile => (long)Sizes.Tiles(rows, default(TTile).GroupRows) * Sizes.Tiles(columns, TileProduct.Columns);

    // Checks the first view, and has the device know how many tokens there are.
    private int Begin(ArrayView<float> view, int stride, string name)
    {
        ObjectDisposedException.ThrowIf(_buffers.IsDisposed, this);
        if (view.Length % stride != 0)
            throw new ArgumentException(FormattableString.Invariant($"The view has {view.Length} values, which is no multiple of the stride {stride} of '{Weight.Name}' [{Weight.Rows}, {Weight.Columns}]."), name);
        if (view.Length / stride > int.MaxValue / 64)
            throw new ArgumentException($"There are {view.Length / stride} tokens; give at most {int.MaxValue / 64} at a time.", name);
        var tokens = (int)(view.Length / stride);
        Check(view, tokens, stride, name);
        if (tokens == 0 || tokens == _plannedTokens) return tokens;
        _planning.Set(Stream, (1, 1), _plan, tokens);
        _plannedTokens = tokens;
        return tokens;
    }

    private void Check(ArrayView<float> view, int tokens, int stride, string name)
    {
        if (view.Length != (long)tokens * stride)
            throw new ArgumentException(FormattableString.Invariant($"The view has {view.Length} values; {tokens} tokens of stride {stride} need {(long)tokens * stride}."), name);
        if (tokens > 0 && view.GetAccelerator() != Weight.Accelerator)
            throw new ArgumentException($"The view lies in the memory of '{view.GetAccelerator().Name}', which is another accelerator than the weight's '{Weight.Accelerator.Name}'; allocate it on the weight's.", name);
    }
}
