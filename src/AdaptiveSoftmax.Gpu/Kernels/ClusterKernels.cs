using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// The products of training and of a model's body, with one or more clusters a launch, compiled for a device when first used.
/// Their sizes come from a table on the device: as constants they would save a dozen instructions of thousands, no
/// register, and have each shape compiled.
/// </summary>
internal sealed class ClusterKernels<TTile>(Accelerator accelerator)
    where TTile : unmanaged, IRegisterTile
{
    public Action<AcceleratorStream, KernelConfig, ArrayView<Float4>, ViewGroup<Float4>, ArrayView<BatchPlan>, ArrayView<ClusterSizes>, ArrayView<Float4>, ArrayView<Float4>, ClusterArguments> InputGradient =>
        field ??= accelerator.LoadKernel<ArrayView<Float4>, ViewGroup<Float4>, ArrayView<BatchPlan>, ArrayView<ClusterSizes>, ArrayView<Float4>, ArrayView<Float4>, ClusterArguments>(
            GradientKernels.Input<TTile>, Launches.Tiles<TTile>());

    // By itself it takes what two groups have; told of them, it computes more addresses in its loop.
    public Action<AcceleratorStream, KernelConfig, ArrayView<Float4>, ArrayView<Float4>, ArrayView<BatchPlan>, ArrayView<ClusterSizes>, ViewGroup<Float4>, ViewGroup<int>, ClusterArguments> WeightGradient =>
        field ??= accelerator.LoadKernel<ArrayView<Float4>, ArrayView<Float4>, ArrayView<BatchPlan>, ArrayView<ClusterSizes>, ViewGroup<Float4>, ViewGroup<int>, ClusterArguments>(
            GradientKernels.Weight<TTile>, Launches.Specialization);
}

/// <summary>The forward product whose result is stored, which decoding has as well: of any form of weights.</summary>
internal sealed class StoreKernels<TTile, TBlock>(Accelerator accelerator)
    where TTile : unmanaged, IRegisterTile
    where TBlock : unmanaged, IWeightBlock<TBlock>
{
    public Action<AcceleratorStream, KernelConfig, ArrayView<Float4>, ViewGroup<TBlock>, ArrayView<float>, ArrayView<BatchPlan>, ArrayView<ClusterSizes>, ArrayView<Float4>, ClusterArguments> Store =>
        field ??= accelerator.LoadKernel<ArrayView<Float4>, ViewGroup<TBlock>, ArrayView<float>, ArrayView<BatchPlan>, ArrayView<ClusterSizes>, ArrayView<Float4>, ClusterArguments>(
            ForwardKernels.Store<TTile, TBlock>, Launches.Tiles<TTile>());
}
