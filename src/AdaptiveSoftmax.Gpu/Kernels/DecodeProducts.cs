using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>The products of decoding batches with one weight, compiled for a device when first used.</summary>
internal sealed class DecodeProducts<TShape, TTile, TBlock>(Accelerator accelerator)
    where TShape : unmanaged, IMatrixShape
    where TTile : unmanaged, IRegisterTile
    where TBlock : unmanaged, IWeightBlock<TBlock>
{
    public Action<AcceleratorStream, KernelConfig, TShape, ArrayView<Float4>, ArrayView<TBlock>, ArrayView<float>, ArrayView<BatchPlan>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ProductArguments, int, int> LogProbs =>
        field ??= accelerator.LoadKernel<TShape, ArrayView<Float4>, ArrayView<TBlock>, ArrayView<float>, ArrayView<BatchPlan>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ProductArguments, int, int>(
            ForwardKernels.LogProbs<TShape, TTile, TBlock>, Launches.Tiles<TTile>());

    public Action<AcceleratorStream, KernelConfig, TShape, ArrayView<Float4>, ArrayView<TBlock>, ArrayView<float>, ArrayView<BatchPlan>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ProductArguments> Best =>
        field ??= accelerator.LoadKernel<TShape, ArrayView<Float4>, ArrayView<TBlock>, ArrayView<float>, ArrayView<BatchPlan>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ProductArguments>(
            DecodeKernels.Best<TShape, TTile, TBlock>, Launches.Tiles<TTile>());
}
