using static TorchSharp.torch;

namespace TorchLstmSample;

/// <summary>Slots that streams of text have side by side, and the slot after each.</summary>
/// <param name="steps">The slots of a stream.</param>
/// <param name="streams">The streams.</param>
internal sealed class TokenBatch(int steps, int streams)
{
    private readonly long[] _inputs = new long[steps * streams];
    private readonly long[] _targets = new long[steps * streams];

    public int Steps => steps;

    public int Streams => streams;

    /// <summary>The slot after each, step by step, [steps · streams].</summary>
    public ReadOnlySpan<long> TargetSlots => _targets;

    /// <summary>Sets a stream.</summary>
    /// <param name="stream">Which.</param>
    /// <param name="text">Its slots, at least one more than steps.</param>
    public void Fill(int stream, ReadOnlySpan<int> text)
    {
        for (var step = 0; step < steps; step++)
        {
            _inputs[(step * streams) + stream] = text[step];
            _targets[(step * streams) + stream] = text[step + 1];
        }
    }

    /// <summary>The slots to read, int64 [steps, streams].</summary>
    public Tensor Inputs() => tensor(_inputs, [steps, streams]);

    /// <summary>The slot after each, int64 [steps · streams].</summary>
    public Tensor Targets() => tensor(_targets);
}
