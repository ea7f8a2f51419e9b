namespace AdaptiveSoftmax.Corpus;

/// <summary>How text is taken apart into words, and which of them make a vocabulary.</summary>
public sealed record WordOptions
{
    /// <summary>Whether words are counted in lower case, by the invariant culture.</summary>
    public bool IsLowerCase { get; init; }

    /// <summary>How often a word occurs at least to be a token of its own; at least 1.</summary>
    public long MinimumCount { get; init; } = 1;

    /// <summary>The token that stands for all rarer words; null where they are not counted at all.</summary>
    public string? Unknown { get; init; } = "<unk>";

    /// <summary>The token that ends a document; null for none.</summary>
    public string? EndOfText { get; init; }

    /// <summary>Tokens that stand in front whatever their counts, in their order; they are pinned in the table.</summary>
    public IReadOnlyList<string> Front { get; init; } = [];

    /// <exception cref="ArgumentException">An option is not as asked.</exception>
    internal WordOptions Check() => FindFault() is { } fault ? throw new ArgumentException(fault) : this;

    /// <summary>What is not as asked, as a sentence; null where all is.</summary>
    internal string? FindFault()
    {
        if (MinimumCount < 1) return "The least count of a word must be at least 1.";
        if (Unknown is { } unknown && IsNoWord(unknown)) return "The unknown token must be a word: not empty, and without white space.";
        if (EndOfText is { } end && IsNoWord(end)) return "The token that ends a document must be a word: not empty, and without white space.";
        if (Front.Any(IsNoWord)) return "A token in front must be a word: not empty, and without white space.";
        return Front.Distinct(StringComparer.Ordinal).Count() < Front.Count ? "A token stands in front twice; give each once." : null;
    }

    private static bool IsNoWord(string text) => text.Length == 0 || text.Any(char.IsWhiteSpace);
}
