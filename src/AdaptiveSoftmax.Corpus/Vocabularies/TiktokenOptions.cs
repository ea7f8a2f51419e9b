namespace AdaptiveSoftmax.Corpus;

/// <summary>What a rank file leaves to the program that reads it.</summary>
public sealed record TiktokenOptions
{
    /// <summary>
    /// How text is split into words before words are encoded: <c>o200k_base</c>, <c>cl100k_base</c> or <c>gpt2</c>. May be null
    /// where the file holds the tokens of a built-in encoding, whose split is then taken.
    /// </summary>
    public string? Split { get; init; }

    /// <summary>
    /// The special tokens by name, with their ids. Where there are none, those of a built-in encoding are taken if the file holds
    /// its tokens; else there is at most <see cref="EndOfText"/>, if it stands among the file's own tokens.
    /// </summary>
    public IReadOnlyDictionary<string, int> SpecialTokens { get; init; } = new Dictionary<string, int>();

    /// <summary>The name of the special token that ends a document.</summary>
    public string EndOfText { get; init; } = EncodedVocabulary.EndOfText;
}
