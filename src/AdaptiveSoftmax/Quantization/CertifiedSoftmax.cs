using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// Decodes greedily at nearly the memory traffic of int4 or int8, and predicts exactly what the stored weights predict: copies in
/// int4 and int8, with a rigorous error bound a row, exclude nearly all rows, and the weights themselves decide between the few that
/// are left.
/// </summary>
/// <remarks>
/// <see cref="SoftmaxDecoder.Predict(ReadOnlySpan{float}, Span{int})"/> of up to 7 hidden vectors is certified, and so are, without
/// tails, that of more, and top-k and <see cref="SamplerKind.Gumbel"/> draws, one by one and in batches, that ask for no exact log-prob
/// (<see cref="DecodeOptions.LogProbError"/>). Everything else (with tails larger batches, log-probs, scores) needs sums over all rows
/// or is not memory-bound, and is computed by the stored weights, with their bits. The layer or copy that has them must outlive this decoder, and must not change:
/// after any change of its weights this decoder refuses to decode. Safe from several threads at once.
/// </remarks>
public sealed unsafe partial class CertifiedSoftmax : SoftmaxDecoder
{
    /// <summary>
    /// Log-probs are sums and differences of float32 numbers, rounded three times at most. This times the magnitudes that go
    /// into two of them is twice what their roundings can amount to: values further apart than that keep their order.
    /// </summary>
    internal const double Rounding = 1.0 / (1 << 21);

    // In place of a token that bounds leave open; no id, and no fault's −1.
    private const int Open = int.MinValue;

    // So many vectors' bounds are in memory at once.
    private const int BlockInputs = 16;

    // Up to here a head's int8 copy may stay in a cache, where int4 has nothing to spare.
    private const long LargestCached = 8 << 20;

    private readonly SoftmaxDecoder _layer;
    private readonly long _certified;
    private readonly CertifiedCluster _head;
    private readonly CertifiedCluster[] _tails;
    private readonly CertifiedCounters _counters = new();

    /// <summary>Makes the copies.</summary>
    /// <param name="layer">The decoder of the stored weights.</param>
    /// <param name="head">Its head.</param>
    /// <param name="tails">Its tails.</param>
    /// <param name="certify">The stages.</param>
    /// <param name="options">How it runs.</param>
    /// <param name="loaded">Copies that were loaded with the stored weights, and stay theirs.</param>
    internal CertifiedSoftmax(SoftmaxDecoder layer, StoredRows head, IReadOnlyList<(StoredRows Projection, StoredRows Output)> tails, CertifyOptions certify, AdaptiveSoftmaxOptions options, CertifiedScreens? loaded = null)
        : base(layer.Identity, options, layer.Leases)
    {
        _layer = layer;
        _certified = layer.WeightsVersion;
        var isCached = (long)head.Rows * head.Columns <= LargestCached;
        WeightPrecision[] stages = certify.Stages switch
        {
            ScreeningStages.Int8 => [WeightPrecision.Int8],
            ScreeningStages.Int4 => [WeightPrecision.Int4],
            ScreeningStages.Automatic when isCached => [WeightPrecision.Int8],
            _ => [WeightPrecision.Int4, WeightPrecision.Int8],
        };
        var isAutomatic = certify.Stages == ScreeningStages.Automatic;
        var map = LogitMap.Of(Layout);
        _head = loaded is not null && (isAutomatic || loaded.Head.Select(screen => screen.Precision).SequenceEqual(stages))
            ? new CertifiedCluster(head, null, loaded.Head, isBorrowed: true) { IsAutomatic = isAutomatic, Map = map }
            : new CertifiedCluster(Pool, head, null, stages) { IsAutomatic = isAutomatic, Map = map };
        _tails = [.. tails.Select((tail, i) => loaded is null
            ? new CertifiedCluster(Pool, tail.Output, tail.Projection, WeightPrecision.Int8)
            : new CertifiedCluster(tail.Output, tail.Projection, [loaded.Tails[i]], isBorrowed: true))];
    }

    /// <summary>The bytes of the smaller copies, their scales and bounds, which are needed beside the stored weights.</summary>
    public long ScreeningBytes => _head.Bytes + _tails.Sum(tail => tail.Bytes);

    /// <summary>What was screened and what was read of the stored weights, since this decoder was made.</summary>
    public CertifiedStatistics Statistics => _counters.Read();

    internal override IDecodingCluster DecodingHead => Unchanged.DecodingHead;

    internal override IReadOnlyList<IDecodingCluster> DecodingTails => _layer.DecodingTails;

    internal override ScreenedLogits? CreateScreenedLogits() => Layout.TailCount == 0 ? new CertifiedLogits(this, _head) : null;

    private SoftmaxDecoder Unchanged
    {
        get
        {
            if (_layer.WeightsVersion != _certified)
                throw new InvalidOperationException("The layer's weights have changed since Certify() was called, so its bounds no longer hold; dispose this decoder and call Certify() again.");
            return _layer;
        }
    }

    private protected override long Version => _layer.WeightsVersion;

    /// <inheritdoc/>
    protected override int FindSlot(int tokenId) => _layer.SlotOf(tokenId);

    /// <inheritdoc/>
    protected override int GetTokenId(int slot) => _layer.TokenOf(slot);

    /// <summary>Disposes and refuses where a weight is not finite.</summary>
    /// <exception cref="DecodeException">One is not.</exception>
    internal void CheckFinite()
    {
        for (var i = -1; i < _tails.Length; i++)
        {
            if ((i < 0 ? _head : _tails[i]).IsFinite) continue;
            Dispose();
            throw new DecodeException([new DecodeFault(
                -1, i < 0 ? DecodeFaultKind.HeadNotFinite : DecodeFaultKind.TailNotFinite, i + 1,
                FormattableString.Invariant($"{(i < 0 ? "The head" : FormattableString.Invariant($"Tail {i}"))} holds values that are not finite; only finite weights can be certified. Restore them from a sound file."))]);
        }
    }

    private protected override void DisposeWeights() => Leases.WhenUnused(() =>
    {
        _head.Dispose();
        foreach (var tail in _tails) tail.Dispose();
    });

    private protected override int PredictOne(Scratch scratch, float* hidden, int number, ref DecodeFaults faults, out int tailsVisited)
    {
        ThrowIfChanged();
        var search = new ScreenedSearch(scratch, hidden);
        var isFound = TryScreen(ref search);
        Count(search.Counts, isFound);
        _counters.AddStoredTails(search.StoredTails);
        tailsVisited = search.TailsVisited;
        if (isFound) return search.Best.Slot;
        return base.PredictOne(scratch, hidden, number, ref faults, out tailsVisited);
    }

    private protected override int BlockStep => Layout.TailCount == 0 ? BlockInputs : base.BlockStep;

    // Without tails, the rows are read once for the vectors of a step; those that bounds leave open are blocks of their own, whose
    // bits are those of any block.
    private protected override void PredictBlock(Scratch scratch, float* hidden, int first, Span<int> tokens, ClusterTally tally, ref DecodeFaults faults)
    {
        ThrowIfChanged();
        if (Layout.TailCount > 0)
        {
            base.PredictBlock(scratch, hidden, first, tokens, tally, ref faults);
            return;
        }

        using var scope = scratch.Begin();
        var counts = default(ScreenCounts);
        Span<int> members = stackalloc int[tokens.Length];
        for (var i = 0; i < members.Length; i++) members[i] = i;
        var screenings = _head.ScreenBlock(Pool, scratch, hidden, members, _head.FirstStageOf(tokens.Length), ref counts);
        for (var i = 0; i < tokens.Length; i++)
        {
            using var ofVector = scratch.Begin();
            var isFound = screenings[i].Upper is not null
                && _head.FindBest(scratch, screenings[i], Layout.ShortlistSize, Magnitude(screenings[i].LargestBound, Layout.HeadRows), out _, out tokens[i], ref counts) == ScreenOutcome.Found;
            Count(counts, isFound);
            counts = default;
            if (isFound) tally.Add(cluster: 0, tailsVisited: 0);
            tokens[i] = isFound ? GetTokenId(tokens[i]) : Open;
        }

        // Those that stand together are one product.
        for (var i = tokens.IndexOf(Open); i >= 0; i = tokens.IndexOf(Open))
        {
            var rest = tokens[i..].IndexOfAnyExcept(Open);
            var run = tokens.Slice(i, rest < 0 ? tokens.Length - i : rest);
            base.PredictBlock(scratch, hidden + ((nint)i * Layout.HiddenSize), first + i, run, tally, ref faults);
        }
    }

    // A token's log-prob is its value here less the head's log-sum-exp, which is common to all and never computed: a value
    // is the logit in the shortlist, and (logit − the tail's log-sum-exp) + the cluster's logit in a tail.
    private bool TryScreen(ref ScreenedSearch search)
    {
        Screening head;
        float logit;
        int row;
        var outcome = ScreenOutcome.TooMany;
        var stage = _head.FirstStage;
        do
        {
            if (!_head.Screen(Pool, search.Scratch, search.Hidden, stage++, withSums: false, out head, ref search.Counts)) return false;
            search.HeadMagnitude = Magnitude(head.LargestBound, Layout.HeadRows);
            outcome = _head.FindBest(search.Scratch, head, Layout.ShortlistSize, search.HeadMagnitude, out logit, out row, ref search.Counts);
        }
        while (outcome == ScreenOutcome.TooMany);

        if (outcome != ScreenOutcome.Found) return false;
        search.HeadMagnitude += Math.Abs(logit);
        search.Best = new Candidate(Tail: -1, Slot: row, logit, logit, logit, search.HeadMagnitude + Math.Abs(logit));
        var clusters = head.Upper + Layout.ShortlistSize;
        for (var i = 0; i < Layout.TailCount; i++) clusters[i] = ClusterLogit(ref search, head, i, clusters[i], logit);
        for (var tail = MostProbable(clusters); tail >= 0; tail = MostProbable(clusters))
        {
            if (!TryTail(ref search, tail, clusters[tail])) return false;
            clusters[tail] = float.NegativeInfinity;
        }

        return true;
    }

    // −∞ where the cluster's logit is not above the best one of the shortlist: no token has a higher log-prob than its
    // cluster, and of equal ones the shortlist's has the lower slot.
    private float ClusterLogit(ref ScreenedSearch search, in Screening head, int tail, float upper, float best)
    {
        if (upper <= best || _head.Refine(head, Layout.ShortlistSize + tail, ref search.Counts) <= best) return float.NegativeInfinity;
        search.Counts.Rescored++;
        var logit = _head.Rescore(head, Layout.ShortlistSize + tail);
        return logit <= best ? float.NegativeInfinity : logit;
    }

    /// <summary>Refuses weights that are no longer those that were certified.</summary>
    internal void ThrowIfChanged() => _ = Unchanged;

    /// <summary>Counts a hidden vector.</summary>
    /// <param name="counts">The rows.</param>
    /// <param name="isDecided">Whether it was not left to the stored weights.</param>
    /// <param name="hangsOnMasses">Whether its choice hung on a sum over all rows.</param>
    internal void Count(in ScreenCounts counts, bool isDecided, bool hangsOnMasses = false) => _counters.Add(counts, isDecided, hangsOnMasses);

    private int MostProbable(float* clusters)
    {
        var best = -1;
        for (var i = 0; i < Layout.TailCount; i++)
        {
            if (clusters[i] > float.NegativeInfinity && (best < 0 || clusters[i] > clusters[best])) best = i;
        }

        return best;
    }

    private bool TryTail(ref ScreenedSearch search, int tail, float clusterLogit)
    {
        var weights = _tails[tail];
        if (clusterLogit < search.Best.Low - ((search.HeadMagnitude + search.Best.Magnitude + Math.Abs(clusterLogit)) * Rounding)) return true;
        search.TailsVisited++;
        using var scope = search.Scratch.Begin();
        var input = weights.Input(Pool, search.Scratch, search.Hidden);
        if (!weights.Screen(Pool, search.Scratch, input, stage: 0, withSums: true, out var screening, ref search.Counts)) return false;
        var largest = screening.LargestBound;
        var (low, high) = weights.LogSumExp(screening);
        var magnitude = search.HeadMagnitude + Math.Abs(clusterLogit) + Magnitude(largest, weights.Rows) + Math.Max(Math.Abs(low), Math.Abs(high));
        var bar = search.Best.Low - ((search.Best.Magnitude + magnitude) * Rounding);
        if (clusterLogit + largest - low < bar) return true;
        if (weights.FindBest(search.Scratch, screening, weights.Rows, magnitude, out var logit, out var row, ref search.Counts) != ScreenOutcome.Found) return false;
        magnitude += Math.Abs(logit);
        var found = new Candidate(tail, Layout.Tails[tail].Start + row, (double)clusterLogit + logit, clusterLogit + (double)logit - high, clusterLogit + (double)logit - Math.Max(low, logit), magnitude);
        return TryDecide(ref search, found);
    }

    // Where the intervals leave it open, the stored weights give the log-sum-exp of the tails concerned.
    private bool TryDecide(ref ScreenedSearch search, Candidate found)
    {
        for (var step = 0; ; step++)
        {
            var rounding = (search.Best.Magnitude + found.Magnitude) * Rounding;
            if (found.High < search.Best.Low - rounding) return true;
            if (found.Low > search.Best.High + rounding)
            {
                search.Best = found;
                return true;
            }

            if (step == 2) return false;
            if (step == 0) found = Tighten(ref search, found);
            else search.Best = Tighten(ref search, search.Best);
        }
    }

    private Candidate Tighten(ref ScreenedSearch search, Candidate candidate)
    {
        if (candidate.Low == candidate.High) return candidate;
        search.StoredTails++;
        var logits = search.Scratch.Floats(Layout.Tails[candidate.Tail].Size);
        var value = candidate.Logits - _layer.DecodingTails[candidate.Tail].ForwardOne(Pool, search.Scratch, search.Hidden, logits).LogSumExp[0];
        return candidate with { Low = value, High = value };
    }

    // No log-sum-exp of so many logits, nor a logit that reaches it, is further from 0.
    private static double Magnitude(float largest, int rows) => Math.Abs(largest) + Math.Log(rows) + 1;

    /// <summary>The best token of the shortlist or of a tail.</summary>
    /// <param name="Tail">The tail; −1 for the shortlist.</param>
    /// <param name="Slot">The token's slot.</param>
    /// <param name="Logits">Its logit and its cluster's together.</param>
    /// <param name="Low">Its value is not below this.</param>
    /// <param name="High">Its value is not above this.</param>
    /// <param name="Magnitude">The sum of the magnitudes that its log-prob is computed from.</param>
    private readonly record struct Candidate(int Tail, int Slot, double Logits, double Low, double High, double Magnitude);

    private ref struct ScreenedSearch(Scratch scratch, float* hidden)
    {
        public readonly Scratch Scratch = scratch;
        public readonly float* Hidden = hidden;
        public Candidate Best;
        public double HeadMagnitude;
        public int TailsVisited;
        public ScreenCounts Counts;
        public long StoredTails;
    }
}
