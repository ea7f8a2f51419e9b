using AdaptiveSoftmax.Gpu.Cuda;
using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>The products by generated kernels, which take addresses instead of views.</summary>
internal sealed class CudaTensorProducts(GpuParameter weight, TensorCoreMethods kernels) : ITensorProducts
{
    // The kernels' plan is an array of integers, four a part, of which the second is the count of tokens.
    private const int CountOffset = 1;
    private const int IntegersOfPlan = 4;

    private readonly Accelerator _accelerator = weight.Accelerator;
    private LogitsLauncher? _logits;
    private GradientLauncher? _gradient;
    private OutputLauncher? _inputGradient;
    private OutputLauncher? _weightGradient;

    private delegate void LogitsLauncher(
        AcceleratorStream stream, KernelConfig config, long inputs, int inputStride, long weights, int weightStride, long bias, long counts, int countIndex,
        int columns, int inputSize, int rowCapacity, long partials, long targetColumns, long targetLogits);

    private delegate void GradientLauncher(
        AcceleratorStream stream, KernelConfig config, long inputs, int inputStride, long weights, int weightStride, long bias, long counts, int countIndex,
        int firstColumn, int columns, int inputSize, long logSumExps, long targetColumns, long scale, long gradients, int gradientStride);

    private delegate void OutputLauncher(
        AcceleratorStream stream, KernelConfig config, long gradients, int gradientStride, long factor, int factorStride, long counts, int countIndex,
        int firstColumn, int columns, int inputSize, long output, int outputStride, int accumulate);

    public void Logits(
        AcceleratorStream stream, int tokens, ArrayView<ushort> inputs, ArrayView<ushort> weights, GpuParameter? bias, ArrayView<PartPlan> plan, int part,
        ArrayView<float> pairs, ArrayView<int> targets, ArrayView<float> targetLogits)
    {
        _logits ??= Load<LogitsLauncher>(kernels.Logits);
        _logits(
            stream, Launch(kernels.Logits, tokens, weight.Rows), Address(inputs), weight.Stride, Address(weights), weight.Stride, Address(bias), Address(plan), Count(part),
            weight.Rows, weight.Columns, tokens, Address(pairs), Address(targets), Address(targetLogits));
    }

    public void Gradient(
        AcceleratorStream stream, int tokens, ArrayView<ushort> inputs, ArrayView<ushort> weights, GpuParameter? bias, ArrayView<PartPlan> plan, int part,
        int first, int count, ArrayView<float> logSumExp, ArrayView<int> targets, ArrayView<float> tokenWeight, ArrayView<ushort> gradient, int stride)
    {
        _gradient ??= Load<GradientLauncher>(kernels.Gradient);
        _gradient(
            stream, Launch(kernels.Gradient, tokens, count), Address(inputs), weight.Stride, Address(weights), weight.Stride, Address(bias), Address(plan), Count(part),
            first, count, weight.Columns, Address(logSumExp), Address(targets), Address(tokenWeight), Address(gradient), stride);
    }

    public void InputGradient(
        AcceleratorStream stream, int tokens, ArrayView<ushort> gradient, int stride, ArrayView<ushort> weights, ArrayView<PartPlan> plan, int part,
        int first, int count, ArrayView<float> output, bool accumulate)
    {
        _inputGradient ??= Load<OutputLauncher>(kernels.InputGradient);
        _inputGradient(
            stream, Launch(kernels.InputGradient, tokens, weight.Columns), Address(gradient), stride, Address(weights), weight.Stride, Address(plan), Count(part),
            first, count, weight.Columns, Address(output), weight.Stride, accumulate ? 1 : 0);
    }

    public void WeightGradient(
        AcceleratorStream stream, ArrayView<ushort> gradient, int stride, ArrayView<ushort> inputs, ArrayView<PartPlan> plan, int part,
        int first, int count, ArrayView<float> output)
    {
        _weightGradient ??= Load<OutputLauncher>(kernels.WeightGradient);
        _weightGradient(
            stream, Launch(kernels.WeightGradient, count, weight.Columns), Address(gradient), stride, Address(inputs), weight.Stride, Address(plan), Count(part),
            first, count, weight.Columns, Address(output), weight.Stride, 1);
    }

    private static int Count(int part) => (part * IntegersOfPlan) + CountOffset;

    private static long Address<T>(ArrayView<T> view)
        where T : unmanaged => view.LoadEffectiveAddressAsPtr();

    private static long Address(GpuParameter? bias) => bias is null ? 0 : Address(bias.Values);

    // Groups take tile after tile, so the number changes no result; a tile has at least 64 rows and columns.
    private KernelConfig Launch(TensorCoreMethod kernel, int rows, int columns)
    {
        var tiles = (long)Sizes.Tiles(rows, 64) * Sizes.Tiles(columns, 64);
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
