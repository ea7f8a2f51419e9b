using AdaptiveSoftmax.Corpus;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>The text of the benchmarks: the API reference that comes with the .NET SDK, as tokens of o200k_base.</summary>
/// <param name="Vocabulary">The encoding's tokens.</param>
/// <param name="Stream">Token ids in the order of the text.</param>
/// <param name="Counts">How often each id occurs, [vocabulary].</param>
internal sealed record Documentation(EncodedVocabulary Vocabulary, int[] Stream, long[] Counts)
{
    /// <summary>Reads, tokenises and counts the whole text.</summary>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="CorpusException">The SDK has no API reference, or it cannot be read.</exception>
    public static Documentation Load(CancellationToken cancellation)
    {
        var tokenizer = CorpusTokenizer.Create("o200k_base");
        var stream = tokenizer.ReadStream(ReferencePacks.FindDocumentation(), cancellationToken: cancellation);
        var counts = new long[tokenizer.Vocabulary.Count];
        foreach (var id in stream) counts[id]++;
        return new Documentation(tokenizer.Vocabulary, stream, counts);
    }
}
