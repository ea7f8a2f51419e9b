using AdaptiveSoftmax.Gpu.Cuda;
using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>The products by generated kernels, which take addresses instead of views.</summary>
internal sealed class CudaTensorProducts(GpuParameter weight, TensorCoreMethods kernels) : ITensorProducts
{
    // Kernels can take a chunk of the weight's rows; training gives them all as the first one.
    private const int AllRows = 0;

    private readonly Accelerator _accelerator = weight.Accelerator;
    private LogitsLauncher? _logits;
    private GradientLauncher? _gradient;
    private InputGradientLauncher? _inputGradient;
    private WeightGradientLauncher? _weightGradient;

    private delegate void LogitsLauncher(
        AcceleratorStream stream, KernelConfig config, long inputs, int inputStride, long weights, int weightStride, long bias, long plan,
        int columns, int inputSize, int tilesPerStrip, int rowCapacity, long partials, long targetColumns, long targetLogits);

    private delegate void GradientLauncher(
        AcceleratorStream stream, KernelConfig config, long inputs, int inputStride, long weights, int weightStride, long bias, long plan,
        int pass, int allColumns, int inputSize, long logSumExps, long targetColumns, long scale, long gradients);

    private delegate void InputGradientLauncher(
        AcceleratorStream stream, KernelConfig config, long gradients, long weights, int weightStride, long plan,
        int pass, int allColumns, int inputSize, long output, int outputStride, long outputShares);

    private delegate void WeightGradientLauncher(
        AcceleratorStream stream, KernelConfig config, long gradients, long inputs, int inputStride, long plan,
        int pass, int allColumns, int inputSize, long output, int outputStride, long hasOutput, long outputShares, int shares);

    public void Logits(
        AcceleratorStream stream, int tokens, ArrayView<ushort> inputs, ArrayView<ushort> weights, GpuParameter? bias, ArrayView<BatchPlan> plan, int place,
        int tilesPerStrip, ArrayView<float> pairs, ArrayView<int> targets, ArrayView<float> targetLogits)
    {
        _logits ??= Load<LogitsLauncher>(kernels.Logits);
        _logits(
            stream, Launch(kernels.Logits, tokens, weight.Rows), Address(inputs), weight.Stride, Address(weights), weight.Stride, Address(bias), Plan(plan, place),
            weight.Rows, weight.Columns, tilesPerStrip, tokens, Address(pairs), Address(targets), Address(targetLogits));
    }

    public void Gradient(
        AcceleratorStream stream, int tokens, ArrayView<ushort> inputs, ArrayView<ushort> weights, GpuParameter? bias, ArrayView<BatchPlan> plan, int place,
        ArrayView<float> logSumExp, ArrayView<int> targets, ArrayView<float> scale, ArrayView<ushort> gradient)
    {
        _gradient ??= Load<GradientLauncher>(kernels.Gradient);
        _gradient(
            stream, Launch(kernels.Gradient, tokens, weight.Rows), Address(inputs), weight.Stride, Address(weights), weight.Stride, Address(bias), Plan(plan, place),
            AllRows, weight.Rows, weight.Columns, Address(logSumExp), Address(targets), Address(scale), Address(gradient));
    }

    public void InputGradient(
        AcceleratorStream stream, ArrayView<ushort> gradient, ArrayView<ushort> weights, ArrayView<BatchPlan> plan, int place, ArrayView<float> output, ArrayView<float> splitSums)
    {
        // How many splits there are is known on the device alone.
        _inputGradient ??= Load<InputGradientLauncher>(kernels.InputGradient);
        _inputGradient(
            stream, Launch(kernels.InputGradient, int.MaxValue, weight.Columns), Address(gradient), Address(weights), weight.Stride, Plan(plan, place),
            AllRows, weight.Rows, weight.Columns, Address(output), weight.Stride, Address(splitSums));
    }

    public void WeightGradient(
        AcceleratorStream stream, ArrayView<ushort> gradient, ArrayView<ushort> inputs, ArrayView<BatchPlan> plan, int place, ArrayView<int> state, ArrayView<float> splitSums, int splits)
    {
        _weightGradient ??= Load<WeightGradientLauncher>(kernels.WeightGradient);
        _weightGradient(
            stream, Launch(kernels.WeightGradient, weight.Rows, weight.Columns, splits), Address(gradient), Address(inputs), weight.Stride, Plan(plan, place),
            AllRows, weight.Rows, weight.Columns, Address(weight.Gradient), weight.Stride, Address(state), Address(splitSums), splits);
    }

    private static long Plan(ArrayView<BatchPlan> plan, int place) => Address(plan.SubView(place, 1));

    private static long Address<T>(ArrayView<T> view)
        where T : unmanaged => view.LoadEffectiveAddressAsPtr();

    private static long Address(GpuParameter? bias) => bias is null ? 0 : Address(bias.Values);

    // Groups take tile after tile, so the number changes no result; a tile has at least 64 rows and columns.
    private KernelConfig Launch(TensorCoreMethod kernel, int rows, int columns, int splits = 1)
    {
        var tiles = ((rows + 63L) / 64) * Sizes.Tiles(columns, 64) * splits;
        var groups = (int)Math.Clamp(tiles, 1, _accelerator.NumMultiprocessors * 2L);
        return new KernelConfig(groups, kernel.Threads, SharedMemoryConfig.RequestDynamic<byte>(kernel.SharedBytes));
    }

    private TLauncher Load<TLauncher>(TensorCoreMethod kernel)
        where TLauncher : Delegate
    {
        var loaded = _accelerator.LoadKernel(kernel.Method.Method, new KernelSpecialization(kernel.Threads, null));
        CudaKernelAttributes.AllowDynamicSharedMemory(loaded, kernel.SharedBytes);
        return loaded.CreateLauncherDelegate<TLauncher>();
    }
}
