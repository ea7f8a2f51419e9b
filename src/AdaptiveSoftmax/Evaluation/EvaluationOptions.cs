using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>What to evaluate a softmax by.</summary>
public sealed record EvaluationOptions
{
    /// <summary>
    /// The vocabulary in slot order: the tokens' ids, bytes and counts. Without it targets are the softmax's own ids, and there
    /// are neither bits a byte nor tenths of the occurrences.
    /// </summary>
    public TokenTable? Table { get; init; }

    /// <summary>How many of the most probable tokens a target may be among for the top-k accuracy, at least 1.</summary>
    public int TopK { get; init; } = 5;

    /// <summary>The names of domains, in the order of their numbers; none where states have no domain.</summary>
    public IReadOnlyList<string> Domains { get; init; } = [];

    /// <summary>The bins of the calibration error, at least 1: equal parts of the probabilities from 0 to 1, each with its upper end.</summary>
    public int CalibrationBins { get; init; } = 15;

    /// <summary>
    /// How many hidden vectors are predicted one by one to measure the time that takes, spread evenly over all; 0 for none. Of
    /// fewer than twice as many all may be taken.
    /// </summary>
    public int TimedTokens { get; init; } = 512;

    internal void Check(SoftmaxDecoder softmax)
    {
        if (Table is not null && Table.Count != softmax.Layout.VocabularySize)
            throw Fault(nameof(Table), $"The table has {Table.Count} tokens, and the softmax {softmax.Layout.VocabularySize}; give the table that its spec names.");
        if (Table is not null && softmax.Identity.VocabularyFingerprint.Length > 0 && Table.Fingerprint != softmax.Identity.VocabularyFingerprint)
            throw Fault(nameof(Table), $"The table has the fingerprint {Table.Fingerprint}, and the softmax's vocabulary {softmax.Identity.VocabularyFingerprint}; give the table that its class was built from.");
        if (TopK < 1 || TopK > softmax.Layout.VocabularySize)
            throw Fault(nameof(TopK), $"The top-k accuracy is asked for of {TopK} tokens; it must be from 1 to the {softmax.Layout.VocabularySize} of the vocabulary.");
        if (CalibrationBins < 1) throw Fault(nameof(CalibrationBins), $"There are {CalibrationBins} calibration bins; there must be at least 1.");
        if (TimedTokens < 0) throw Fault(nameof(TimedTokens), $"{TimedTokens} tokens are to be timed; it must be 0 or more.");
        ArgumentNullException.ThrowIfNull(Domains);
    }

    /// <summary>Checks that domains are called in a file what the options call them; options without domains take none.</summary>
    internal static void CheckDomains(IReadOnlyList<string> domains, StatesFile states)
    {
        if (domains.Count > 0 && !domains.SequenceEqual(states.Domains))
            throw new ArgumentException($"The options name the domains {string.Join(", ", domains)}, and {states.FileName} {(states.Domains.Count == 0 ? "has none" : string.Join(", ", states.Domains))}; give the options the Domains of the file.", nameof(states));
    }

    private static ArgumentException Fault(string option, FormattableString message) => new(message.ToString(CultureInfo.InvariantCulture), option);
}
