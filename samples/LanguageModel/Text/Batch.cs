namespace LanguageModelSample;

/// <summary>Tokens to predict, and the tokens before each of them.</summary>
internal sealed class Batch(int size, int window)
{
    /// <summary>The tokens before each target, oldest first, [size, window].</summary>
    public int[] Windows { get; } = new int[size * window];

    /// <summary>The tokens to predict, [size].</summary>
    public int[] Targets { get; } = new int[size];

    /// <summary>Takes the targets at positions of a text. Before its start there are only ends of documents.</summary>
    public void Fill(int[] text, ReadOnlySpan<int> positions, int endOfText)
    {
        for (var i = 0; i < size; i++)
        {
            Targets[i] = text[positions[i]];
            for (var j = 0; j < window; j++)
            {
                var position = positions[i] - window + j;
                Windows[(i * window) + j] = position < 0 ? endOfText : text[position];
            }
        }
    }
}
