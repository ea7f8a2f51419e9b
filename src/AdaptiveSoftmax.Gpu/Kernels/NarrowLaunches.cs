using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>The kernels around the products on tensor cores, compiled for a device when first used.</summary>
internal sealed class NarrowLaunches(Accelerator accelerator)
{
    public Action<AcceleratorStream, KernelConfig, ArrayView<Float4>, ArrayView<ulong>> Narrow =>
        field ??= accelerator.LoadKernel<ArrayView<Float4>, ArrayView<ulong>>(NarrowKernels.Narrow, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<Float4>, ArrayView<int>, ArrayView<BatchPlan>, ArrayView<ulong>, ArrayView<int>, int, int> NarrowChunk =>
        field ??= accelerator.LoadKernel<ArrayView<Float4>, ArrayView<int>, ArrayView<BatchPlan>, ArrayView<ulong>, ArrayView<int>, int, int>(NarrowKernels.NarrowChunk, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<BatchPlan>, ArrayView<float>, ArrayView<int>, int, int> AddSplits =>
        field ??= accelerator.LoadKernel<ArrayView<float>, ArrayView<BatchPlan>, ArrayView<float>, ArrayView<int>, int, int>(NarrowKernels.AddSplits, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<BatchPlan>, ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int, int, int> FinishPairs =>
        field ??= accelerator.LoadKernel<ArrayView<BatchPlan>, ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int, int, int>(NarrowKernels.FinishPairs, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<uint>, ArrayView<BatchPlan>, ArrayView<float>, int, int> SplitBias =>
        field ??= accelerator.LoadKernel<ArrayView<uint>, ArrayView<BatchPlan>, ArrayView<float>, int, int>(NarrowKernels.SplitBias, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<BatchPlan>, ArrayView<float>, ArrayView<int>, int, int> Bias =>
        field ??= accelerator.LoadKernel<ArrayView<float>, ArrayView<BatchPlan>, ArrayView<float>, ArrayView<int>, int, int>(NarrowKernels.Bias, Launches.Specialization);
}
