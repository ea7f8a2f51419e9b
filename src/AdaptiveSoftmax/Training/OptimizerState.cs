namespace AdaptiveSoftmax;

/// <summary>What an optimizer remembers about one parameter: how often it was stepped and the state buffers.</summary>
internal sealed class OptimizerState : IDisposable
{
    private readonly NativeFloats[] _buffers;

    /// <summary>Allocates one buffer of <paramref name="count"/> values for each kind of state.</summary>
    public OptimizerState(IReadOnlyList<StateBuffer> state, long count)
    {
        _buffers = new NativeFloats[state.Count];
        try
        {
            for (var i = 0; i < _buffers.Length; i++)
            {
                _buffers[i] = new NativeFloats(count);
                if (state[i].InitialValue != 0) _buffers[i].Fill((float)state[i].InitialValue);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The steps in which the parameter had a gradient.</summary>
    public long Steps { get; set; }

    /// <summary>Whether a rule ran in this step, and so wrote zeros over the gradient.</summary>
    public bool ConsumedGradient { get; set; }

    /// <summary>Whether the step took a value, or one of the state, beyond float32.</summary>
    public bool HasOverflowed { get; set; }

    /// <summary>The state buffers, each with one value for each value of the parameter.</summary>
    public ReadOnlySpan<NativeFloats> Buffers => _buffers;

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var buffer in _buffers) buffer?.Dispose();
    }
}
