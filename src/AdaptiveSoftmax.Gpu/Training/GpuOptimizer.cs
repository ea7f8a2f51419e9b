using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// Steps parameters on a device by the formula of an <see cref="Optimizer"/>: <see cref="Sgd"/>, <see cref="Adagrad"/> or
/// <see cref="AdamW"/>. One kernel a parameter reads values, gradient and state once, of a row-sparse gradient only the
/// touched rows; nothing waits for the device.
/// </summary>
/// <remarks>
/// A parameter without a gradient is left as it is, and its own count of steps does not advance, as on the CPU. An
/// optimizer belongs to one thread at a time.
/// </remarks>
public sealed class GpuOptimizer : IDisposable
{
    private readonly Dictionary<GpuParameter, GpuOptimizerState> _states = [];
    private Optimizer _rule;
    private bool _disposed;

    /// <summary>Creates the optimizer.</summary>
    /// <param name="rule">The formula and its hyperparameters; its own state, if it was used on the host, is not taken over.</param>
    public GpuOptimizer(Optimizer rule)
    {
        ArgumentNullException.ThrowIfNull(rule);
        _rule = Copy(rule);
    }

    /// <summary>The learning rate, PyTorch's <c>lr</c>; a schedule sets it before each step.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative or not finite.</exception>
    public double LearningRate
    {
        get => _rule.LearningRate;
        set => _rule.LearningRate = value;
    }

    /// <summary>How often a step was taken.</summary>
    public long StepCount => _rule.StepCount;

    /// <summary>The bytes of state on the device.</summary>
    public long StateBytes => _states.Values.Sum(state => state.Bytes);

    /// <summary>Takes one step: moves every parameter that has a gradient, and consumes that gradient.</summary>
    /// <param name="parameters">The parameters; a repeated one is stepped once.</param>
    /// <exception cref="ObjectDisposedException">The optimizer or a parameter is disposed.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory for state.</exception>
    public void Step(params IReadOnlyList<GpuParameter> parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ObjectDisposedException.ThrowIf(_disposed, this);

        // State is allocated for all before the first value moves, so that running out of memory leaves no half step.
        for (var i = 0; i < parameters.Count; i++) GetOrCreateState(parameters[i]);
        _rule.StepCount++;
        var arguments = GetArguments();
        for (var i = 0; i < parameters.Count; i++) Update(parameters[i], _states[parameters[i]], arguments);
    }

    /// <summary>Releases the state. The parameters stay as they are.</summary>
    public void Dispose()
    {
        foreach (var state in _states.Values) state.Dispose();
        _states.Clear();
        _rule.Dispose();
        _disposed = true;
    }

    /// <summary>An optimizer on the host with the same hyperparameters and no state.</summary>
    internal Optimizer CreateHost() => Copy(_rule);

    /// <summary>An optimizer on the host with the same hyperparameters and state.</summary>
    internal unsafe Optimizer ToHost(IReadOnlyList<GpuParameter> parameters, IReadOnlyList<Parameter> hosts)
    {
        var result = Copy(_rule);
        result.StepCount = _rule.StepCount;
        for (var i = 0; i < parameters.Count; i++)
        {
            if (!_states.TryGetValue(parameters[i], out var state)) continue;
            var steps = parameters[i].ReadState()[ParameterState.Steps];
            if (steps == 0) continue;
            var host = result.GetOrCreateState(hosts[i]);
            host.Steps = steps;
            for (var buffer = 0; buffer < state.Count; buffer++) parameters[i].Download(state.Buffer(buffer), host.Buffers[buffer].Pointer);
        }

        return result;
    }

    /// <summary>Takes hyperparameters and state of an optimizer on the host.</summary>
    internal unsafe void FromHost(Optimizer source, IReadOnlyList<GpuParameter> parameters, IReadOnlyList<Parameter> hosts)
    {
        var rule = Copy(source);
        foreach (var state in _states.Values) state.Dispose();
        _states.Clear();
        _rule.Dispose();
        _rule = rule;
        _rule.StepCount = source.StepCount;
        for (var i = 0; i < parameters.Count; i++)
        {
            parameters[i].ResetState(0);
            if (source.FindState(hosts[i]) is not { } host) continue;
            var state = GetOrCreateState(parameters[i]);
            parameters[i].ResetState(checked((int)host.Steps));
            for (var buffer = 0; buffer < state.Count; buffer++) parameters[i].Upload(host.Buffers[buffer].Pointer, state.Buffer(buffer));
            if (_rule is not AdamW adam) continue;
            float[] corrections = [(float)(1 - Math.Pow(adam.Beta1, host.Steps)), (float)(1 - Math.Pow(adam.Beta2, host.Steps))];
            state.Corrections.CopyFromCPU(parameters[i].Accelerator.DefaultStream, corrections);
        }
    }

    private static Optimizer Copy(Optimizer rule)
    {
        if (rule is not (Sgd or Adagrad or AdamW))
            throw new ArgumentException($"There is no kernel for the optimizer {rule.GetType().Name}; use Sgd, Adagrad or AdamW.", nameof(rule));
        if (rule.Groups.Any())
            throw new ArgumentException("A device steps all of its parameters by the same settings; take an optimizer without groups.", nameof(rule));
        return rule.CreateNew();
    }

    private GpuOptimizerState GetOrCreateState(GpuParameter parameter)
    {
        if (_states.TryGetValue(parameter, out var state)) return state;
        state = new GpuOptimizerState(parameter, _rule.State);
        _states.Add(parameter, state);
        parameter.ForgetSteps();
        return state;
    }

    private UpdateArguments GetArguments()
    {
        var arguments = new UpdateArguments { Rate = (float)_rule.LearningRate };
        switch (_rule)
        {
            case Sgd sgd:
                arguments.WeightDecay = (float)sgd.WeightDecay;
                arguments.Momentum = (float)sgd.Momentum;
                arguments.Fresh = (float)(1 - sgd.Dampening);
                arguments.Nesterov = sgd.Nesterov ? 1 : 0;
                break;
            case Adagrad adagrad:
                arguments.RateDecay = (float)adagrad.LearningRateDecay;
                arguments.WeightDecay = (float)adagrad.WeightDecay;
                arguments.Epsilon = (float)adagrad.Epsilon;
                break;
            case AdamW adam:
                arguments.WeightDecay = (float)adam.WeightDecay;
                arguments.Epsilon = (float)adam.Epsilon;
                arguments.FreshMean = (float)(1 - adam.Beta1);
                arguments.OldSquare = (float)adam.Beta2;
                arguments.FreshSquare = (float)(1 - adam.Beta2);
                break;
        }

        return arguments;
    }

    private void Update(GpuParameter parameter, GpuOptimizerState state, UpdateArguments arguments)
    {
        var device = parameter.Accelerator;
        var kernels = KernelCache.Get(device, accelerator => new OptimizerKernels(accelerator));
        var stream = device.DefaultStream;
        var launch = Launches.Threads(device, parameter.PaddedCount);
        kernels.Advance(stream, (1, 1), parameter.State, state.Corrections, arguments);
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
    }

    private void UpdateAll(OptimizerKernels kernels, GpuParameter parameter, GpuOptimizerState state, KernelConfig launch, UpdateArguments arguments)
    {
        var stream = parameter.Accelerator.DefaultStream;
        switch (_rule)
        {
            case Sgd { Momentum: 0 }:
                kernels.Sgd(stream, launch, parameter.Values, parameter.Gradient, parameter.State, arguments);
                break;
            case Sgd:
                kernels.Momentum(stream, launch, parameter.Values, parameter.Gradient, parameter.State, state.Buffer(0), arguments);
                break;
            case Adagrad:
                kernels.Adagrad(stream, launch, parameter.Values, parameter.Gradient, parameter.State, state.Buffer(0), arguments);
                break;
            default:
                kernels.AdamW(stream, launch, parameter.Values, parameter.Gradient, parameter.State, state.Buffer(0), state.Buffer(1), state.Corrections, arguments);
                break;
        }
    }

    private void UpdateRows(GpuParameter parameter, TouchedRows touched, GpuOptimizerState state, KernelConfig launch, UpdateArguments arguments)
    {
        var kernels = KernelCache.Get(parameter.Accelerator, accelerator => new RowUpdateKernels(accelerator));
        var stream = parameter.Accelerator.DefaultStream;
        var rows = new RowUpdateKernels.Rows(touched.Rows, touched.Count, parameter.Stride);
        switch (_rule)
        {
            case Sgd { Momentum: 0 }:
                kernels.Sgd(stream, launch, rows, parameter.Values, parameter.Gradient, arguments);
                break;
            case Sgd:
                kernels.Momentum(stream, launch, rows, parameter.Values, parameter.Gradient, parameter.State, state.Buffer(0), arguments);
                break;
            case Adagrad:
                kernels.Adagrad(stream, launch, rows, parameter.Values, parameter.Gradient, parameter.State, state.Buffer(0), arguments);
                break;
            default:
                kernels.AdamW(stream, launch, rows, parameter.Values, parameter.Gradient, state.Buffer(0), state.Buffer(1), state.Corrections, arguments);
                break;
        }
    }
}
