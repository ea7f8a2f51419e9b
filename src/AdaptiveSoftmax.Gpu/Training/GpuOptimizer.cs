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
/// A parameter without a gradient is left as it is, and so is a frozen one; its own count of steps does not advance, as on the CPU. A step is
/// taken whole or not at all: where a gradient is not finite, or so large that its square is not, the device leaves the step
/// out and consumes the gradients. <see cref="TryStep"/> says so at once, <see cref="ReadLeftOutSteps"/> later. An optimizer
/// belongs to one thread at a time, and its parameters to one accelerator.
/// </remarks>
public sealed partial class GpuOptimizer : IDisposable
{
    private readonly Dictionary<GpuParameter, GpuOptimizerState> _states = [];
    private readonly Dictionary<GpuParameter, GpuParameterGroup> _groups = [];
    private Optimizer _rule;
    private Accelerator? _accelerator;
    private MemoryBuffer1D<int, Stride1D.Dense>? _status;

    /// <summary>Creates the optimizer.</summary>
    /// <param name="rule">The formula and its hyperparameters; its own state, if it was used on the host, is not taken over.</param>
    /// <exception cref="ArgumentException">There is no kernel for the formula, or it has groups, which are of parameters on the host.</exception>
    public GpuOptimizer(Optimizer rule)
    {
        ArgumentNullException.ThrowIfNull(rule);
        if (rule.Groups.Any())
            throw new ArgumentException($"The groups of the optimizer are of parameters on the host; take one without groups, and name those on the device to {nameof(AddGroup)}.", nameof(rule));
        _rule = Copy(rule);
    }

    /// <summary>The learning rate, PyTorch's <c>lr</c>; a schedule sets it before each step.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative or not finite.</exception>
    public double LearningRate
    {
        get => _rule.LearningRate;
        set => _rule.LearningRate = value;
    }

    /// <summary>How often a step was taken, those that were left out not counted. Waits for the device.</summary>
    public long StepCount => _rule.StepCount - ReadStatus(StepStatus.LeftOut);

    /// <summary>Whether the state is released.</summary>
    internal bool IsDisposed { get; private set; }

    /// <summary>The bytes of state on the device.</summary>
    public long StateBytes => _states.Values.Sum(state => state.Bytes);

    /// <summary>
    /// Gives some parameters settings of their own, as <see cref="Optimizer.AddGroup"/> does on the CPU, such as biases that do
    /// not decay. Checkpoints keep the groups. They need no step of their own.
    /// </summary>
    /// <param name="parameters">The parameters, which are in no other group.</param>
    /// <param name="learningRateFactor">What <see cref="LearningRate"/> is multiplied by for them.</param>
    /// <param name="weightDecay">Their weight decay; null for the optimizer's.</param>
    /// <exception cref="ArgumentException">A parameter is in a group already, or a value is out of range.</exception>
    /// <exception cref="ObjectDisposedException">The optimizer or a parameter is disposed.</exception>
    public void AddGroup(IEnumerable<GpuParameter> parameters, double learningRateFactor = 1, double? weightDecay = null)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        var group = new GpuParameterGroup([.. parameters.Distinct()], learningRateFactor, weightDecay);
        _rule.CheckGroupSettings(learningRateFactor, weightDecay);
        if (group.Parameters.FirstOrDefault(_groups.ContainsKey) is { } twice)
            throw new ArgumentException($"'{twice.Name}' is in a group already; a parameter can be in one.", nameof(parameters));
        foreach (var parameter in group.Parameters) ObjectDisposedException.ThrowIf(parameter.IsDisposed, parameter);
        foreach (var parameter in group.Parameters)
        {
            _groups.Add(parameter, group);
            Watch(parameter);
        }
    }

    /// <summary>
    /// Takes one step: moves every parameter that has a gradient, and consumes that gradient. Where a gradient is not finite,
    /// all are consumed and nothing else changes.
    /// </summary>
    /// <param name="parameters">The parameters; a repeated one is stepped once.</param>
    /// <exception cref="ArgumentException">The parameters are on several accelerators, or on another one than before.</exception>
    /// <exception cref="ObjectDisposedException">The optimizer or a parameter is disposed; nothing has changed.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory for state; nothing has changed.</exception>
    public void Step(params IReadOnlyList<GpuParameter> parameters)
    {
        Prepare(parameters);
        _rule.StepCount++;
        if (parameters.Count == 0) return;
        for (var i = 0; i < parameters.Count; i++)
        {
            if (parameters[i].RequiresGradient) Check(parameters[i]);
        }

        for (var i = 0; i < parameters.Count; i++)
        {
            if (parameters[i].RequiresGradient) Update(parameters[i], _states[parameters[i]]);
        }

        CheckKernels.Conclude(_accelerator!.DefaultStream, (1, 1), _status!.View);
    }

    /// <summary>Takes one step as <see cref="Step(IReadOnlyList{GpuParameter})"/> does. Waits for the device, to say whether it was taken.</summary>
    /// <param name="parameters">The parameters; a repeated one is stepped once.</param>
    /// <returns>Whether the step was taken; if not, the gradients are consumed and nothing else has changed.</returns>
    /// <inheritdoc cref="Step(IReadOnlyList{GpuParameter})" path="/exception"/>
    public bool TryStep(params IReadOnlyList<GpuParameter> parameters)
    {
        Step(parameters);
        return ReadStatus(StepStatus.WasLeftOut) == 0;
    }

    /// <summary>How many steps were left out since the optimizer was made or restored. Waits for the device.</summary>
    /// <exception cref="ObjectDisposedException">The optimizer is disposed.</exception>
    public long ReadLeftOutSteps()
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        return ReadStatus(StepStatus.LeftOut);
    }

    /// <summary>Releases the state. The parameters stay as they are.</summary>
    public void Dispose()
    {
        ForgetAll();
        _status?.Dispose();
        _status = null;
        _rule.Dispose();
        IsDisposed = true;
    }

    /// <summary>The steps that a parameter took part in. Waits for the device.</summary>
    internal int ReadSteps(GpuParameter parameter) => _states.TryGetValue(parameter, out var state) ? state.ReadSteps() : 0;

    /// <summary>An optimizer on the host with the same hyperparameters and no state.</summary>
    /// <exception cref="ObjectDisposedException">The optimizer is disposed.</exception>
    internal Optimizer CreateHost()
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        return Copy(_rule);
    }

    /// <summary>An optimizer on the host with the same hyperparameters and state.</summary>
    /// <exception cref="InvalidOperationException">There is state or a group of a parameter that is not among these.</exception>
    /// <exception cref="ObjectDisposedException">The optimizer is disposed.</exception>
    internal unsafe Optimizer ToHost(IReadOnlyList<GpuParameter> parameters, IReadOnlyList<Parameter> hosts)
    {
        if (_states.Keys.Concat(_groups.Keys).Except(parameters).FirstOrDefault() is { } other)
            throw new InvalidOperationException($"The optimizer has stepped '{other.Name}' or has a group of it, and it is not in the checkpoint, so the run could not be resumed from it; add the parameter.");
        var result = CreateHost();
        var hostOf = parameters.Zip(hosts).ToDictionary();
        foreach (var group in _groups.Values.Distinct())
            result.AddGroup(group.Parameters.Where(_groups.ContainsKey).Select(parameter => hostOf[parameter]), group.LearningRateFactor, group.WeightDecay);
        result.StepCount = StepCount;
        for (var i = 0; i < parameters.Count; i++)
        {
            if (!_states.TryGetValue(parameters[i], out var state)) continue;
            var steps = state.ReadSteps();
            if (steps == 0) continue;
            var host = result.GetOrCreateState(hosts[i]);
            host.Steps = steps;
            for (var buffer = 0; buffer < state.Count; buffer++) parameters[i].Download(state.Buffer(buffer), host.Buffers[buffer].Pointer);
        }

        return result;
    }

    /// <summary>
    /// Makes room for the state of an optimizer on the host, where none of its form is there already, and changes nothing else.
    /// </summary>
    /// <returns>The new state, for <see cref="FromHost"/> to take over.</returns>
    /// <exception cref="GpuMemoryException">The device has too little memory; nothing is kept.</exception>
    internal Dictionary<GpuParameter, GpuOptimizerState> Reserve(Optimizer source, IReadOnlyList<GpuParameter> parameters, IReadOnlyList<Parameter> hosts)
    {
        var reserved = new Dictionary<GpuParameter, GpuOptimizerState>();
        try
        {
            for (var i = 0; i < parameters.Count; i++)
            {
                if (source.FindState(hosts[i]) is null || (_states.TryGetValue(parameters[i], out var old) && old.Count == source.State.Count)) continue;
                reserved.Add(parameters[i], new GpuOptimizerState(parameters[i], source.State));
            }

            return reserved;
        }
        catch
        {
            foreach (var state in reserved.Values) state.Dispose();
            throw;
        }
    }

    /// <summary>Takes hyperparameters, groups and state of an optimizer on the host, for which there is room.</summary>
    internal unsafe void FromHost(
        Optimizer source, IReadOnlyList<GpuParameter> parameters, IReadOnlyList<Parameter> hosts, Dictionary<GpuParameter, GpuOptimizerState> reserved)
    {
        var rule = Copy(source);
        var states = new Dictionary<GpuParameter, GpuOptimizerState>(reserved);
        for (var i = 0; i < parameters.Count; i++)
        {
            if (source.FindState(hosts[i]) is null || states.ContainsKey(parameters[i])) continue;
            states.Add(parameters[i], _states[parameters[i]]);
            _states.Remove(parameters[i]);
        }

        ForgetAll();
        foreach (var (parameter, state) in states)
        {
            _states.Add(parameter, state);
            Watch(parameter);
        }

        var deviceOf = hosts.Zip(parameters).ToDictionary();
        foreach (var group in source.Groups)
            AddGroup(group.Parameters.Select(parameter => deviceOf[parameter]), group.LearningRateFactor, group.WeightDecay);
        _rule.Dispose();
        _rule = rule;
        _rule.StepCount = source.StepCount;
        _status?.View.CopyFromCPU(new int[StepStatus.Length]);
        for (var i = 0; i < parameters.Count; i++)
        {
            if (source.FindState(hosts[i]) is not { } host) continue;
            var state = _states[parameters[i]];
            state.SetSteps(checked((int)host.Steps));
            for (var buffer = 0; buffer < state.Count; buffer++) parameters[i].Upload(host.Buffers[buffer].Pointer, state.Buffer(buffer));
            if (_rule is not AdamW adam) continue;
            float[] corrections = [(float)(1 - Math.Pow(adam.Beta1, host.Steps)), (float)(1 - Math.Pow(adam.Beta2, host.Steps))];
            state.Corrections.CopyFromCPU(parameters[i].Accelerator.DefaultStream, corrections);
        }
    }

    /// <summary>Refuses what there is no kernel for.</summary>
    /// <exception cref="ArgumentException">It is another optimizer.</exception>
    internal static void CheckRule(Optimizer rule)
    {
        if (rule is not (Sgd or Adagrad or AdamW))
            throw new ArgumentException($"There is no kernel for the optimizer {rule.GetType().Name}; use Sgd, Adagrad or AdamW.", nameof(rule));
    }

    private static Optimizer Copy(Optimizer rule)
    {
        CheckRule(rule);
        return rule.CreateNew();
    }

    private GpuOptimizerState GetOrCreateState(GpuParameter parameter)
    {
        if (_states.TryGetValue(parameter, out var state)) return state;
        state = new GpuOptimizerState(parameter, _rule.State);
        _states.Add(parameter, state);
        Watch(parameter);
        return state;
    }

    // Everything that can fail comes before the first launch: disposed parameters, and too little memory for state.
    private void Prepare(IReadOnlyList<GpuParameter> parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        for (var i = 0; i < parameters.Count; i++)
        {
            ArgumentNullException.ThrowIfNull(parameters[i]);
            ObjectDisposedException.ThrowIf(parameters[i].IsDisposed, parameters[i]);
            var expected = _accelerator ?? parameters[0].Accelerator;
            if (parameters[i].Accelerator != expected)
                throw new ArgumentException($"'{parameters[i].Name}' is on '{parameters[i].Accelerator.Name}' and the optimizer's parameters are on another accelerator, '{expected.Name}'; use an optimizer for each.", nameof(parameters));
        }

        if (parameters.Count == 0) return;
        for (var i = 0; i < parameters.Count; i++)
        {
            if (!parameters[i].RequiresGradient) continue;
            GetOrCreateState(parameters[i]);
            _ = parameters[i].Gradient;
        }

        _accelerator = parameters[0].Accelerator;
        _status ??= DeviceMemory.AllocateZeros<int>(_accelerator, StepStatus.Length, "the status of an optimizer's steps");
    }

    // What is remembered of a parameter that is gone would stay on the device for nothing.
    private void Watch(GpuParameter parameter)
    {
        parameter.Disposed -= Forget;
        parameter.Disposed += Forget;
    }

    private void Forget(GpuParameter parameter)
    {
        parameter.Disposed -= Forget;
        _groups.Remove(parameter);
        if (_states.Remove(parameter, out var state)) state.Dispose();
    }

    private void ForgetAll()
    {
        foreach (var parameter in _states.Keys.Union(_groups.Keys).ToArray()) Forget(parameter);
    }

    private int ReadStatus(int index)
    {
        if (_status is null) return 0;
        var status = new int[StepStatus.Length];
        _status.View.AsContiguous().CopyToCPU(_accelerator!.DefaultStream, status);
        return status[index];
    }
}
