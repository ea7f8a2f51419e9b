namespace AdaptiveSoftmax.Corpus;

/// <summary>How far the tokenising of a corpus has come.</summary>
/// <param name="BytesDone">The bytes of the files that have been tokenised.</param>
/// <param name="BytesTotal">The bytes of all files when they were found.</param>
/// <param name="Documents">The documents that have ended.</param>
/// <param name="Tokens">The tokens so far.</param>
public readonly record struct CorpusProgress(long BytesDone, long BytesTotal, long Documents, long Tokens);
