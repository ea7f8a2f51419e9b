using static System.FormattableString;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// The sizes of an adaptive softmax: which slots stand in the head, which in each tail cluster, and how wide each
/// cluster's projection is. Slots are ranks of tokens by descending count, so slot 0 is the most frequent token.
/// </summary>
public sealed class SoftmaxLayout : IEquatable<SoftmaxLayout>
{
    /// <summary>The greatest hidden size and projection width.</summary>
    public const int MaximumWidth = 1 << 20;

    /// <summary>The least <see cref="LogitScale"/> and <see cref="LogitSoftCap"/>.</summary>
    public const double MinimumLogitFactor = 1e-6;

    /// <summary>The greatest <see cref="LogitScale"/>, and the greatest <see cref="LogitSoftCap"/> of those that cap anything.</summary>
    public const double MaximumLogitFactor = 1e6;

    private readonly TailCluster[] _tails;
    private readonly int[] _cutoffs;

    private SoftmaxLayout(int hiddenSize, int vocabularySize, int shortlistSize, bool hasHeadBias, TailCluster[] tails)
    {
        HiddenSize = hiddenSize;
        VocabularySize = vocabularySize;
        ShortlistSize = shortlistSize;
        HasHeadBias = hasHeadBias;
        _tails = tails;
        _cutoffs = [.. tails.Select(tail => tail.Start)];
    }

    /// <summary>The hidden size H, <c>in_features</c> in PyTorch.</summary>
    public int HiddenSize { get; }

    /// <summary>The number of tokens V, <c>n_classes</c> in PyTorch.</summary>
    public int VocabularySize { get; }

    /// <summary>The number of tokens in the head, <c>cutoffs[0]</c> in PyTorch; V where there are no tails.</summary>
    public int ShortlistSize { get; }

    /// <summary>Whether the head has a bias, <c>head_bias</c> in PyTorch.</summary>
    public bool HasHeadBias { get; }

    /// <summary>What logits, bias included, are multiplied by before anything else is done with them; 1 for nothing.</summary>
    public double LogitScale { get; private init; } = 1;

    /// <summary>The cap c of c · tanh(logit / c), which takes the place of each scaled logit; ∞ for none.</summary>
    public double LogitSoftCap { get; private init; } = double.PositiveInfinity;

    /// <summary>Whether logits are scaled or capped, so that they are not the products of weights and hidden vectors.</summary>
    public bool MapsLogits => LogitScale != 1 || !double.IsInfinity(LogitSoftCap);

    /// <summary>The number of tail clusters K.</summary>
    public int TailCount => _tails.Length;

    /// <summary>The rows of the head's weight: one for each shortlist token, then one for each tail cluster.</summary>
    public int HeadRows => ShortlistSize + TailCount;

    /// <summary>The tail clusters in slot order.</summary>
    public IReadOnlyList<TailCluster> Tails => _tails;

    /// <summary>The number of trainable values in head and tails.</summary>
    public long ParameterCount
    {
        get
        {
            var count = HeadParameterCount;
            for (var i = 0; i < TailCount; i++) count += GetTailParameterCount(i);
            return count;
        }
    }

    /// <summary>The bytes of all trainable values in float32.</summary>
    public long ParameterBytes => ParameterCount * sizeof(float);

    /// <summary>The number of trainable values in the head: weight [head rows, hidden], and bias [head rows] if it has one.</summary>
    public long HeadParameterCount => ((long)HeadRows * HiddenSize) + (HasHeadBias ? HeadRows : 0);

    /// <summary>The number of trainable values in a tail cluster: projection [width, hidden] and output [size, width].</summary>
    /// <param name="index">The tail's <see cref="TailCluster.Index"/>.</param>
    /// <exception cref="IndexOutOfRangeException">There is no such tail.</exception>
    public long GetTailParameterCount(int index)
    {
        var tail = _tails[index];
        return (long)tail.ProjectionWidth * ((long)HiddenSize + tail.Size);
    }

    /// <summary>Creates the layout of an adaptive softmax with PyTorch's projection widths.</summary>
    /// <param name="hiddenSize">The hidden size H, from 1 to <see cref="MaximumWidth"/>.</param>
    /// <param name="vocabularySize">The number of tokens V, at least 2.</param>
    /// <param name="cutoffs">Ascending first slots of the tail clusters, each from 1 to V − 1.</param>
    /// <param name="divValue">The factor by which each cluster's projection narrows.</param>
    /// <param name="hasHeadBias">Whether the head has a bias.</param>
    /// <exception cref="ArgumentException">The sizes do not describe an adaptive softmax; the message says which.</exception>
    public static SoftmaxLayout Create(int hiddenSize, int vocabularySize, IReadOnlyList<int> cutoffs, double divValue = 4.0, bool hasHeadBias = false)
    {
        if (cutoffs is null) throw new ArgumentNullException(nameof(cutoffs));
        if (!(divValue > 0) || double.IsInfinity(divValue))
            throw new ArgumentException(Invariant($"The div value is {divValue}; it must be a positive finite number."), nameof(divValue));
        var widths = new int[cutoffs.Count];
        for (var i = 0; i < widths.Length; i++) widths[i] = ProjectionWidth.Compute(hiddenSize, divValue, i);
        return Create(hiddenSize, vocabularySize, cutoffs, widths, hasHeadBias);
    }

    /// <summary>Creates the layout of an adaptive softmax with explicit projection widths.</summary>
    /// <param name="hiddenSize">The hidden size H, from 1 to <see cref="MaximumWidth"/>.</param>
    /// <param name="vocabularySize">The number of tokens V, at least 2.</param>
    /// <param name="cutoffs">Ascending first slots of the tail clusters, each from 1 to V − 1.</param>
    /// <param name="projections">The projection width of each tail cluster, each from 1 to <see cref="MaximumWidth"/>.</param>
    /// <param name="hasHeadBias">Whether the head has a bias.</param>
    /// <exception cref="ArgumentException">The sizes do not describe an adaptive softmax; the message says which.</exception>
    public static SoftmaxLayout Create(int hiddenSize, int vocabularySize, IReadOnlyList<int> cutoffs, IReadOnlyList<int> projections, bool hasHeadBias = false)
    {
        if (cutoffs is null) throw new ArgumentNullException(nameof(cutoffs));
        if (projections is null) throw new ArgumentNullException(nameof(projections));
        if (cutoffs.Count == 0)
            throw new ArgumentException("There are no cutoffs; an adaptive softmax needs at least one.", nameof(cutoffs));
        if (projections.Count != cutoffs.Count)
            throw new ArgumentException(Invariant($"There are {projections.Count} projections for {cutoffs.Count} tail clusters; give one a cluster."), nameof(projections));
        CheckSizes(hiddenSize, vocabularySize);
        var tails = new TailCluster[cutoffs.Count];
        for (var i = 0; i < tails.Length; i++)
        {
            var start = cutoffs[i];
            var previous = i == 0 ? 0 : cutoffs[i - 1];
            if (start <= previous)
                throw new ArgumentException(Invariant($"Cutoff {i} is {start}; cutoffs must ascend and start at 1 or more."), nameof(cutoffs));
            if (start >= vocabularySize)
                throw new ArgumentException(Invariant($"Cutoff {i} is {start}; it must be below the vocabulary size {vocabularySize}."), nameof(cutoffs));
            if (projections[i] < 1)
                throw new ArgumentException(Invariant($"The projection of tail cluster {i} has width {projections[i]}; it must be at least 1, so lower the div value or raise the hidden size."), nameof(projections));
            if (projections[i] > MaximumWidth)
                throw new ArgumentException(Invariant($"The projection of tail cluster {i} has width {projections[i]}; it must be at most {MaximumWidth}, so raise the div value or lower the hidden size."), nameof(projections));
            var end = i + 1 < tails.Length ? cutoffs[i + 1] : vocabularySize;
            tails[i] = new TailCluster(i, start, end - start, projections[i]);
        }

        return new SoftmaxLayout(hiddenSize, vocabularySize, cutoffs[0], hasHeadBias, tails);
    }

    /// <summary>Creates the layout of a full softmax: every token in the head, no tails.</summary>
    /// <param name="hiddenSize">The hidden size H, from 1 to <see cref="MaximumWidth"/>.</param>
    /// <param name="vocabularySize">The number of tokens V, at least 2.</param>
    /// <param name="hasHeadBias">Whether the head has a bias.</param>
    /// <param name="logitScale">What logits are multiplied by, from <see cref="MinimumLogitFactor"/> to <see cref="MaximumLogitFactor"/>.</param>
    /// <param name="logitSoftCap">The cap of scaled logits, in the same range, or ∞ for none.</param>
    /// <exception cref="ArgumentException">A size is too small, or scale or cap are out of range; the message says which.</exception>
    public static SoftmaxLayout CreateFull(int hiddenSize, int vocabularySize, bool hasHeadBias = false, double logitScale = 1, double logitSoftCap = double.PositiveInfinity)
    {
        CheckSizes(hiddenSize, vocabularySize);
        CheckFactor(logitScale, "logit scale", nameof(logitScale));
        if (!double.IsPositiveInfinity(logitSoftCap)) CheckFactor(logitSoftCap, "soft cap of logits", nameof(logitSoftCap));
        return new SoftmaxLayout(hiddenSize, vocabularySize, vocabularySize, hasHeadBias, []) { LogitScale = logitScale, LogitSoftCap = logitSoftCap };
    }

    /// <summary>The cluster of a slot: 0 for the head's shortlist, i + 1 for tail i.</summary>
    /// <param name="slot">A slot in [0, V).</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such slot.</exception>
    public int ClusterOf(int slot)
    {
        if ((uint)slot >= (uint)VocabularySize)
            throw new ArgumentOutOfRangeException(nameof(slot), slot, Invariant($"The slot must be in [0, {VocabularySize})."));
        return FindCluster(slot, _cutoffs);
    }

    /// <summary>Whether another layout has the same sizes.</summary>
    /// <param name="other">The other layout.</param>
    public bool Equals(SoftmaxLayout? other) =>
        ReferenceEquals(this, other) || (other is not null && HiddenSize == other.HiddenSize && VocabularySize == other.VocabularySize
            && ShortlistSize == other.ShortlistSize && HasHeadBias == other.HasHeadBias
            && LogitScale == other.LogitScale && LogitSoftCap == other.LogitSoftCap && _tails.SequenceEqual(other._tails));

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as SoftmaxLayout);

    /// <inheritdoc/>
    public override int GetHashCode() => unchecked((((HiddenSize * 31) + VocabularySize) * 31) + HeadRows);

    /// <summary>The cluster of a slot: 0 for the head's shortlist, i + 1 for tail i.</summary>
    internal static int FindCluster(int slot, ReadOnlySpan<int> cutoffs)
    {
        var cluster = 0;
        while (cluster < cutoffs.Length && slot >= cutoffs[cluster]) cluster++;
        return cluster;
    }

    private static void CheckFactor(double value, string what, string argument)
    {
        if (value is not (>= MinimumLogitFactor and <= MaximumLogitFactor))
            throw new ArgumentException(Invariant($"The {what} is {value}; it must be from {MinimumLogitFactor} to {MaximumLogitFactor}."), argument);
    }

    private static void CheckSizes(int hiddenSize, int vocabularySize)
    {
        if (hiddenSize is < 1 or > MaximumWidth)
            throw new ArgumentException(Invariant($"The hidden size is {hiddenSize}; it must be from 1 to {MaximumWidth}."), nameof(hiddenSize));
        if (vocabularySize < 2)
            throw new ArgumentException(Invariant($"The vocabulary has {vocabularySize} tokens; a softmax needs at least 2."), nameof(vocabularySize));
    }
}
