using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>In which precision a decode-only copy of a layer keeps its weights.</summary>
public sealed record QuantizationOptions
{
    /// <summary>Int8 with a scale a row for head and tails.</summary>
    public static QuantizationOptions Default { get; } = new();

    /// <summary>The precision of the head's weight.</summary>
    public WeightPrecision Head { get; init; } = WeightPrecision.Int8;

    /// <summary>The precision of the output of each tail that <see cref="TailOverrides"/> does not name.</summary>
    public WeightPrecision Tails { get; init; } = WeightPrecision.Int8;

    /// <summary>The precision of each tail's output, one a tail; empty where <see cref="Tails"/> holds for all.</summary>
    public EquatableArray<WeightPrecision> TailOverrides { get; init; }

    internal WeightPrecision OfTail(int tail) => TailOverrides.Count > 0 ? TailOverrides[tail] : Tails;

    internal void Check(int clusters)
    {
        if (TailOverrides.Count > 0 && TailOverrides.Count != clusters)
            throw new ArgumentException(FormattableString.Invariant($"There are {TailOverrides.Count} precisions for {clusters} tails; give one a tail, or none."));
        foreach (var precision in TailOverrides.Append(Head).Append(Tails))
        {
            if (!Enum.IsDefined(precision))
                throw new ArgumentException($"There is no precision {precision}; take one of {string.Join(", ", Enum.GetNames<WeightPrecision>())}.");
        }
    }
}
