using LanguageModelSample;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>What the body of the sample's model makes of windows spread over a text.</summary>
internal sealed class HiddenStates
{
    private readonly float[] _values;

    public HiddenStates(Model model, int[] text, int count)
    {
        var batch = new Batch(count, model.Window);
        batch.Fill(text, TextData.SpreadPositions(text, count), model.EndOfText);
        _values = model.Forward(batch.Windows).ToArray();
        (Count, Size) = (count, _values.Length / count);
    }

    public int Count { get; }

    /// <summary>The size of each.</summary>
    public int Size { get; }

    /// <summary>One hidden state, [hidden].</summary>
    public ReadOnlySpan<float> this[int index] => _values.AsSpan(index * Size, Size);

    /// <summary>Adds up what a prediction gives for each.</summary>
    public long Sum(Func<ReadOnlySpan<float>, int> predict)
    {
        var sum = 0L;
        for (var i = 0; i < Count; i++) sum += predict(this[i]);
        return sum;
    }
}
