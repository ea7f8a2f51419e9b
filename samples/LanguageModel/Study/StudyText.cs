using AdaptiveSoftmax.Corpus;

namespace LanguageModelSample;

/// <summary>
/// Text over a vocabulary of its own count, small enough that a full softmax can be trained to the end: the tokens that the
/// text to learn from has, by descending count, so that an id is a slot. All others are one token, the last.
/// </summary>
/// <param name="Training">The text to learn from, as slots.</param>
/// <param name="Validation">Text by which learning rates are chosen, as slots.</param>
/// <param name="Test">Text by which models are judged, as slots.</param>
/// <param name="Counts">How often the text to learn from has each token, in slot order.</param>
/// <param name="TokenIds">The token in each slot; −1 for the one that stands for all others.</param>
/// <param name="EndOfText">The slot of the token that ends a document.</param>
internal sealed record StudyText(int[] Training, int[] Validation, int[] Test, long[] Counts, int[] TokenIds, int EndOfText)
{
    /// <summary>The most tokens: beyond it a full softmax takes a day.</summary>
    public const int MostTokens = 32_000;

    private const int TokensPerPiece = 4096;

    /// <summary>Counts and numbers a text.</summary>
    /// <param name="text">The text as token ids.</param>
    /// <param name="endOfText">The token that ends a document.</param>
    /// <param name="mostTokens">The size of the vocabulary at most.</param>
    /// <exception cref="CorpusException">The text has too few different tokens.</exception>
    public static StudyText Create(TextData text, int endOfText, int mostTokens = MostTokens)
    {
        var counts = text.Training.CountBy(token => token).ToDictionary();
        int[] kept = [.. counts.OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key).Select(pair => pair.Key).Take(mostTokens - 1)];
        var slots = new Dictionary<int, int>(kept.Length);
        foreach (var token in kept) slots.Add(token, slots.Count);
        if (!slots.TryGetValue(endOfText, out var endSlot) || kept.Length < StudyVariant.LeastTokens)
            throw new CorpusException($"The text has only {kept.Length:N0} different tokens; the study needs at least {StudyVariant.LeastTokens:N0} of them, and a document that ends.");

        var others = kept.Length;
        var left = text.Training.LongLength - kept.Sum(token => (long)counts[token]);
        // Parts of a corpus differ, so that both get pieces of each.
        var pieces = text.HeldOut.Chunk(Math.Clamp(text.HeldOut.Length / 2, 1, TokensPerPiece)).Select(Number).ToArray();
        return new StudyText(Number(text.Training), Take(0), Take(1), [.. kept.Select(token => (long)counts[token]), left], [.. kept, -1], endSlot);

        int[] Take(int odd) => [.. pieces.Where((_, i) => i % 2 == odd).SelectMany(piece => piece)];

        int[] Number(int[] tokens) => [.. tokens.Select(token => slots.GetValueOrDefault(token, others))];
    }

    /// <summary>The first slot behind the fewest most frequent tokens that are at least a share of the text to learn from.</summary>
    public int SlotsCovering(double share)
    {
        var (sum, total) = (0L, Counts.Sum());
        for (var slot = 0; slot < Counts.Length; slot++)
        {
            sum += Counts[slot];
            if (sum >= share * total) return slot + 1;
        }

        return Counts.Length;
    }
}
