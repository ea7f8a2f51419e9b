namespace TorchLstmSample;

/// <summary>
/// A text as streams that a model reads side by side, so that each step goes on where the one before it stopped.
/// </summary>
internal sealed class TextStreams
{
    private readonly int[] _text;
    private readonly int _streams;
    private readonly int _steps;

    /// <param name="text">The text.</param>
    /// <param name="streams">Into how many streams of the same length it is cut.</param>
    /// <param name="steps">The tokens that a training step takes of each.</param>
    public TextStreams(int[] text, int streams, int steps)
    {
        (_text, _streams, _steps) = (text, streams, steps);
        StepsPerPass = ((text.Length / streams) - 1) / steps;
        if (StepsPerPass == 0) throw new ArgumentException($"The text has {text.Length} tokens; {streams} streams of {steps} need {streams * (steps + 1)}.", nameof(text));
    }

    /// <summary>The training steps until the streams are at their end and start again.</summary>
    public long StepsPerPass { get; }

    /// <summary>Whether the streams start at a training step, so that nothing of what was read before may be remembered.</summary>
    public bool StartsAt(long trainingStep) => trainingStep % StepsPerPass == 0;

    /// <summary>Fills a batch with what a training step reads.</summary>
    public void Fill(TokenBatch batch, long trainingStep)
    {
        var offset = (int)(trainingStep % StepsPerPass) * _steps;
        for (var stream = 0; stream < _streams; stream++) batch.Fill(stream, _text.AsSpan((stream * (_text.Length / _streams)) + offset, _steps + 1));
    }

    /// <summary>
    /// A text with its stretches in an order that follows from the seed. A run that ends before the streams do has then
    /// read of every part of the text. A stretch is long enough to be read in its context, and ends with a document.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="endOfText">What ends a document.</param>
    /// <param name="shortest">The length that a stretch has at least.</param>
    /// <param name="seed">The seed.</param>
    public static int[] Shuffle(int[] text, int endOfText, int shortest, ulong seed)
    {
        var stretches = new List<Range>();
        var start = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (i + 1 < text.Length && (i + 1 - start < shortest || text[i] != endOfText)) continue;
            stretches.Add(start..(i + 1));
            start = i + 1;
        }

        var order = stretches.ToArray();
        new Random(unchecked((int)seed)).Shuffle(order);
        var shuffled = new int[text.Length];
        var end = 0;
        foreach (var stretch in order)
        {
            var part = text.AsSpan(stretch);
            part.CopyTo(shuffled.AsSpan(end));
            end += part.Length;
        }

        return shuffled;
    }
}
