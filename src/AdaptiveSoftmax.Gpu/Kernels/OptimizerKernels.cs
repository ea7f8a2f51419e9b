using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>The optimizers' kernels, compiled for a device when first used.</summary>
internal sealed class OptimizerKernels(Accelerator accelerator)
{
    public Action<AcceleratorStream, KernelConfig, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<float>, UpdateArguments> Advance =>
        field ??= accelerator.LoadKernel<ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<float>, UpdateArguments>(UpdateKernels.Advance, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<int>> Finish =>
        field ??= accelerator.LoadKernel<ArrayView<int>>(UpdateKernels.Finish, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<int>, UpdateArguments> Sgd =>
        field ??= accelerator.LoadKernel<ArrayView<float>, ArrayView<float>, ArrayView<int>, UpdateArguments>(UpdateKernels.Sgd, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, UpdateArguments> Momentum =>
        field ??= accelerator.LoadKernel<ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, UpdateArguments>(UpdateKernels.Momentum, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, UpdateArguments> Adagrad =>
        field ??= accelerator.LoadKernel<ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, UpdateArguments>(UpdateKernels.Adagrad, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, UpdateArguments> AdamW =>
        field ??= accelerator.LoadKernel<ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, UpdateArguments>(UpdateKernels.AdamW, Launches.Specialization);
}
