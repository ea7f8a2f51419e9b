namespace AdaptiveSoftmax;

/// <summary>What an optimizer remembers about one parameter: how often it was stepped and the state buffers.</summary>
internal sealed class OptimizerState : IDisposable
{
    private readonly NativeFloats[] _buffers;

    /// <summary>Allocates one zeroed buffer of <paramref name="count"/> values for each of <paramref name="bufferCount"/>.</summary>
    public OptimizerState(int bufferCount, long count)
    {
        _buffers = new NativeFloats[bufferCount];
        try
        {
            for (var i = 0; i < bufferCount; i++) _buffers[i] = new NativeFloats(count);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The steps in which the parameter had a gradient.</summary>
    public long Steps { get; set; }

    /// <summary>The state buffers, each with one value for each value of the parameter.</summary>
    public ReadOnlySpan<NativeFloats> Buffers => _buffers;

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var buffer in _buffers) buffer?.Dispose();
    }
}
