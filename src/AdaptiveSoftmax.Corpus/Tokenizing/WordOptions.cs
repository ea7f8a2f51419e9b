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
    internal WordOptions Check()
    {
        if (MinimumCount < 1) throw new ArgumentException("The least count of a word must be at least 1.");
        if (Unknown is { } unknown && IsNoWord(unknown)) throw new ArgumentException("The unknown token must be a word: not empty, and without white space.");
        if (EndOfText is { } end && IsNoWord(end)) throw new ArgumentException("The token that ends a document must be a word: not empty, and without white space.");
        if (Front.Any(IsNoWord)) throw new ArgumentException("A token in front must be a word: not empty, and without white space.");
        if (Front.Distinct(StringComparer.Ordinal).Count() < Front.Count) throw new ArgumentException("A token stands in front twice; give each once.");
        return this;
    }

    private static bool IsNoWord(string text) => text.Length == 0 || text.Any(char.IsWhiteSpace);
}
