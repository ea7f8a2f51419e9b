namespace AdaptiveSoftmax;

/// <summary>How a beam search runs.</summary>
public sealed record BeamSearchOptions
{
    /// <summary>The number of sequences that are followed side by side; at least 1, which is greedy decoding.</summary>
    public int Width { get; init; } = 4;

    /// <summary>The most tokens of a sequence, an end token included; at least 1.</summary>
    public required int MaximumLength { get; init; }

    /// <summary>The number of sequences wanted; at most <see cref="Width"/>.</summary>
    public int Results { get; init; } = 1;

    /// <summary>
    /// α in score = log p / lengthᵅ, as Hugging Face's <c>length_penalty</c>: 0 compares log-probs, 1 the mean log-prob a
    /// token, more prefers longer sequences.
    /// </summary>
    public float LengthPenalty { get; init; } = 1;

    /// <summary>Token ids that end a sequence; none lets every sequence reach the maximum length.</summary>
    public IReadOnlyList<int> EndTokens { get; init; } = [];

    /// <summary>Biases, mask and policy; penalties, temperature and filters do not apply.</summary>
    public DecodeOptions Decoding { get; init; } = DecodeOptions.Default;

    internal void Check(SoftmaxDecoder softmax)
    {
        Require(Width >= 1, nameof(Width), Width, "at least 1");
        Require(MaximumLength >= 1, nameof(MaximumLength), MaximumLength, "at least 1");
        Require(Results >= 1 && Results <= Width, nameof(Results), Results, FormattableString.Invariant($"from 1 to the width {Width}"));
        Require(float.IsFinite(LengthPenalty), nameof(LengthPenalty), LengthPenalty, "a finite number");
        if (Decoding.HasPenalties) throw new ArgumentException("A beam search takes no repetition, presence or frequency penalty; use biases, a mask or sampling.");
        foreach (var token in EndTokens)
        {
            if (softmax.SlotOf(token) < 0) throw new ArgumentException(FormattableString.Invariant($"End token {token} is not in the vocabulary of {softmax.Layout.VocabularySize} tokens."));
        }
    }

    /// <summary>log p / lengthᵅ.</summary>
    internal double Score(double logProb, int length) => logProb / Math.Pow(length, LengthPenalty);

    private static void Require<T>(bool holds, string name, T value, string range)
    {
        if (!holds) throw new ArgumentException(FormattableString.Invariant($"{name} is {value}; it must be {range}."));
    }
}
