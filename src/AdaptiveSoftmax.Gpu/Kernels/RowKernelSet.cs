using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>The kernels over rows of scores, compiled for a device when first used.</summary>
internal sealed class RowKernelSet(Accelerator accelerator)
{
    public Action<AcceleratorStream, KernelConfig, ArrayView<Float4>, ArrayView<ClusterSizes>, ArrayView<float>, ArrayView<RowRequest>, ArrayView<int>, ArrayView<float>, ArrayView<RowStatus>, RowArguments> Write =>
        field ??= accelerator.LoadKernel<ArrayView<Float4>, ArrayView<ClusterSizes>, ArrayView<float>, ArrayView<RowRequest>, ArrayView<int>, ArrayView<float>, ArrayView<RowStatus>, RowArguments>(RowScores.Write, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<ClusterSizes>, ArrayView<RowShift>, ArrayView<float>, int, int> Shift =>
        field ??= accelerator.LoadKernel<ArrayView<float>, ArrayView<ClusterSizes>, ArrayView<RowShift>, ArrayView<float>, int, int>(RowScores.Shift, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<Float4>, ArrayView<ClusterSizes>, ArrayView<RowRequest>, ArrayView<RowMasses>, RowArguments> Weigh =>
        field ??= accelerator.LoadKernel<ArrayView<Float4>, ArrayView<ClusterSizes>, ArrayView<RowRequest>, ArrayView<RowMasses>, RowArguments>(RowMassKernels.Weigh, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<Float4>, ArrayView<ClusterSizes>, ArrayView<RowRequest>, ArrayView<RowMasses>, ArrayView<long>, RowArguments> Spread =>
        field ??= accelerator.LoadKernel<ArrayView<Float4>, ArrayView<ClusterSizes>, ArrayView<RowRequest>, ArrayView<RowMasses>, ArrayView<long>, RowArguments>(RowMassKernels.Spread, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<Float4>, ArrayView<ClusterSizes>, ArrayView<RowRequest>, ArrayView<RowToken>, ArrayView<int>, RowArguments> Select =>
        field ??= accelerator.LoadKernel<ArrayView<Float4>, ArrayView<ClusterSizes>, ArrayView<RowRequest>, ArrayView<RowToken>, ArrayView<int>, RowArguments>(RowSelectKernels.Select, Launches.Specialization);
}
