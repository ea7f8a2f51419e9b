namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// What a step of a softmax takes on a machine, in nanoseconds: the products of the head for all tokens of the batch, and
/// those of each tail for the tokens that visit it. After Grave et al. 2017 (section 4) a product takes a time of its own
/// and grows with its rows; here the times are measured, and decoding visits what exact decoding really visits.
/// </summary>
/// <remarks>
/// <para>Which share of a batch's tokens visits a tail that p of all occurrences fall on:</para>
/// <list type="bullet">
/// <item>Training and drawing: p. A draw visits a tail exactly where it falls into it.</item>
/// <item>
/// Greedy: decoding visits a tail whose probability exceeds that of the best token so far. The estimate takes a context to
/// know the next token with a confidence c, equally likely anywhere from 0 to 1, and to expect all else by frequency. A tail
/// that holds the token is visited; another one where its share (1 − c) p exceeds c + (1 − c) r, r the share of the most
/// frequent token: p + (1 − p) t / (1 + t) in all, with t = max(0, p − r).
/// </item>
/// <item>
/// Top-k: the k-th best token is what a tail must exceed, about (1 − c) r with r the share of the k-th most frequent token,
/// and clusters scatter around their shares: p + (1 − p) p / (p + r).
/// </item>
/// <item>Serving: halfway between greedy and drawing.</item>
/// </list>
/// </remarks>
public sealed record SoftmaxCostModel
{
    private const int MaximumTokensOneByOne = 7;

    private readonly int _batch = 256;

    // A block of a larger batch: in lanes, however few tokens it has.
    private bool _isBlock;

    /// <summary>What the machine takes.</summary>
    public MachineProfile Machine { get; init; } = MachineProfile.Default;

    /// <summary>What the softmax does.</summary>
    public SoftmaxUse Use { get; init; }

    /// <summary>The tokens of a step, at least 1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is below 1.</exception>
    public int Batch
    {
        get => _batch;
        init => _batch = value >= 1 ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "A batch has at least one token.");
    }

    /// <summary>How many tokens <see cref="SoftmaxUse.TopK"/> asks for, at least 1.</summary>
    public int TopK { get; init; } = 40;

    /// <summary>
    /// The share r of the token that a tail must exceed in a context that says nothing: the most frequent one, or the k-th
    /// for top-k. <see cref="For"/> takes it from counts.
    /// </summary>
    public double RivalShare { get; init; }

    private bool IsTraining => Use == SoftmaxUse.Training;

    // As the runtime decodes: a session's batches, and greedy ones of more than a few tokens, are products of this many lanes
    // however few tokens visit a tail; greedy ones of a few tokens are decoded one by one.
    private bool IsInLanes => !IsTraining && (_isBlock || Batch > (IsGreedyOnCpu ? MaximumTokensOneByOne : 1));

    private bool IsOneByOne => IsGreedyOnCpu && Batch <= MaximumTokensOneByOne && !_isBlock;

    // The batches of fewer tokens were measured without lanes: all of greedy decoding's, and the single token of a session or a device.
    private int LeastTogether => !IsInLanes ? 1 : IsGreedyOnCpu ? LogitBlocks.LaneMultiple : 2;

    private bool IsGreedyOnCpu => Use == SoftmaxUse.Greedy && Machine.Device is null;

    /// <summary>What a step consists of, each as often as the others: a server decodes greedily and draws.</summary>
    internal IReadOnlyList<SoftmaxCostModel> Parts => Use == SoftmaxUse.Serving ? [this with { Use = SoftmaxUse.Greedy }, this with { Use = SoftmaxUse.Sampling }] : [this];

    /// <summary>
    /// The blocks in which the runtime takes a decoding batch, each as often as the number says: no more tokens than have room for
    /// their logits over the largest cluster. Each block reads the weights that it needs, and visits the tails, anew.
    /// </summary>
    /// <param name="mostRows">The rows of the largest cluster.</param>
    internal IReadOnlyList<(SoftmaxCostModel Model, int Times)> BlocksOf(double mostRows)
    {
        var size = BlockSizeOf(mostRows);
        var whole = (BlockOf(size), Batch / size);
        return Batch % size == 0 ? [whole] : [whole, (BlockOf(Batch % size), 1)];
    }

    /// <summary>The tokens of a block; the whole batch where that is one.</summary>
    internal int BlockSizeOf(double mostRows) => IsInLanes && Machine.Device is null ? Math.Min(Batch, LogitBlocks.SizeFor((long)mostRows)) : Batch;

    /// <summary>This model of a block of the batch.</summary>
    internal SoftmaxCostModel BlockOf(int tokens) => tokens == Batch ? this : this with { Batch = tokens, _isBlock = true };

    /// <summary>The batch that a use mostly has: 256 targets of a training step, 16 sequences of a server, one token else.</summary>
    /// <param name="use">What the softmax does.</param>
    public static int DefaultBatch(SoftmaxUse use) => use switch
    {
        SoftmaxUse.Training => 256,
        SoftmaxUse.Serving => 16,
        _ => 1,
    };

    /// <summary>This model with the rival's share from counts.</summary>
    /// <param name="counts">How often each token occurs, in any order.</param>
    public SoftmaxCostModel For(ReadOnlySpan<long> counts)
    {
        if (Use is SoftmaxUse.Training or SoftmaxUse.Sampling || counts.IsEmpty) return this;
        var descending = counts.ToArray();
        Array.Sort(descending);
        Array.Reverse(descending);
        var total = TokenShares.Sum(descending);
        var rival = descending[Math.Min(Use == SoftmaxUse.TopK ? Math.Max(TopK, 1) : 1, descending.Length) - 1];
        return this with { RivalShare = total > 0 ? rival / total : 0 };
    }

    /// <summary>The nanoseconds of the head alone, in which every token takes part.</summary>
    /// <param name="rows">The head's rows: shortlist and clusters.</param>
    /// <param name="hiddenSize">The hidden size H.</param>
    /// <exception cref="NotSupportedException">The machine's profile has no times of the use.</exception>
    public double CostOfHead(long rows, int hiddenSize) => Parts.Average(part => part.BlocksOf(rows).Sum(block => block.Times * block.Model.Head(hiddenSize).CostOf(rows)));

    /// <summary>The expected nanoseconds of a tail alone. A step in which no token visits it pays nothing, on a device its launches.</summary>
    /// <param name="size">The tokens in the cluster.</param>
    /// <param name="width">The width of its projection.</param>
    /// <param name="hiddenSize">The hidden size H.</param>
    /// <param name="share">The share of occurrences that fall on the cluster.</param>
    /// <exception cref="NotSupportedException">The machine's profile has no times of the use.</exception>
    public double CostOfTail(long size, int width, int hiddenSize, double share) =>
        Parts.Average(part => part.BlocksOf(size).Sum(block => block.Times * block.Model.Tail(width, hiddenSize).CostOf(size, block.Model.VisitsOf(part.VisitProbability(share)))));

    /// <summary>The expected nanoseconds of a step with a layout, whose clusters push each other out of the caches in decoding.</summary>
    /// <param name="layout">The sizes of head and tails.</param>
    /// <param name="coverage">The share of occurrences on the shortlist, then on each tail cluster.</param>
    /// <exception cref="ArgumentException">There is not one share for each.</exception>
    /// <exception cref="NotSupportedException">The machine's profile has no times of the use.</exception>
    public double CostOf(SoftmaxLayout layout, IReadOnlyList<double> coverage)
    {
        if (layout is null) throw new ArgumentNullException(nameof(layout));
        if (coverage is null) throw new ArgumentNullException(nameof(coverage));
        if (coverage.Count != layout.TailCount + 1)
            throw new ArgumentException(FormattableString.Invariant($"There are {coverage.Count} shares for a shortlist and {layout.TailCount} clusters; give one each."), nameof(coverage));
        double[] sizes = [.. layout.Tails.Select(tail => (double)tail.Size)];
        return Parts.Average(part => new StepCosts(part, layout.HiddenSize, [.. layout.Tails.Select(tail => tail.ProjectionWidth)])
            .CostOf(layout.HeadRows, sizes, [.. layout.Tails.Select(tail => part.VisitProbability(coverage[tail.Cluster]))]));
    }

    /// <summary>The probability that a token visits a tail with a share of the occurrences.</summary>
    /// <param name="share">The share, from 0 to 1.</param>
    public double VisitProbability(double share)
    {
        if (!(share > 0)) return 0;
        var p = Math.Min(share, 1);
        var excess = Math.Max(0, p - RivalShare);
        return Use switch
        {
            SoftmaxUse.Greedy => p + ((1 - p) * excess / (1 + excess)),
            SoftmaxUse.TopK => p + ((1 - p) * p / (p + RivalShare)),
            SoftmaxUse.Serving => p + ((1 - p) * excess / (1 + excess) / 2),
            _ => p,
        };
    }

    /// <summary>The share of steps that visit a tail, and the tokens of such a step that do.</summary>
    internal TailVisits VisitsOf(double probability)
    {
        if (probability <= 0) return default;
        if (IsOneByOne) return new TailVisits(Batch * Math.Min(probability, 1), 1, Math.Min(probability, 1));
        // Powers by squaring are the same bits on every platform, which the library's are not.
        var missed = 1.0;
        var factor = 1 - Math.Min(probability, 1);
        for (var exponent = Batch; exponent > 0; exponent >>= 1)
        {
            if ((exponent & 1) != 0) missed *= factor;
            factor *= factor;
        }

        // Where the probability is too small for the difference to 1, the sum of the tokens' chances is exact enough.
        var expected = Batch * probability;
        var visited = missed < 1 ? Math.Min(1 - missed, expected) : expected;
        return new TailVisits(visited, expected / visited, visited);
    }

    /// <summary>The cost of heads of a hidden size, of a model that is one part.</summary>
    internal HeadCosts Head(int hiddenSize) => IsTraining
        ? new HeadCosts(Machine.TrainingHeadTime, Machine.Training.At(hiddenSize, Batch) + (hiddenSize * Machine.UpdateTime), 0, null, 1, hiddenSize, default)
        : new HeadCosts(
            IsInLanes ? Machine.BatchHeadTime : (IsOneByOne ? Batch : 1) * (Machine.DecodingHeadTime + CallTime),
            IsOneByOne ? Batch * Machine.Greedy.At(hiddenSize, 1) : Machine.TimesOf(Use).At(hiddenSize, Math.Max(Batch, LeastTogether)),
            IsInLanes ? Machine.FarTimesOf(Use)?.At(hiddenSize, Math.Max(Batch, LeastTogether)) ?? 0 : 0,
            Machine,
            IsOneByOne ? Batch : 1,
            hiddenSize,
            Selection with { Tokens = Batch });

    /// <summary>The cost of tails of a width, of a model that is one part.</summary>
    internal TailCosts Tail(int width, int hiddenSize) => new(
        Machine.TimesOf(Use),
        IsInLanes ? Machine.FarTimesOf(Use) : null,
        IsTraining ? null : Machine,
        IsTraining ? Machine.TrainingTailTime : IsInLanes ? Machine.BatchTailTime : Machine.DecodingTailTime,
        IsTraining ? Machine.UpdateTime : 0,
        width,
        hiddenSize,
        LeastTogether,
        Selection)
    {
        IsAlwaysLaunched = Machine.Device is not null,
    };

    // Of one token.
    private double CallTime => Use switch
    {
        SoftmaxUse.Greedy => Machine.GreedyCallTime,
        SoftmaxUse.TopK => Machine.TopKCallTime + (Math.Max(TopK, 1) * Machine.CandidateTime),
        _ => Machine.SamplingCallTime,
    };

    private SelectionCosts Selection => Use == SoftmaxUse.TopK ? new SelectionCosts(Machine.SelectionTime, Math.Max(TopK, 1), 1) : default;
}

/// <summary>How often steps visit a tail.</summary>
/// <param name="Visited">The share of steps that do, or their number where each token of a step is one of its own.</param>
/// <param name="Tokens">The tokens of such a step that do.</param>
/// <param name="Chance">The share of reads of the head after which the tail is read.</param>
internal readonly record struct TailVisits(double Visited, double Tokens, double Chance);
