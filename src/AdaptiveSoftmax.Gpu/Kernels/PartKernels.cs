using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// The products of training and of a model's body, with one or more parts a launch, compiled for a device when first used.
/// Their sizes come from a table on the device: as constants they would save a dozen instructions of thousands, no
/// register, and have each shape compiled.
/// </summary>
internal sealed class PartKernels<TTile>(Accelerator accelerator)
    where TTile : unmanaged, IRegisterTile
{
    public Action<AcceleratorStream, KernelConfig, ArrayView<Float4>, ViewGroup<Float4>, ArrayView<float>, ArrayView<PartPlan>, ArrayView<PartSizes>, ArrayView<Float4>, PartArguments> Store =>
        field ??= accelerator.LoadKernel<ArrayView<Float4>, ViewGroup<Float4>, ArrayView<float>, ArrayView<PartPlan>, ArrayView<PartSizes>, ArrayView<Float4>, PartArguments>(
            ForwardKernels.Store<TTile>, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<Float4>, ViewGroup<Float4>, ArrayView<float>, ArrayView<PartPlan>, ArrayView<PartSizes>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<Float4>, PartArguments> Reduce =>
        field ??= accelerator.LoadKernel<ArrayView<Float4>, ViewGroup<Float4>, ArrayView<float>, ArrayView<PartPlan>, ArrayView<PartSizes>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<Float4>, PartArguments>(
            LogitKernels.Reduce<TTile>, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<Float4>, ViewGroup<Float4>, ArrayView<float>, ArrayView<PartPlan>, ArrayView<PartSizes>, ArrayView<float>, ArrayView<float>, PartArguments> Sum =>
        field ??= accelerator.LoadKernel<ArrayView<Float4>, ViewGroup<Float4>, ArrayView<float>, ArrayView<PartPlan>, ArrayView<PartSizes>, ArrayView<float>, ArrayView<float>, PartArguments>(
            LogitKernels.Sum<TTile>, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<Float4>, ViewGroup<Float4>, ArrayView<float>, ArrayView<PartPlan>, ArrayView<PartSizes>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<Float4>, PartArguments, LossWeights> LogitGradient =>
        field ??= accelerator.LoadKernel<ArrayView<Float4>, ViewGroup<Float4>, ArrayView<float>, ArrayView<PartPlan>, ArrayView<PartSizes>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<Float4>, PartArguments, LossWeights>(
            GradientKernels.Logits<TTile>, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<Float4>, ViewGroup<Float4>, ArrayView<PartPlan>, ArrayView<PartSizes>, ArrayView<Float4>, ArrayView<Float4>, PartArguments> InputGradient =>
        field ??= accelerator.LoadKernel<ArrayView<Float4>, ViewGroup<Float4>, ArrayView<PartPlan>, ArrayView<PartSizes>, ArrayView<Float4>, ArrayView<Float4>, PartArguments>(
            GradientKernels.Input<TTile>, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<Float4>, ArrayView<Float4>, ArrayView<PartPlan>, ArrayView<PartSizes>, ViewGroup<Float4>, ViewGroup<int>, PartArguments> WeightGradient =>
        field ??= accelerator.LoadKernel<ArrayView<Float4>, ArrayView<Float4>, ArrayView<PartPlan>, ArrayView<PartSizes>, ViewGroup<Float4>, ViewGroup<int>, PartArguments>(
            GradientKernels.Weight<TTile>, Launches.Specialization);
}
