using AdaptiveSoftmax.Vocabulary;

namespace LanguageModelSample;

/// <summary>A softmax of the study.</summary>
/// <param name="Name">What tables call it.</param>
/// <param name="Layout">Its sizes.</param>
internal sealed record StudyVariant(string Name, SoftmaxLayout Layout)
{
    /// <summary>The fewest tokens that can be divided into a head and two tails worth the name.</summary>
    public const int LeastTokens = 64;

    private const double HeadShare = 0.9;
    private const double FirstTailShare = 0.99;

    /// <summary>
    /// The full softmax, and adaptive ones of the same clusters and other widths. The shortlist is 90 % of the text, the first
    /// tail all but a hundredth: what the text says, not what a planner of the day would choose.
    /// </summary>
    public static IReadOnlyList<StudyVariant> Create(StudyText text, int hiddenSize)
    {
        var size = text.Counts.Length;
        var shortlist = Math.Min(text.SlotsCovering(HeadShare), size - 2);
        int[] cutoffs = [shortlist, Math.Clamp(text.SlotsCovering(FirstTailShare), shortlist + 1, size - 1)];
        return
        [
            new("full", SoftmaxLayout.CreateFull(hiddenSize, size)),
            new("div value 4", SoftmaxLayout.Create(hiddenSize, size, cutoffs, divValue: 4)),
            new("div value 2", SoftmaxLayout.Create(hiddenSize, size, cutoffs, divValue: 2)),
        ];
    }
}
