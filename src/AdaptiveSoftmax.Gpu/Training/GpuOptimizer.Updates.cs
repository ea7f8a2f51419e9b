using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;

namespace AdaptiveSoftmax.Gpu;

// The launches of a step.
public sealed partial class GpuOptimizer
{
    private GradientCheckKernels CheckKernels => KernelCache.Get(_accelerator!, accelerator => new GradientCheckKernels(accelerator));

    private UpdateArguments GetArguments(GpuParameter parameter)
    {
        var group = _groups.GetValueOrDefault(parameter);
        var arguments = new UpdateArguments { Rate = (float)(_rule.LearningRate * (group?.LearningRateFactor ?? 1)) };
        switch (_rule)
        {
            case Sgd sgd:
                arguments.WeightDecay = (float)(group?.WeightDecay ?? sgd.WeightDecay);
                arguments.Momentum = (float)sgd.Momentum;
                arguments.Fresh = (float)(1 - sgd.Dampening);
                arguments.Nesterov = sgd.Nesterov ? 1 : 0;
                break;
            case Adagrad adagrad:
                arguments.RateDecay = (float)adagrad.LearningRateDecay;
                arguments.WeightDecay = (float)(group?.WeightDecay ?? adagrad.WeightDecay);
                arguments.Epsilon = (float)adagrad.Epsilon;
                break;
            case AdamW adam:
                arguments.WeightDecay = (float)(group?.WeightDecay ?? adam.WeightDecay);
                arguments.Epsilon = (float)adam.Epsilon;
                arguments.FreshMean = (float)(1 - adam.Beta1);
                arguments.OldSquare = (float)adam.Beta2;
                arguments.FreshSquare = (float)(1 - adam.Beta2);
                break;
        }

        return arguments;
    }

    private void Check(GpuParameter parameter)
    {
        var stream = parameter.Accelerator.DefaultStream;
        var launch = Launches.Threads(parameter.Accelerator, parameter.PaddedCount);
        if (parameter.TouchedRows is { } touched)
            CheckKernels.CheckTouched(stream, launch, new RowUpdateKernels.Rows(touched.Rows, touched.Count, parameter.Stride), parameter.Gradient, _status!.View);
        else
            CheckKernels.CheckAll(stream, launch, parameter.Gradient, parameter.State, _status!.View);
    }

    private void Update(GpuParameter parameter, GpuOptimizerState state)
    {
        var arguments = GetArguments(parameter);
        var device = parameter.Accelerator;
        var kernels = KernelCache.Get(device, accelerator => new OptimizerKernels(accelerator));
        var stream = device.DefaultStream;
        var launch = Launches.Threads(device, parameter.PaddedCount);
        kernels.Advance(stream, (1, 1), parameter.State, parameter.TouchedRows?.Count ?? parameter.State, _status!.View, state.Counts, state.Corrections, arguments);
        if (parameter.TouchedRows is { } touched)
        {
            UpdateRows(parameter, touched, state, launch, arguments);
            touched.Clear(parameter.Gradient, parameter.Stride);
        }
        else
        {
            UpdateAll(kernels, parameter, state, launch, arguments);
        }

        kernels.Finish(stream, (1, 1), parameter.State);
        parameter.SteppedBy = this;
    }

    private void UpdateAll(OptimizerKernels kernels, GpuParameter parameter, GpuOptimizerState state, KernelConfig launch, UpdateArguments arguments)
    {
        var stream = parameter.Accelerator.DefaultStream;
        switch (_rule)
        {
            case Sgd { Momentum: 0 }:
                kernels.Sgd(stream, launch, parameter.Values, parameter.Gradient, state.Counts, arguments);
                break;
            case Sgd:
                kernels.Momentum(stream, launch, parameter.Values, parameter.Gradient, state.Counts, state.Buffer(0), arguments);
                break;
            case Adagrad:
                kernels.Adagrad(stream, launch, parameter.Values, parameter.Gradient, state.Counts, state.Buffer(0), arguments);
                break;
            default:
                kernels.AdamW(stream, launch, parameter.Values, parameter.Gradient, state.Counts, state.Buffer(0), state.Buffer(1), state.Corrections, arguments);
                break;
        }
    }

    private void UpdateRows(GpuParameter parameter, TouchedRows touched, GpuOptimizerState state, KernelConfig launch, UpdateArguments arguments)
    {
        var kernels = KernelCache.Get(parameter.Accelerator, accelerator => new RowUpdateKernels(accelerator));
        var stream = parameter.Accelerator.DefaultStream;
        var rows = new RowUpdateKernels.Rows(touched.Rows, state.MovedRows, parameter.Stride);
        switch (_rule)
        {
            case Sgd { Momentum: 0 }:
                kernels.Sgd(stream, launch, rows, parameter.Values, parameter.Gradient, arguments);
                break;
            case Sgd:
                kernels.Momentum(stream, launch, rows, parameter.Values, parameter.Gradient, state.Counts, state.Buffer(0), arguments);
                break;
            case Adagrad:
                kernels.Adagrad(stream, launch, rows, parameter.Values, parameter.Gradient, state.Counts, state.Buffer(0), arguments);
                break;
            default:
                kernels.AdamW(stream, launch, rows, parameter.Values, parameter.Gradient, state.Buffer(0), state.Buffer(1), state.Corrections, arguments);
                break;
        }
    }
}
