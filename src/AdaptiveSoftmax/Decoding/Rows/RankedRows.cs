namespace AdaptiveSoftmax;

/// <summary>What a call ranks tokens of: rows with one set of options, or each with a sequence's own.</summary>
/// <param name="options">The options of all, where there are no sequences.</param>
/// <param name="retrieved">What was retrieved for each, [rows]; empty for nothing.</param>
/// <param name="weight">Its weight.</param>
/// <param name="sequences">The sequences, [rows], or none.</param>
/// <param name="tokens">Receives the tokens, [rows, k].</param>
/// <param name="logProbs">Receives their log-probs, [rows, k].</param>
/// <param name="results">Receives what was found, [rows].</param>
internal readonly ref struct RankedRows(
    DecodeOptions options, ReadOnlySpan<RetrievedTokens?> retrieved, float weight, ReadOnlySpan<DecodeSequence> sequences, Span<int> tokens, Span<float> logProbs, Span<TopKResult> results)
{
    private readonly DecodeOptions _options = options;
    private readonly ReadOnlySpan<RetrievedTokens?> _retrieved = retrieved;
    private readonly float _weight = weight;
    private readonly ReadOnlySpan<DecodeSequence> _sequences = sequences;

    public readonly Span<int> Tokens = tokens;
    public readonly Span<float> LogProbs = logProbs;
    public readonly Span<TopKResult> Results = results;

    /// <summary>k.</summary>
    public int Count => Tokens.Length / Results.Length;

    public DecodeOptions OptionsOf(int row) => _sequences.IsEmpty ? _options : _sequences[row].Options;

    public TokenHistory? HistoryOf(int row) => _sequences.IsEmpty ? null : _sequences[row].History;

    public Retrieval RetrievalOf(int row) => !_sequences.IsEmpty ? _sequences[row].Retrieval : _retrieved.IsEmpty ? default : new Retrieval(_retrieved[row], _weight);

    public Span<int> TokensOf(int row) => Tokens.Slice(row * Count, Count);

    public Span<float> LogProbsOf(int row) => LogProbs.Slice(row * Count, Count);
}
