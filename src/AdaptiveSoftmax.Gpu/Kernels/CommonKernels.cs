using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>The kernels that do not depend on a shape, compiled for a device when first used.</summary>
internal sealed class CommonKernels(Accelerator accelerator)
{
    public Action<AcceleratorStream, KernelConfig, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<int>, int, int> FindSlots =>
        field ??= accelerator.LoadKernel<ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<int>, int, int>(BatchKernels.FindSlots, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<int>, ArrayView<PartSizes>, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<PartPlan>, ArrayView<float>, GroupArguments> GroupByCluster =>
        field ??= accelerator.LoadKernel<ArrayView<int>, ArrayView<PartSizes>, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<PartPlan>, ArrayView<float>, GroupArguments>(BatchKernels.GroupByCluster, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<PartPlan>, ArrayView<int>, ArrayView<int>, ArrayView<int>, int> MaskTargets =>
        field ??= accelerator.LoadKernel<ArrayView<PartPlan>, ArrayView<int>, ArrayView<int>, ArrayView<int>, int>(BatchKernels.MaskTargets, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<int>, ArrayView<PartPlan>, ArrayView<float>, int, int> Gather =>
        field ??= accelerator.LoadKernel<ArrayView<float>, ArrayView<int>, ArrayView<PartPlan>, ArrayView<float>, int, int>(BatchKernels.Gather, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<PartPlan>, int, int> Pad =>
        field ??= accelerator.LoadKernel<ArrayView<float>, ArrayView<float>, ArrayView<PartPlan>, int, int>(BatchKernels.Pad, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<int>, ArrayView<PartPlan>, ArrayView<float>, int> Scatter =>
        field ??= accelerator.LoadKernel<ArrayView<float>, ArrayView<int>, ArrayView<PartPlan>, ArrayView<float>, int>(BatchKernels.Scatter, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<float>> Clear =>
        field ??= accelerator.LoadKernel<ArrayView<float>>(BatchKernels.Clear, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<int>> ForgetUnknown =>
        field ??= accelerator.LoadKernel<ArrayView<int>>(BatchKernels.ForgetUnknown, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<PartPlan>, ArrayView<PartSizes>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, PartArguments> FinishReduce =>
        field ??= accelerator.LoadKernel<ArrayView<PartPlan>, ArrayView<PartSizes>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, PartArguments>(BatchKernels.FinishReduce, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<PartPlan>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int, int, float> FinishSum =>
        field ??= accelerator.LoadKernel<ArrayView<PartPlan>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int, int, float>(BatchKernels.FinishSum, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<PartPlan>, ArrayView<int>, ArrayView<float>, ArrayView<float>> ScatterLogProbs =>
        field ??= accelerator.LoadKernel<ArrayView<PartPlan>, ArrayView<int>, ArrayView<float>, ArrayView<float>>(BatchKernels.ScatterLogProbs, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<PartPlan>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, LossWeights> Loss =>
        field ??= accelerator.LoadKernel<ArrayView<PartPlan>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, LossWeights>(BatchKernels.Loss, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<PartPlan>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int, int> FinishHead =>
        field ??= accelerator.LoadKernel<ArrayView<PartPlan>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int, int>(DecodeKernels.FinishHead, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<PartPlan>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int, int, int> FinishTail =>
        field ??= accelerator.LoadKernel<ArrayView<PartPlan>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int, int, int>(DecodeKernels.FinishTail, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<PartPlan>, ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int> Select =>
        field ??= accelerator.LoadKernel<ArrayView<PartPlan>, ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int>(DecodeKernels.Select, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<int>, ArrayView<int>, ArrayView<int>, int> Identify =>
        field ??= accelerator.LoadKernel<ArrayView<int>, ArrayView<int>, ArrayView<int>, int>(DecodeKernels.Identify, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<Float4>, ArrayView<PartPlan>, ArrayView<PartSizes>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, PartArguments, LossWeights> KeptGradient =>
        field ??= accelerator.LoadKernel<ArrayView<Float4>, ArrayView<PartPlan>, ArrayView<PartSizes>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, PartArguments, LossWeights>(GradientKernels.Kept, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<Float4>, ArrayView<PartPlan>, ArrayView<PartSizes>, ArrayView<Float4>, PartArguments> AddShares =>
        field ??= accelerator.LoadKernel<ArrayView<Float4>, ArrayView<PartPlan>, ArrayView<PartSizes>, ArrayView<Float4>, PartArguments>(GradientKernels.AddShares, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<PartPlan>, ArrayView<PartSizes>, ArrayView<float>, ArrayView<int>, PartArguments> BiasGradient =>
        field ??= accelerator.LoadKernel<ArrayView<float>, ArrayView<PartPlan>, ArrayView<PartSizes>, ArrayView<float>, ArrayView<int>, PartArguments>(GradientKernels.Bias, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ViewGroup<int>, ViewGroup<int>, ArrayView<PartPlan>, int, int> MarkGradients =>
        field ??= accelerator.LoadKernel<ViewGroup<int>, ViewGroup<int>, ArrayView<PartPlan>, int, int>(UpdateKernels.MarkGradients, Launches.Specialization);
}
