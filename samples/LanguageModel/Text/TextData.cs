using AdaptiveSoftmax.Corpus;

namespace LanguageModelSample;

/// <summary>The text as token ids: what the model learns from, and what it is judged by.</summary>
/// <param name="Training">The documents to learn from, one after the other, each ended by the end-of-text token.</param>
/// <param name="HeldOut">Text that the model never learns from.</param>
internal sealed record TextData(int[] Training, int[] HeldOut)
{
    // Neighbouring members of an API resemble each other, so whole stretches of text are held out, not single documents.
    private const int TokensPerStretch = 4096;
    private const int StretchesPerHeldOut = 40;

    /// <summary>Tokenises files. The same files give the same text, whatever the number of threads.</summary>
    /// <exception cref="CorpusException">A file cannot be read, or there is too little text to hold any of it out.</exception>
    public static TextData Load(IReadOnlyList<CorpusFile> files, CorpusTokenizer tokenizer, TokenizeOptions options, CancellationToken cancellation)
    {
        List<int> training = [], heldOut = [], stretch = [];
        var stretches = 0;
        foreach (var document in tokenizer.ReadDocuments(files, options, cancellation))
        {
            foreach (var part in document.Chunk(TokensPerStretch))
            {
                if (stretch.Count >= TokensPerStretch) CloseStretch();
                stretch.AddRange(part);
            }

            stretch.Add(tokenizer.Vocabulary.EndOfTextId);
        }

        CloseStretch();
        if (heldOut.Count == 0)
            throw new CorpusException($"The text has only {training.Count:N0} tokens. Give at least {2 * TokensPerStretch:N0}, to learn from one part and be judged by another.");
        return new TextData([.. training], [.. heldOut]);

        void CloseStretch()
        {
            (stretches++ % StretchesPerHeldOut == 1 ? heldOut : training).AddRange(stretch);
            stretch.Clear();
        }
    }

    /// <summary>Positions spread evenly over a text.</summary>
    public static int[] SpreadPositions(int[] text, int count) =>
        [.. Enumerable.Range(0, count).Select(i => (int)((long)i * text.Length / count))];

    /// <summary>Positions drawn at random. They follow from seed and step alone, so a resumed run draws what an uninterrupted one does.</summary>
    public static void DrawPositions(int[] text, ulong seed, long step, Span<int> positions)
    {
        var state = Mix(Mix(seed) ^ (ulong)step);
        foreach (ref var position in positions) position = (int)(Mix(++state) % (ulong)text.Length);
    }

    // The finaliser of SplitMix64.
    private static ulong Mix(ulong value)
    {
        value *= 0x9E37_79B9_7F4A_7C15;
        value = (value ^ (value >> 30)) * 0xBF58_476D_1CE4_E5B9;
        value = (value ^ (value >> 27)) * 0x94D0_49BB_1331_11EB;
        return value ^ (value >> 31);
    }
}
