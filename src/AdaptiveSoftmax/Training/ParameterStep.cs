namespace AdaptiveSoftmax;

/// <summary>One step of one parameter, for an optimizer's formula.</summary>
public readonly ref struct ParameterStep
{
    private readonly Optimizer _optimizer;
    private readonly OptimizerState _state;
    private readonly ParameterGroup? _group;

    internal ParameterStep(Optimizer optimizer, Parameter parameter, OptimizerState state, ParameterGroup? group)
    {
        _optimizer = optimizer;
        _state = state;
        _group = group;
        Parameter = parameter;
    }

    /// <summary>The parameter, which has a gradient.</summary>
    public Parameter Parameter { get; }

    /// <summary>The parameter's own count of steps, this one included.</summary>
    public long Steps => _state.Steps;

    /// <summary>A setting, as it holds for the parameter's group: <c>lr</c>, <c>weight_decay</c> and others.</summary>
    /// <param name="setting">The name.</param>
    /// <exception cref="KeyNotFoundException">The optimizer has no such setting.</exception>
    public double this[string setting] => _group is null ? _optimizer.Settings[setting] : setting switch
    {
        Optimizer.LearningRateSetting => _optimizer.LearningRate * _group.LearningRateFactor,
        Optimizer.WeightDecaySetting when _group.WeightDecay is { } decay => decay,
        _ => _optimizer.Settings[setting],
    };

    /// <summary>The values of one row, [columns], for a formula that writes them itself.</summary>
    /// <param name="row">A row of the parameter.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    public unsafe Span<float> ValuesRow(int row)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, Parameter.Rows);
        return new Span<float>(Parameter.WritablePointer + ((long)row * Parameter.Columns), Parameter.Columns);
    }

    /// <summary>One row of a state buffer, [columns].</summary>
    /// <param name="buffer">The buffer, in the order of <see cref="Optimizer.GetState"/>.</param>
    /// <param name="row">A row of the parameter.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such buffer or row.</exception>
    public unsafe Span<float> StateRow(int buffer, int row)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(buffer);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(buffer, _state.Buffers.Length);
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, Parameter.Rows);
        return new Span<float>(_state.Buffers[buffer].Pointer + ((long)row * Parameter.Columns), Parameter.Columns);
    }

    /// <summary>Applies a rule to every value of the parameter, or of its touched rows, and consumes the gradient.</summary>
    /// <param name="rule">The formula; it uses as many buffers as the optimizer has, in their order.</param>
    public unsafe void Run<TRule>(TRule rule)
        where TRule : unmanaged, IUpdateRule
    {
        var buffers = _state.Buffers;
        if (TRule.StateCount != buffers.Length || TRule.StateCount > 2)
            throw new InvalidOperationException(FormattableString.Invariant($"{typeof(TRule).Name} uses {TRule.StateCount} state buffers and {_optimizer.GetType().Name} keeps {buffers.Length}; they must agree, and a rule can use two."));
        _state.ConsumedGradient = true;
        var first = TRule.StateCount > 0 ? buffers[0].Pointer : null;
        var second = TRule.StateCount > 1 ? buffers[1].Pointer : null;
        var hasOverflowed = 0;
        GradientBlocks.Run(Parameter, new UpdateAction<TRule>(rule, Parameter.WritablePointer, Parameter.GradientPointer, first, second, &hasOverflowed), _optimizer.Threads);
        _state.HasOverflowed |= hasOverflowed != 0;
    }

    private readonly unsafe struct UpdateAction<TRule>(TRule rule, float* values, float* gradient, float* first, float* second, int* hasOverflowed) : IGradientAction
        where TRule : unmanaged, IUpdateRule
    {
        // Whoever finds an overflow writes the same.
        public void Run(int block, long start, long count)
        {
            if (!UpdateKernel.Run(rule, values + start, gradient + start, first + start, second + start, count)) *hasOverflowed = 1;
        }
    }
}
