using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>The kernels that do not depend on a shape, compiled for a device when first used.</summary>
internal sealed class CommonKernels(Accelerator accelerator)
{
    public Action<AcceleratorStream, KernelConfig, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<int>, int, int> FindSlots =>
        field ??= accelerator.LoadKernel<ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<int>, int, int>(BatchKernels.FindSlots, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<int>, ArrayView<ClusterSizes>, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<BatchPlan>, GroupArguments> GroupByCluster =>
        field ??= accelerator.LoadKernel<ArrayView<int>, ArrayView<ClusterSizes>, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<BatchPlan>, GroupArguments>(BatchKernels.GroupByCluster, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<BatchPlan>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, WeightArguments> WeighTokens =>
        field ??= accelerator.LoadKernel<ArrayView<BatchPlan>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, WeightArguments>(BatchKernels.WeighTokens, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<int>, ArrayView<BatchPlan>, ArrayView<float>, int, int> Gather =>
        field ??= accelerator.LoadKernel<ArrayView<float>, ArrayView<int>, ArrayView<BatchPlan>, ArrayView<float>, int, int>(BatchKernels.Gather, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<BatchPlan>, int, int> Pad =>
        field ??= accelerator.LoadKernel<ArrayView<float>, ArrayView<float>, ArrayView<BatchPlan>, int, int>(BatchKernels.Pad, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<int>, ArrayView<float>, int> Scatter =>
        field ??= accelerator.LoadKernel<ArrayView<float>, ArrayView<int>, ArrayView<float>, int>(BatchKernels.Scatter, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<float>> Clear =>
        field ??= accelerator.LoadKernel<ArrayView<float>>(BatchKernels.Clear, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<int>, ArrayView<float>, ArrayView<float>> ScatterLogProbs =>
        field ??= accelerator.LoadKernel<ArrayView<int>, ArrayView<float>, ArrayView<float>>(BatchKernels.ScatterLogProbs, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, LossWeights> ScatterLosses =>
        field ??= accelerator.LoadKernel<ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, LossWeights>(BatchKernels.ScatterLosses, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<BatchPlan>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, LossWeights, int> Loss =>
        field ??= accelerator.LoadKernel<ArrayView<BatchPlan>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, LossWeights, int>(BatchKernels.Loss, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<BatchPlan>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int, int> FinishHead =>
        field ??= accelerator.LoadKernel<ArrayView<BatchPlan>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int, int>(DecodeKernels.FinishHead, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<BatchPlan>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int, int, int> FinishTail =>
        field ??= accelerator.LoadKernel<ArrayView<BatchPlan>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int, int, int>(DecodeKernels.FinishTail, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<BatchPlan>, ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int> Select =>
        field ??= accelerator.LoadKernel<ArrayView<BatchPlan>, ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int>(DecodeKernels.Select, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<int>, ArrayView<int>, ArrayView<int>, int> Identify =>
        field ??= accelerator.LoadKernel<ArrayView<int>, ArrayView<int>, ArrayView<int>, int>(DecodeKernels.Identify, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int, int> SumStrips =>
        field ??= accelerator.LoadKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int, int>(DecodeKernels.SumStrips, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<int>, ArrayView<float>, int> EraseFaults =>
        field ??= accelerator.LoadKernel<ArrayView<int>, ArrayView<float>, int>(DecodeKernels.EraseFaults, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<Float4>, ArrayView<BatchPlan>, ArrayView<ClusterSizes>, ArrayView<int>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ClusterArguments, LogitArguments> Softmax =>
        field ??= accelerator.LoadKernel<ArrayView<Float4>, ArrayView<BatchPlan>, ArrayView<ClusterSizes>, ArrayView<int>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ClusterArguments, LogitArguments>(LogitKernels.Softmax, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<Float4>, ArrayView<BatchPlan>, ArrayView<ClusterSizes>, ArrayView<Float4>, ClusterArguments> AddSplits =>
        field ??= accelerator.LoadKernel<ArrayView<Float4>, ArrayView<BatchPlan>, ArrayView<ClusterSizes>, ArrayView<Float4>, ClusterArguments>(GradientKernels.AddSplits, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<BatchPlan>, ArrayView<ClusterSizes>, ArrayView<float>, ArrayView<int>, ClusterArguments> BiasGradient =>
        field ??= accelerator.LoadKernel<ArrayView<float>, ArrayView<BatchPlan>, ArrayView<ClusterSizes>, ArrayView<float>, ArrayView<int>, ClusterArguments>(GradientKernels.Bias, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ViewGroup<int>, ViewGroup<int>, ArrayView<BatchPlan>, int, int, int, int> MarkGradients =>
        field ??= accelerator.LoadKernel<ViewGroup<int>, ViewGroup<int>, ArrayView<BatchPlan>, int, int, int, int>(UpdateKernels.MarkGradients, Launches.Specialization);
}
