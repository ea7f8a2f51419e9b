using System.Globalization;

namespace AdaptiveSoftmax;

/// <summary>
/// Moves parameters along their gradients: <see cref="Sgd"/>, <see cref="Adagrad"/>, <see cref="AdamW"/>, or one of your own.
/// </summary>
/// <remarks>
/// A step reads values, gradient and state once, and writes values, state and a zero gradient in the same pass, so no
/// separate call clears gradients. A parameter without a gradient is left as it is, weight decay included, as PyTorch
/// leaves a parameter whose <c>grad</c> is None; its own count of steps, which bias correction and learning-rate decay
/// use, does not advance. Of a row-sparse parameter only the touched rows of values and state change, in ascending
/// order. The bits of the result do not depend on the number of threads.
/// <para>
/// An optimizer of one's own is one class: it names its kind and settings to the base, its state in
/// <see cref="GetState"/>, and runs its formula in <see cref="Update"/>. What it keeps in settings and state is all that a
/// checkpoint saves and restores, so it has no fields of its own.
/// </para>
/// An optimizer belongs to one thread at a time.
/// </remarks>
public abstract class Optimizer : IDisposable
{
    /// <summary>The setting that <see cref="LearningRate"/> is.</summary>
    internal const string LearningRateSetting = "lr";

    /// <summary>The setting that a group may have its own of.</summary>
    internal const string WeightDecaySetting = "weight_decay";

    // A step of one rate times the largest gradient that is taken, whose square is finite, stays within float32.
    private const double LearningRateLimit = 1e18;

    private Dictionary<string, double> _settings;
    private Dictionary<Parameter, OptimizerState> _states = [];
    private Dictionary<Parameter, ParameterGroup> _groups = [];
    private List<Parameter> _pending = [];
    private List<MemoryLease> _uses = [];
    private MemoryLeases _leases = new();

    /// <summary>Sets kind and settings.</summary>
    /// <param name="kind">The name of the formula in a checkpoint.</param>
    /// <param name="settings">
    /// The hyperparameters by name, switches as 0 and 1; <c>lr</c> is the learning rate, and a <c>weight_decay</c> may differ by
    /// group.
    /// </param>
    /// <exception cref="ArgumentException">There is no kind or no <c>lr</c>, or <see cref="CheckSettings"/> refuses a value.</exception>
    protected Optimizer(string kind, IEnumerable<KeyValuePair<string, double>> settings)
    {
        ArgumentException.ThrowIfNullOrEmpty(kind);
        ArgumentNullException.ThrowIfNull(settings);
        Kind = kind;
        _settings = new(settings);
        if (!_settings.ContainsKey(LearningRateSetting))
            throw new ArgumentException($"The settings of '{kind}' lack '{LearningRateSetting}', the learning rate.", nameof(settings));
        CheckAll(_settings);
    }

    /// <summary>The name of the formula in a checkpoint.</summary>
    public string Kind { get; }

    /// <summary>The hyperparameters by name, switches as 0 and 1.</summary>
    public IReadOnlyDictionary<string, double> Settings => _settings;

    /// <summary>The learning rate, PyTorch's <c>lr</c>; set it before each step from a <see cref="LearningRateSchedule"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative, not finite, or 1e18 or more.</exception>
    public double LearningRate
    {
        get => _settings[LearningRateSetting];
        set
        {
            CheckSetting(nameof(LearningRate), value, LearningRateLimit);
            _settings[LearningRateSetting] = value;
        }
    }

    /// <summary>The number of threads of a step, the caller's included, at least 1; all processors at first. It changes no bit.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is below 1.</exception>
    public int Threads
    {
        get;
        set => field = ThreadCount.Check(value, nameof(Threads));
    } = ThreadCount.Default;

    /// <summary>How often a step was taken.</summary>
    public long StepCount { get; internal set; }

    /// <summary>Whether the state is released.</summary>
    internal bool IsDisposed { get; private set; }

    /// <summary>The groups.</summary>
    internal IEnumerable<ParameterGroup> Groups => _groups.Values.Distinct();

    /// <summary>The state that it keeps for each parameter.</summary>
    internal IReadOnlyList<StateBuffer> State => GetState(_settings);

    /// <summary>The parameters that have state.</summary>
    internal IReadOnlyCollection<Parameter> SteppedParameters => _states.Keys;

    /// <summary>
    /// Gives some parameters settings of their own, such as biases that do not decay, or an embedding that learns more slowly.
    /// Checkpoints keep the groups. They need no step of their own: <see cref="Step"/> takes all parameters in one call.
    /// </summary>
    /// <param name="parameters">The parameters, which are in no other group.</param>
    /// <param name="learningRateFactor">What <see cref="LearningRate"/> is multiplied by for them.</param>
    /// <param name="weightDecay">Their weight decay; null for the optimizer's.</param>
    /// <exception cref="ArgumentException">
    /// A parameter is in a group already, a value is out of range, or the optimizer knows no weight decay.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The optimizer is disposed.</exception>
    public void AddGroup(IEnumerable<Parameter> parameters, double learningRateFactor = 1, double? weightDecay = null)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        var group = new ParameterGroup([.. parameters.Distinct()], learningRateFactor, weightDecay);
        CheckGroupSettings(learningRateFactor, weightDecay);
        if (group.Parameters.FirstOrDefault(_groups.ContainsKey) is { } twice)
            throw new ArgumentException($"'{twice.Name}' is in a group already; a parameter can be in one.");
        foreach (var parameter in group.Parameters) _groups.Add(parameter, group);
    }

    /// <summary>Takes one step: moves every parameter that has a gradient, and consumes that gradient.</summary>
    /// <param name="parameters">The parameters; the order makes no difference, and a repeated one is stepped once.</param>
    /// <exception cref="NotFiniteNumberException">
    /// A gradient is not finite, or so large that its square is not: the step would destroy weights or state. Nothing was
    /// changed, and the gradients are still there. Or the step took a weight or its state beyond float32: the step is taken,
    /// the message says where, and the run has to go on from its last checkpoint.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The optimizer or a parameter is disposed.</exception>
    public void Step(params IEnumerable<Parameter> parameters)
    {
        using var use = _leases.Take();
        try
        {
            if (Prepare(parameters) is { } fault) throw GradientCheck.CreateFault(fault, "the step would destroy weights");
            Move();
            RefuseOverflow();
        }
        finally
        {
            EndUses();
        }
    }

    /// <summary>
    /// Takes one step, as <see cref="Step(IEnumerable{Parameter})"/> does, unless a gradient is not finite. Then all of the
    /// gradients are set to zero and nothing else changes: the batch is left out.
    /// </summary>
    /// <param name="parameters">The parameters; the order makes no difference, and a repeated one is stepped once.</param>
    /// <returns>Whether the step was taken.</returns>
    /// <exception cref="NotFiniteNumberException">
    /// The step took a weight or its state beyond float32, as <see cref="Step(IEnumerable{Parameter})"/> says.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The optimizer or a parameter is disposed.</exception>
    public bool TryStep(params IEnumerable<Parameter> parameters)
    {
        using var use = _leases.Take();
        try
        {
            if (Prepare(parameters) is null)
            {
                Move();
                RefuseOverflow();
                return true;
            }

            foreach (var parameter in _pending) parameter.ClearGradient();
            return false;
        }
        finally
        {
            EndUses();
        }
    }

    /// <summary>Releases the state. The parameters stay as they are.</summary>
    public void Dispose()
    {
        GC.SuppressFinalize(this);
        IsDisposed = true;
        _leases.Close(GetType());
        _leases.WhenUnused(() =>
        {
            foreach (var state in _states.Values) state.Dispose();
            _states.Clear();
        });
    }

    /// <summary>The state that the optimizer keeps for each parameter under these settings, in the order that rules use it.</summary>
    /// <param name="settings">The settings.</param>
    protected abstract IReadOnlyList<StateBuffer> GetState(IReadOnlyDictionary<string, double> settings);

    /// <summary>
    /// Moves one parameter: chooses the rule for this step and runs it through <see cref="ParameterStep.Run"/>, or, where a
    /// formula is none of single values, changes the parameter's rows and those of its state itself.
    /// </summary>
    /// <param name="step">The parameter, its settings and its count of steps.</param>
    protected abstract void Update(ParameterStep step);

    /// <summary>
    /// Checks settings, those of a new optimizer and those of a file: by default each must be finite and not negative. It is
    /// called by the base's constructor and so uses its argument alone.
    /// </summary>
    /// <param name="settings">The settings.</param>
    /// <exception cref="ArgumentException">A setting is out of range; the message says which.</exception>
    protected virtual void CheckSettings(IReadOnlyDictionary<string, double> settings)
    {
        foreach (var (name, value) in settings) CheckSetting(name, value);
    }

    /// <summary>Checks that a setting is finite, not negative, and below a limit.</summary>
    /// <param name="name">The name.</param>
    /// <param name="value">The value.</param>
    /// <param name="limit">What it must be below.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is not.</exception>
    protected static void CheckSetting(string name, double value, double limit = double.PositiveInfinity)
    {
        if (value >= 0 && value < limit) return;
        var range = double.IsPositiveInfinity(limit) ? "a finite number that is not negative" : string.Create(CultureInfo.InvariantCulture, $"in [0, {limit})");
        throw new ArgumentOutOfRangeException(name, value.ToString(CultureInfo.InvariantCulture), $"{name} must be {range}.");
    }

    /// <summary>Checks the settings of a group.</summary>
    /// <exception cref="ArgumentException">A value is out of range, or the optimizer knows no weight decay.</exception>
    internal void CheckGroupSettings(double learningRateFactor, double? weightDecay)
    {
        CheckSetting(nameof(ParameterGroup.LearningRateFactor), learningRateFactor, LearningRateLimit);
        if (weightDecay is not { } decay) return;
        if (!_settings.ContainsKey(WeightDecaySetting))
            throw new ArgumentException($"'{Kind}' has no setting '{WeightDecaySetting}', so a group cannot have one of its own.");
        CheckAll(new Dictionary<string, double>(_settings) { [WeightDecaySetting] = decay });
    }

    /// <summary>Keeps the state until the lease ends.</summary>
    /// <exception cref="ObjectDisposedException">The optimizer is disposed.</exception>
    internal MemoryLease Use() => _leases.Take();

    /// <summary>The state of a parameter, or null before its first step.</summary>
    internal OptimizerState? FindState(Parameter parameter) => _states.GetValueOrDefault(parameter);

    /// <summary>The state of a parameter, created as it is before the first step.</summary>
    internal OptimizerState GetOrCreateState(Parameter parameter)
    {
        if (_states.TryGetValue(parameter, out var state)) return state;
        state = new OptimizerState(State, parameter.Count);
        _states.Add(parameter, state);
        return state;
    }

    /// <summary>An optimizer of the same kind and settings that has taken no step and has no groups.</summary>
    internal Optimizer CreateNew()
    {
        var result = (Optimizer)MemberwiseClone();
        result._settings = new(_settings);
        result._states = [];
        result._groups = [];
        result._pending = [];
        result._uses = [];
        result._leases = new MemoryLeases();
        result.StepCount = 0;
        result.IsDisposed = false;
        return result;
    }

    /// <summary>Takes the settings of a file, which must have the same names.</summary>
    /// <exception cref="ArgumentException">A setting is missing, is not known or is out of range.</exception>
    internal void TakeSettings(IReadOnlyDictionary<string, double> settings)
    {
        if (_settings.Keys.Except(settings.Keys).Concat(settings.Keys.Except(_settings.Keys)).FirstOrDefault() is { } name)
            throw new ArgumentException($"'{Kind}' has the settings {string.Join(", ", _settings.Keys)}, and '{name}' is {(settings.ContainsKey(name) ? "none of them" : "missing")}.");
        CheckAll(settings);
        foreach (var key in settings.Keys) _settings[key] = settings[key];
    }

    /// <summary>Takes settings, groups, state and step count of an optimizer of the same kind, which takes our state to dispose of.</summary>
    internal void TakeFrom(Optimizer other)
    {
        StepCount = other.StepCount;
        (_settings, _groups) = (other._settings, other._groups);
        (_states, other._states) = (other._states, _states);
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
            _uses.Add(parameter.Use());
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
            state.ConsumedGradient = false;
            Update(new ParameterStep(this, parameter, state, _groups.GetValueOrDefault(parameter)));
            parameter.SteppedBy = this;
            parameter.MarkChanged();
            if (state.ConsumedGradient) parameter.ForgetGradient();
            else parameter.ClearGradient();
        }
    }

    // Nobody can know before the formula has run, and to run it twice would cost as much again.
    private void RefuseOverflow()
    {
        foreach (var parameter in _pending)
        {
            var state = _states[parameter];
            if (!state.HasOverflowed) continue;
            state.HasOverflowed = false;
            throw GradientCheck.CreateOverflow(parameter, State, state, LearningRate);
        }
    }

    private void EndUses()
    {
        _pending.Clear();
        foreach (var use in _uses) use.Dispose();
        _uses.Clear();
    }

    private void CheckAll(IReadOnlyDictionary<string, double> settings)
    {
        CheckSetting(LearningRateSetting, settings[LearningRateSetting], LearningRateLimit);
        CheckSettings(settings);
    }
}
