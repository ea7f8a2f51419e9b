namespace AdaptiveSoftmax.Corpus;

/// <summary>What was counted in a corpus.</summary>
/// <param name="Total">The counts of all files.</param>
/// <param name="Domains">The counts of the files of each domain, by name in ordinal order.</param>
/// <param name="LeftOut">The files that could not be read, and why; each is left out as a whole.</param>
public sealed record CorpusCounts(TokenCounts Total, IReadOnlyDictionary<string, TokenCounts> Domains, IReadOnlyList<LeftOutPath> LeftOut);
