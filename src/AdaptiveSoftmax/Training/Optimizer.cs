using System.Globalization;

namespace AdaptiveSoftmax;

/// <summary>
/// Moves parameters along their gradients: <see cref="Sgd"/>, <see cref="Adagrad"/> or <see cref="AdamW"/>.
/// </summary>
/// <remarks>
/// A step reads values, gradient and state once, and writes values, state and a zero gradient in the same pass, so no
/// separate call clears gradients. A parameter without a gradient is left as it is, weight decay included, as PyTorch
/// leaves a parameter whose <c>grad</c> is None; its own count of steps, which bias correction and learning-rate decay
/// use, does not advance. Of a row-sparse parameter only the touched rows of values and state change, in ascending
/// order. The bits of the result do not depend on the number of threads.
/// An optimizer belongs to one thread at a time.
/// </remarks>
public abstract class Optimizer : IDisposable
{
    private Dictionary<Parameter, OptimizerState> _states = [];
    private readonly List<Parameter> _pending = [];

    private protected Optimizer(double learningRate) => LearningRate = learningRate;

    /// <summary>The learning rate, PyTorch's <c>lr</c>; a schedule sets it before each step.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative or not finite.</exception>
    public double LearningRate
    {
        get;
        set
        {
            CheckNotNegative(value, nameof(LearningRate));
            field = value;
        }
    }

    /// <summary>The number of threads of a step, the caller's included; all processors at first. It changes no bit.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is below 1.</exception>
    public int Threads
    {
        get;
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            field = value;
        }
    } = Environment.ProcessorCount;

    /// <summary>How often a step was taken.</summary>
    public long StepCount { get; internal set; }

    /// <summary>Whether the state is released.</summary>
    internal bool IsDisposed { get; private set; }

    /// <summary>The name of the formula in a checkpoint.</summary>
    internal abstract string Kind { get; }

    /// <summary>PyTorch's names of the state buffers, in the order of <see cref="OptimizerState.Buffers"/>.</summary>
    internal abstract IReadOnlyList<string> StateNames { get; }

    /// <summary>The value that a new state buffer holds.</summary>
    private protected virtual float InitialState => 0;

    /// <summary>Takes one step: moves every parameter that has a gradient, and consumes that gradient.</summary>
    /// <param name="parameters">The parameters; the order makes no difference, and a repeated one is stepped once.</param>
    /// <exception cref="NotFiniteNumberException">
    /// A gradient is not finite, or so large that its square is not: the step would destroy weights or state. Nothing was
    /// changed, and the gradients are still there.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The optimizer or a parameter is disposed.</exception>
    public void Step(params IEnumerable<Parameter> parameters)
    {
        if (Prepare(parameters) is { } fault) throw GradientCheck.CreateFault(fault, "the step would destroy weights");
        Move();
    }

    /// <summary>
    /// Takes one step, as <see cref="Step(IEnumerable{Parameter})"/> does, unless a gradient is not finite. Then all of the
    /// gradients are set to zero and nothing else changes: the batch is left out.
    /// </summary>
    /// <param name="parameters">The parameters; the order makes no difference, and a repeated one is stepped once.</param>
    /// <returns>Whether the step was taken.</returns>
    /// <exception cref="ObjectDisposedException">The optimizer or a parameter is disposed.</exception>
    public bool TryStep(params IEnumerable<Parameter> parameters)
    {
        if (Prepare(parameters) is null)
        {
            Move();
            return true;
        }

        foreach (var parameter in _pending) parameter.ZeroGradient();
        _pending.Clear();
        return false;
    }

    /// <summary>Releases the state. The parameters stay as they are.</summary>
    public void Dispose()
    {
        foreach (var state in _states.Values) state.Dispose();
        _states.Clear();
        IsDisposed = true;
        GC.SuppressFinalize(this);
    }

    // Everything that can fail comes before the first value moves: disposed parameters, gradients that are not finite, too
    // little memory for state.
    private Parameter? Prepare(IEnumerable<Parameter> parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        _pending.Clear();
        foreach (var parameter in parameters)
        {
            ObjectDisposedException.ThrowIf(parameter.IsDisposed, parameter);
            if (parameter.HasGradient) _pending.Add(parameter);
        }

        if (GradientCheck.FindFault(_pending, Threads) is { } fault) return fault;
        foreach (var parameter in _pending) GetOrCreateState(parameter);
        return null;
    }

    private void Move()
    {
        StepCount++;
        foreach (var parameter in _pending)
        {
            // A repeated parameter has no gradient any more.
            if (!parameter.HasGradient) continue;
            var state = _states[parameter];
            state.Steps++;
            Update(parameter, state);
            parameter.MarkChanged();
            parameter.ForgetGradient();
        }

        _pending.Clear();
    }

    /// <summary>The parameters that have state.</summary>
    internal IReadOnlyCollection<Parameter> SteppedParameters => _states.Keys;

    /// <summary>The state of a parameter, or null before its first step.</summary>
    internal OptimizerState? FindState(Parameter parameter) => _states.GetValueOrDefault(parameter);

    /// <summary>The state of a parameter, created as it is before the first step.</summary>
    internal OptimizerState GetOrCreateState(Parameter parameter)
    {
        if (_states.TryGetValue(parameter, out var state)) return state;
        state = new OptimizerState(StateNames.Count, parameter.Count);
        if (InitialState != 0)
        {
            foreach (var buffer in state.Buffers) buffer.Fill(InitialState);
        }

        _states.Add(parameter, state);
        return state;
    }

    /// <summary>The hyperparameters by name, switches as 0 and 1.</summary>
    internal abstract IReadOnlyDictionary<string, double> GetSettings();

    /// <summary>Takes hyperparameters, state and step count of an optimizer of the same kind, which takes ours to dispose of.</summary>
    internal void TakeFrom(Optimizer other)
    {
        LearningRate = other.LearningRate;
        StepCount = other.StepCount;
        TakeSettings(other);
        (_states, other._states) = (other._states, _states);
    }

    /// <summary>Takes the hyperparameters other than the learning rate.</summary>
    private protected abstract void TakeSettings(Optimizer other);

    /// <summary>Chooses the rule for this step of one parameter and runs it through <see cref="Run"/>.</summary>
    private protected abstract void Update(Parameter parameter, OptimizerState state);

    /// <summary>Applies a rule to every value, or to the touched rows, of one parameter.</summary>
    private protected unsafe void Run<TRule>(TRule rule, Parameter parameter, OptimizerState state)
        where TRule : unmanaged, IUpdateRule
    {
        var buffers = state.Buffers;
        var first = TRule.StateCount > 0 ? buffers[0].Pointer : null;
        var second = TRule.StateCount > 1 ? buffers[1].Pointer : null;
        var action = new UpdateAction<TRule>(rule, parameter.ValuesPointer, parameter.GradientPointer, first, second);
        GradientBlocks.Run(parameter, action, Threads);
    }

    /// <summary>Checks a hyperparameter that must be finite and not negative.</summary>
    private protected static void CheckNotNegative(double value, string name)
    {
        if (!double.IsFinite(value) || value < 0)
            throw new ArgumentOutOfRangeException(name, value.ToString(CultureInfo.InvariantCulture), $"{name} must be a finite number that is not negative.");
    }

    private readonly unsafe struct UpdateAction<TRule>(TRule rule, float* values, float* gradient, float* first, float* second) : IGradientAction
        where TRule : unmanaged, IUpdateRule
    {
        public void Run(int block, long start, long count) =>
            UpdateKernel.Run(rule, values + start, gradient + start, first + start, second + start, count);
    }
}
