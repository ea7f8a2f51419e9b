using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>The products with one weight, compiled for a device when first used.</summary>
internal sealed class LinearKernels<TShape, TTile>(Accelerator accelerator)
    where TShape : unmanaged, IMatrixShape
    where TTile : unmanaged, IRegisterTile
{
    public Action<AcceleratorStream, KernelConfig, TShape, ArrayView<Float4>, ArrayView<Float4>, ArrayView<float>, ArrayView<PartPlan>, ArrayView<Float4>, ProductArguments> Store =>
        field ??= accelerator.LoadKernel<TShape, ArrayView<Float4>, ArrayView<Float4>, ArrayView<float>, ArrayView<PartPlan>, ArrayView<Float4>, ProductArguments>(
            ForwardKernels.Store<TShape, TTile>, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, TShape, ArrayView<Float4>, ArrayView<Float4>, ArrayView<float>, ArrayView<PartPlan>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ProductArguments, int, int> LogProbs =>
        field ??= accelerator.LoadKernel<TShape, ArrayView<Float4>, ArrayView<Float4>, ArrayView<float>, ArrayView<PartPlan>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ProductArguments, int, int>(
            ForwardKernels.LogProbs<TShape, TTile>, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, TShape, ArrayView<Float4>, ArrayView<Float4>, ArrayView<float>, ArrayView<PartPlan>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ProductArguments> Best =>
        field ??= accelerator.LoadKernel<TShape, ArrayView<Float4>, ArrayView<Float4>, ArrayView<float>, ArrayView<PartPlan>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ProductArguments>(
            DecodeKernels.Best<TShape, TTile>, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, TShape, ArrayView<Float4>, ArrayView<Float4>, ArrayView<float>, ArrayView<PartPlan>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<Float4>, ProductArguments> Reduce =>
        field ??= accelerator.LoadKernel<TShape, ArrayView<Float4>, ArrayView<Float4>, ArrayView<float>, ArrayView<PartPlan>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<Float4>, ProductArguments>(
            LogitKernels.Reduce<TShape, TTile>, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, TShape, ArrayView<Float4>, ArrayView<Float4>, ArrayView<float>, ArrayView<PartPlan>, ArrayView<float>, ArrayView<float>, ProductArguments> Sum =>
        field ??= accelerator.LoadKernel<TShape, ArrayView<Float4>, ArrayView<Float4>, ArrayView<float>, ArrayView<PartPlan>, ArrayView<float>, ArrayView<float>, ProductArguments>(
            LogitKernels.Sum<TShape, TTile>, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, TShape, ArrayView<Float4>, ArrayView<Float4>, ArrayView<float>, ArrayView<PartPlan>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<Float4>, ProductArguments, LossWeights> LogitGradient =>
        field ??= accelerator.LoadKernel<TShape, ArrayView<Float4>, ArrayView<Float4>, ArrayView<float>, ArrayView<PartPlan>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<Float4>, ProductArguments, LossWeights>(
            GradientKernels.Logits<TShape, TTile>, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, TShape, ArrayView<Float4>, ArrayView<Float4>, ArrayView<PartPlan>, ArrayView<Float4>, ArrayView<Float4>, ProductArguments> InputGradient =>
        field ??= accelerator.LoadKernel<TShape, ArrayView<Float4>, ArrayView<Float4>, ArrayView<PartPlan>, ArrayView<Float4>, ArrayView<Float4>, ProductArguments>(
            GradientKernels.Input<TShape, TTile>, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, TShape, ArrayView<Float4>, ArrayView<PartPlan>, ArrayView<Float4>, ProductArguments> AddShares =>
        field ??= accelerator.LoadKernel<TShape, ArrayView<Float4>, ArrayView<PartPlan>, ArrayView<Float4>, ProductArguments>(GradientKernels.AddShares, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, TShape, ArrayView<Float4>, ArrayView<Float4>, ArrayView<PartPlan>, ArrayView<Float4>, ArrayView<int>, ProductArguments> WeightGradient =>
        field ??= accelerator.LoadKernel<TShape, ArrayView<Float4>, ArrayView<Float4>, ArrayView<PartPlan>, ArrayView<Float4>, ArrayView<int>, ProductArguments>(
            GradientKernels.Weight<TShape, TTile>, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, TShape, ArrayView<float>, ArrayView<PartPlan>, ArrayView<float>, ArrayView<int>, ProductArguments> BiasGradient =>
        field ??= accelerator.LoadKernel<TShape, ArrayView<float>, ArrayView<PartPlan>, ArrayView<float>, ArrayView<int>, ProductArguments>(GradientKernels.Bias, Launches.Specialization);
}
