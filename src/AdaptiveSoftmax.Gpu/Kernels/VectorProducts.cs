using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>The products of one weight with one vector, compiled for a device when first used.</summary>
internal sealed class VectorProducts<TShape, TBlock>(Accelerator accelerator)
    where TShape : unmanaged, IMatrixShape
    where TBlock : unmanaged, IWeightBlock<TBlock>
{
    public Action<AcceleratorStream, KernelConfig, TShape, ArrayView<float>, ArrayView<TBlock>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<int>, ArrayView<int>, ArrayView<int>, VectorArguments> Best =>
        field ??= accelerator.LoadKernel<TShape, ArrayView<float>, ArrayView<TBlock>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<int>, ArrayView<int>, ArrayView<int>, VectorArguments>(
            VectorKernels.Best, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, TShape, ArrayView<float>, ArrayView<TBlock>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int> Project =>
        field ??= accelerator.LoadKernel<TShape, ArrayView<float>, ArrayView<TBlock>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int>(
            VectorKernels.Project, Launches.Specialization);
}
