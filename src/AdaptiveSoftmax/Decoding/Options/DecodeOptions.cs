namespace AdaptiveSoftmax;

/// <summary>How the next token is chosen.</summary>
/// <remarks>
/// Order of operations: the penalties for tokens of the history, then <see cref="Bias"/>, then <see cref="Mask"/>, all on
/// log-probs; then the temperature; then the filters, first <see cref="TopK"/>, then <see cref="TopP"/> of what that
/// leaves, then <see cref="MinP"/>. What is left is renormalised and drawn from. An instance never changes (a
/// <see cref="TokenMask"/> can be set anew between steps), so one can serve any number of sequences.
/// </remarks>
public sealed record DecodeOptions
{
    /// <summary>Draws from the model's own distribution.</summary>
    public static DecodeOptions Default { get; } = new();

    /// <summary>Always the most probable token.</summary>
    public static DecodeOptions Greedy { get; } = new() { Temperature = 0 };

    /// <summary>
    /// Divides the log-probs before they are drawn from: below 1 sharper, above 1 flatter, 0 for the most probable token.
    /// </summary>
    public float Temperature { get; init; } = 1;

    /// <summary>Draws from the k most probable tokens only; 0 for no such limit.</summary>
    public int TopK { get; init; }

    /// <summary>
    /// The nucleus: draws from the smallest set of most probable tokens whose probabilities sum to at least this; 1 for all.
    /// </summary>
    public float TopP { get; init; } = 1;

    /// <summary>Draws only from tokens at least this fraction as probable as the most probable one; 0 for all.</summary>
    public float MinP { get; init; }

    /// <summary>
    /// The log-prob of each token of the history is multiplied by this, so that its probability p becomes p^penalty; 1 for
    /// none, above 1 against repetition. Other stacks divide positive logits and multiply negative ones, which depends on
    /// where a model puts its zero; a log-prob is never positive, so here the rule has one case.
    /// </summary>
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>Taken from the log-prob of a token once for each time it occurs in the history.</summary>
    public float FrequencyPenalty { get; init; }

    /// <summary>Taken from the log-prob of each token that occurs in the history.</summary>
    public float PresencePenalty { get; init; }

    /// <summary>What is added to the log-probs of single tokens, OpenAI's <c>logit_bias</c>; null for nothing.</summary>
    public TokenBias? Bias { get; init; }

    /// <summary>The tokens that may be chosen; null for all. A cluster without an allowed token is never computed.</summary>
    public TokenMask? Mask { get; init; }

    /// <summary>Which tails are computed. Exact unless said otherwise.</summary>
    public DecodePolicy Policy { get; init; } = DecodePolicy.Exact;

    /// <summary>Which log-probs are reported.</summary>
    public LogProbKind LogProbs { get; init; }

    /// <summary>How many of the most probable tokens are reported beside the chosen one, OpenAI's <c>top_logprobs</c>.</summary>
    public int TopLogProbs { get; init; }

    /// <summary>How a token is drawn from what the filters leave.</summary>
    public SamplerKind Sampler { get; init; }

    /// <summary>
    /// How far reported log-probs may be from the exact ones; 0, the default, for exact ones, which need every logit. Above it a softmax
    /// without tails ranks tokens by their logits (and penalties and biases, in float64), so that <see cref="CertifiedSoftmax"/> need
    /// not compute all of them; +∞ reports NaN. It moves no token of a draw. Where there are tails, of draws by
    /// <see cref="SamplerKind.Inversion"/> and of <see cref="LogProbKind.Adjusted"/>, log-probs are exact, and so they are of ranks with
    /// retrieved tokens and of draws with such that are filtered or greedy.
    /// </summary>
    public float LogProbError { get; init; }

    /// <summary>
    /// The largest penalty or bias: any number of tokens of any history together shift a score by far less than float32
    /// holds, so that no sum of them is infinite.
    /// </summary>
    internal const float LargestShift = 1e20f;

    internal bool HasPenalties => RepetitionPenalty != 1 || FrequencyPenalty != 0 || PresencePenalty != 0;

    /// <summary>Checks the values by themselves and against a layer.</summary>
    /// <exception cref="ArgumentException">A value is out of its range, or belongs to another layer.</exception>
    internal void Check(ISoftmaxVocabulary softmax)
    {
        Require(float.IsFinite(Temperature) && Temperature >= 0, nameof(Temperature), Temperature, "a finite number of 0 or more");
        Require(TopK >= 0, nameof(TopK), TopK, "0 (no limit) or more");
        Require(TopP is > 0 and <= 1, nameof(TopP), TopP, "above 0 and at most 1");
        Require(MinP is >= 0 and <= 1, nameof(MinP), MinP, "from 0 to 1");
        Require(float.IsFinite(RepetitionPenalty) && RepetitionPenalty > 0, nameof(RepetitionPenalty), RepetitionPenalty, "a finite number above 0");
        Require(MathF.Abs(FrequencyPenalty) <= LargestShift, nameof(FrequencyPenalty), FrequencyPenalty, "from -1E+20 to 1E+20");
        Require(MathF.Abs(PresencePenalty) <= LargestShift, nameof(PresencePenalty), PresencePenalty, "from -1E+20 to 1E+20");
        Require(TopLogProbs >= 0, nameof(TopLogProbs), TopLogProbs, "0 or more");
        Require(Sampler is SamplerKind.Inversion or SamplerKind.Gumbel, nameof(Sampler), Sampler, "Inversion or Gumbel");
        Require(LogProbError >= 0, nameof(LogProbError), LogProbError, "0 or more");
        if (Sampler == SamplerKind.Gumbel)
        {
            if (softmax.Layout.TailCount > 0) throw new ArgumentException($"{nameof(SamplerKind.Gumbel)} draws are for a softmax without tails; with tails the other draws compute only those they fall on.");
            if (TopLogProbs > 0) throw new ArgumentException(FormattableString.Invariant($"{nameof(SamplerKind.Gumbel)} draws rank no other tokens, and {nameof(TopLogProbs)} is {TopLogProbs}; ask TopK for them."));
            if (LogProbs != LogProbKind.Model) throw new ArgumentException($"{nameof(SamplerKind.Gumbel)} draws report the model's log-probs; set {nameof(LogProbs)} to {nameof(LogProbKind.Model)}.");
        }

        if (Bias is not null && !Bias.Identity.Equals(softmax.Identity)) throw new ArgumentException($"{nameof(Bias)} was made for another vocabulary; make it with this layer's CreateBias.");
        if (Mask is not null && !Mask.Identity.Equals(softmax.Identity)) throw new ArgumentException($"{nameof(Mask)} was made for another vocabulary; make it with this layer's CreateMask, CreateAllowMask or CreateDenyMask.");
    }

    private static void Require<T>(bool holds, string name, T value, string range)
    {
        if (!holds) throw new ArgumentException(FormattableString.Invariant($"{name} is {value}; it must be {range}."));
    }
}
