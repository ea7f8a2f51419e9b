namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// What a <c>*.softmax.json</c> says, checked as far as it can be without the token table. Two specs are equal when
/// they say the same, however they are laid out.
/// </summary>
public sealed record SoftmaxSpec
{
    /// <summary>The greatest hidden size and projection width.</summary>
    public const int MaximumWidth = SoftmaxLayout.MaximumWidth;

    /// <summary>The div value of a spec that gives none, as in PyTorch.</summary>
    public const double DefaultDivValue = 4.0;

    /// <summary>The seed of a spec that gives none.</summary>
    public const ulong DefaultSeed = 1;

    /// <summary>The hidden size H, <c>in_features</c> in PyTorch; from 1 to <see cref="MaximumWidth"/>.</summary>
    public int HiddenSize { get; init; }

    /// <summary>The name of the token table as the spec writes it, or null where the tokens are inline.</summary>
    public string? TableFile { get; init; }

    /// <summary>The tokens that the spec holds inline, or null where it names a token table.</summary>
    public TokenTable? InlineTable { get; init; }

    /// <summary>Whether it is a full softmax: every token in the head, no tails; <c>"softmax": "full"</c>.</summary>
    public bool IsFull { get; init; }

    /// <summary>The first slot of each tail cluster, ascending, empty for a full softmax; as PyTorch's <c>cutoffs</c>.</summary>
    public EquatableArray<int> Cutoffs { get; init; }

    /// <summary>The factor by which each cluster's projection narrows, <c>div_value</c> in PyTorch.</summary>
    public double DivValue { get; init; } = DefaultDivValue;

    /// <summary>The projection width of each tail cluster where the spec gives them, else empty.</summary>
    public EquatableArray<int> Projections { get; init; }

    /// <summary>Whether the head has a bias, <c>head_bias</c> in PyTorch.</summary>
    public bool HeadBias { get; init; }

    /// <summary>What a full softmax's logits are multiplied by, <c>logit_scale</c> of other libraries; 1 for nothing.</summary>
    public double LogitScale { get; init; } = 1;

    /// <summary>The cap c of c · tanh(logit / c), <c>final_logit_softcapping</c> of other libraries; ∞ for none.</summary>
    public double LogitSoftCap { get; init; } = double.PositiveInfinity;

    /// <summary>The precision of the head's weight.</summary>
    public WeightPrecision HeadPrecision { get; init; }

    /// <summary>The precision of each tail cluster's weights, one for each cutoff.</summary>
    public EquatableArray<WeightPrecision> TailPrecisions { get; init; }

    /// <summary>The seed of the initialisation where the caller gives none.</summary>
    public ulong Seed { get; init; } = DefaultSeed;

    /// <summary>The layout of this spec over a vocabulary.</summary>
    /// <param name="vocabularySize">The number of tokens V.</param>
    /// <exception cref="ArgumentException">The sizes do not describe a softmax; the message says which.</exception>
    public SoftmaxLayout CreateLayout(int vocabularySize) => IsFull ? SoftmaxLayout.CreateFull(HiddenSize, vocabularySize, HeadBias, LogitScale, LogitSoftCap)
        : Projections.Count > 0 ? SoftmaxLayout.Create(HiddenSize, vocabularySize, Cutoffs, Projections, HeadBias)
        : SoftmaxLayout.Create(HiddenSize, vocabularySize, Cutoffs, DivValue, HeadBias);
}
