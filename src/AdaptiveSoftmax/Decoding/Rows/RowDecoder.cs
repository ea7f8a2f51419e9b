using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// Chooses the next token for one hidden vector: takes the head's log-probs, says one after the other which tails it must
/// see, and then has the token. It never keeps the scores of a tail, so many rows can be decoded side by side.
/// </summary>
/// <remarks>
/// Exact, since no token of a tail has a higher score than the tail's bound.
/// </remarks>
internal sealed unsafe partial class RowDecoder
{
    private readonly SoftmaxLayout _layout;
    private readonly ClusterState[] _clusters;
    private readonly Dictionary<int, float> _originals = [];
    private readonly TopList _top = new();
    private readonly DrawChooser _draw;
    private readonly NucleusChooser _nucleus;
    private readonly VerifyChooser _verify;
    private DecodeOptions _options = DecodeOptions.Default;
    private TokenHistory? _history;
    private Method _method;
    private SampleRandom _random;
    private readonly StoredScores _storedHead = new(), _storedTail = new();
    private IClusterScores _head;
    private double _mass;
    private ulong _chosen;
    private bool _isDecided;
    private int _tailsVisited;

    // log Σ exp(score) at temperature 1 of the clusters seen, for adjusted log-probs.
    private double _logNormalizer;

    public RowDecoder(SoftmaxLayout layout)
    {
        _layout = layout;
        _head = _storedHead;
        _clusters = new ClusterState[layout.TailCount];
        _draw = new DrawChooser(this);
        _nucleus = new NucleusChooser(this);
        _verify = new VerifyChooser(this, _draw);
        _mixture = new RetrievedMixture(layout);
    }

    private enum Method
    {
        /// <summary>The best tokens alone decide: greedy, top-k, or no choice at all.</summary>
        Top,

        /// <summary>Top-p or min-p without top-k.</summary>
        Nucleus,

        /// <summary>Any token may be drawn.</summary>
        Draw,

        /// <summary>Any token may be drawn, and one was drafted.</summary>
        Verify,
    }

    public Span<ClusterState> Clusters => _clusters;

    public SoftmaxLayout Layout => _layout;

    public DecodeOptions Options => _options;

    /// <summary>The drafted token that is judged; null where none was drafted.</summary>
    public DraftDistribution? Draft { get; private set; }

    /// <summary>The head's scores, [shortlist], where they lie in memory.</summary>
    public float* Head => _storedHead.Values;

    /// <summary>The head's scores.</summary>
    public IClusterScores HeadScores => _head;

    /// <summary>The draw's number of a cluster's token.</summary>
    /// <param name="cluster">0 for the head, i + 1 for tail i.</param>
    public double TokenUniform(int cluster) => Random(DrawPurpose.Token, cluster);

    /// <summary>How many of the best tokens are kept.</summary>
    public int TopCapacity => _top.Capacity;

    /// <summary>Whether the tempered masses of the next cluster are asked for.</summary>
    public bool NeedsMasses => !_isDecided;

    /// <summary>Whether the next cluster is asked for its masses by score, and then for tokens of a nucleus.</summary>
    public bool NeedsMassesByScore => !_isDecided && _method == Method.Nucleus;

    /// <summary>The score at which masses by score begin; NaN for the best one of the cluster that comes first.</summary>
    public float TopOfMasses => _nucleus.TopOfMasses;

    /// <summary>The log of the head's tempered mass.</summary>
    public double HeadLogMass { get; private set; }

    /// <summary>The score that weighs 1; what choosers compare is relative to it.</summary>
    public float Reference { get; set; }

    public float InverseTemperature { get; private set; }

    public int TailsVisited => _tailsVisited;

    /// <summary>The probability of the tails that the policy left out although they could have mattered.</summary>
    public float UnseenMass { get; private set; }

    /// <summary>The best tokens by key, best first, once the row is finished.</summary>
    public ReadOnlySpan<ulong> Top => _top.Keys;

    /// <summary>Whether a log-sum-exp of the row is not finite, so that it has no tokens.</summary>
    public bool HasFailed { get; set; }

    /// <summary>The row's random number for a purpose.</summary>
    public double Random(DrawPurpose purpose, int index) => _random.For(purpose, index);

    /// <summary>Takes the head.</summary>
    /// <param name="options">How to choose.</param>
    /// <param name="history">The tokens so far; null where there are none.</param>
    /// <param name="random">The sequence's random numbers.</param>
    /// <param name="top">How many of the best tokens are wanted at least.</param>
    /// <param name="wantsDraw">Whether a token is to be drawn.</param>
    /// <param name="head">The head's logits, [shortlist + clusters], which become scores and must stay until the row is finished.</param>
    /// <param name="logSumExp">The head's log-sum-exp.</param>
    /// <param name="draft">A drafted token to judge by the same rules: it is drawn, or another in its place. Null for none.</param>
    /// <param name="retrieved">What is mixed in.</param>
    public void Begin(DecodeOptions options, TokenHistory? history, SampleRandom random, int top, bool wantsDraw, float* head, float logSumExp, DraftDistribution? draft = null, Retrieval retrieved = default)
    {
        Prepare(options, history, random, top, wantsDraw, draft, retrieved);
        var shortlist = _layout.ShortlistSize;
        for (var i = 0; i < _clusters.Length; i++) SetCluster(i, BestScore.Of(head[shortlist + i], logSumExp, cluster: 0));
        SoftmaxKernel.LogProbs(head, shortlist, logSumExp, cluster: 0, head);
        Adjustment.Apply(cluster: 0, start: 0, shortlist, head, _originals);
        if (_mixture.IsActive) _mixture.Read(cluster: 0, start: 0, head, _originals);
        TakeHead(_storedHead.Set(head, shortlist, firstSlot: 0), wantsDraw);
    }

    /// <summary>Says how to choose, before a head that lies elsewhere is taken: what to ask it for follows from that.</summary>
    /// <inheritdoc cref="Begin"/>
    public void Prepare(DecodeOptions options, TokenHistory? history, SampleRandom random, int top, bool wantsDraw, DraftDistribution? draft = null, Retrieval retrieved = default)
    {
        (_options, _history, _random) = (options, history, random);
        Draft = draft;
        HasFailed = false;
        (_tailsVisited, UnseenMass, _logNormalizer) = (0, 0, double.NegativeInfinity);
        _originals.Clear();
        _mixture.Begin(retrieved, options, history, _layout);
        _phase = Phase.Ranking;
        _method = !wantsDraw || options.Temperature == 0 || options.TopK > 0 ? Method.Top
            : options.TopP < 1 || options.MinP > 0 ? Method.Nucleus
            : draft is null ? Method.Draw : Method.Verify;
        _isDecided = _method == Method.Top;
        InverseTemperature = options.Temperature > 0 ? MathF.Min(1 / options.Temperature, float.MaxValue) : 1;
        var wanted = !wantsDraw ? top : Math.Max(top, options.Temperature == 0 ? 1 : options.TopK);
        _top.Reset(Math.Min(wanted, _layout.VocabularySize));
        AnyTouched = false;
        for (var cluster = 0; cluster <= _clusters.Length; cluster++) AnyTouched |= Adjustment.Touches(cluster);
    }

    /// <summary>After <see cref="Prepare"/>: takes the head from where it lies.</summary>
    /// <param name="clusters">The log-probs of the clusters, [clusters].</param>
    /// <param name="head">The head's scores.</param>
    /// <param name="wantsDraw">As it was prepared.</param>
    public void TakeHead(ReadOnlySpan<float> clusters, IClusterScores head, bool wantsDraw)
    {
        for (var i = 0; i < _clusters.Length; i++) SetCluster(i, clusters[i]);
        TakeHead(head, wantsDraw);
    }

    /// <summary>What becomes of the tokens of a cluster whose scores differ from their log-probs.</summary>
    /// <param name="cluster">0 for the head, i + 1 for tail i.</param>
    /// <param name="start">Its first slot.</param>
    /// <param name="size">Its tokens.</param>
    /// <param name="shifts">Receives an entry a token.</param>
    public void DescribeShifts(int cluster, int start, int size, List<ScoreShift> shifts) => Adjustment.Describe(cluster, start, size, shifts);

    /// <summary>Notes the log-prob of a token whose score differs, of scores that lie elsewhere.</summary>
    public void NoteOriginal(int slot, float logProb) => _originals.TryAdd(slot, logProb);

    /// <summary>Takes a token that a nucleus asked for, of a cluster that lies elsewhere.</summary>
    public void Collect(int slot, float score) => _nucleus.Collect(score, slot);

    /// <summary>After all of these.</summary>
    public void EndCollecting() => _nucleus.EndCollecting();

    /// <summary>The next tail that must be seen, or −1 where the row is finished.</summary>
    public int NextTail()
    {
        while (!HasFailed)
        {
            var tail = FindNeeded();
            if (tail < 0) return -1;
            if (_tailsVisited < _options.Policy.MaximumTails || _clusters[tail].IsCounted) return tail;

            LeaveOut(tail);
        }

        return -1;
    }

    /// <summary>Ends the row without tokens.</summary>
    public void Fail()
    {
        HasFailed = true;
        _top.Reset(0);
        (_tailsVisited, UnseenMass) = (0, 0);
    }

    /// <summary>Holds no tokens, of a row that is decoded elsewhere.</summary>
    public void Clear(DecodeOptions options)
    {
        (_options, _method, _isDecided, HasFailed, _phase) = (options, Method.Top, true, false, Phase.Ranking);
        _top.Reset(0);
        (_tailsVisited, UnseenMass) = (0, 0);
    }

    /// <summary>Leaves a tail out, as the policy asks: from here on it has no tokens.</summary>
    public void LeaveOut(int tail)
    {
        ref var state = ref _clusters[tail];
        UnseenMass += MathF.Exp(state.LogProb);
        (state.Bound, state.IsVisited) = (float.NegativeInfinity, true);
        state.LeastLogMass = state.MostLogMass = double.NegativeInfinity;
        if (_mixture.MayBeChosen && _phase == Phase.Ranking) OfferWithoutModel(tail);
    }

    /// <summary>Takes a tail that <see cref="NextTail"/> asked for.</summary>
    /// <param name="tail">The tail.</param>
    /// <param name="logits">Its logits, [tokens of the tail], which become scores and are not needed afterwards.</param>
    /// <param name="logSumExp">Its log-sum-exp.</param>
    public void Accept(int tail, float* logits, float logSumExp)
    {
        var range = _layout.Tails[tail];
        ref var state = ref _clusters[tail];
        SoftmaxKernel.LogProbs(logits, range.Size, logSumExp, state.LogProb, logits);
        Adjustment.Apply(tail + 1, range.Start, range.Size, logits, _originals);
        Accept(tail, _storedTail.Set(logits, range.Size, range.Start));
    }

    /// <summary>Takes a tail that <see cref="NextTail"/> asked for, from where its scores lie.</summary>
    /// <param name="tail">The tail.</param>
    /// <param name="scores">Its scores, which are not needed afterwards.</param>
    public void Accept(int tail, IClusterScores scores)
    {
        ref var state = ref _clusters[tail];
        state.IsVisited = true;
        if (!state.IsCounted)
        {
            state.IsCounted = true;
            _tailsVisited++;
            if (NeedsNormalizer) _logNormalizer = TailMass.Add(_logNormalizer, LogMass(scores, inverse: 1, out _));
        }

        if (_mixture.IsActive && !AcceptMixture(tail, _storedTail.Values)) return;
        if (_phase == Phase.Ranking) scores.AddTo(_top);
        if (_isDecided) return;

        var logMass = LogMass(scores, InverseTemperature, out var best);

        // Where the mass was known before, it is not known better to the last bit: no draw may hang on whether it was computed.
        if (state.LeastLogMass < state.MostLogMass) state.LeastLogMass = state.MostLogMass = logMass;
        if (_method == Method.Nucleus)
        {
            _nucleus.Accept(scores, best);
            return;
        }

        if (_method == Method.Verify) _verify.Accept(tail, _storedTail.Values);
        if (!double.IsNegativeInfinity(logMass)) (state.DrawnRow, state.DrawnScore) = scores.Draw(TokenUniform(tail + 1));
    }

    /// <summary>After <see cref="NextTail"/> gave −1: the chosen token's key; <see cref="ScoreKey.None"/> where none is left that may be chosen.</summary>
    public ulong Finish()
    {
        if (HasFailed) return ScoreKey.None;
        FinishTop();
        if (_method == Method.Top && _top.Count > 0) Reference = ScoreKey.Score(_top.Keys[0]);
        return _method switch
        {
            Method.Draw or Method.Verify or Method.Nucleus => _chosen,
            _ when _top.Count == 0 => ScoreKey.None,
            _ when _options.Temperature == 0 => _top.Keys[0],
            _ => Chooser.Draw(this, _top.Keys[..Math.Min(_options.TopK, _top.Count)], allMass: null),
        };
    }

    /// <summary>After <see cref="NextTail"/> gave −1, where no token is to be drawn.</summary>
    public void FinishTop()
    {
        if (HasFailed) return;
        _top.Sort();
        foreach (ref var state in _clusters.AsSpan())
        {
            if (NeedsNormalizer && !state.IsVisited && !state.IsCounted) _logNormalizer = TailMass.Add(_logNormalizer, state.LogProb);
        }
    }

    /// <summary>The log-prob that is reported for a token among the best or the chosen one.</summary>
    public float ReportedLogProb(ulong key)
    {
        var score = ScoreKey.Score(key);
        if (_mixture.IsActive) return ReportedLogProbOfMixture(ScoreKey.Slot(key), score);
        if (_options.LogProbs == LogProbKind.Adjusted) return AnyTouched ? (float)(score - _logNormalizer) : score;
        return _originals.Count > 0 && _originals.TryGetValue(ScoreKey.Slot(key), out var logProb) ? logProb : score;
    }

    private ScoreAdjustment Adjustment => new(_options, _history);

    private bool AnyTouched { get; set; }

    /// <summary>Whether adjusted log-probs need the mass of what was seen, at temperature 1.</summary>
    public bool NeedsNormalizer => AnyTouched && _options.LogProbs == LogProbKind.Adjusted;

    private void SetCluster(int tail, float logProb)
    {
        var adjustment = Adjustment;
        ref var state = ref _clusters[tail];
        state = default;
        state.LogProb = logProb;
        state.IsTouched = adjustment.Touches(tail + 1);
        state.Bound = adjustment.AllowedCount(tail + 1, _layout.Tails[tail].Size) == 0 ? float.NegativeInfinity : adjustment.Bound(tail + 1, logProb, out _);

        // A tail without an allowed token is as good as seen.
        state.IsVisited = state.Bound == float.NegativeInfinity;
    }

    private void TakeHead(IClusterScores head, bool wantsDraw)
    {
        _head = head;
        if (!_mixture.MayBeChosen) head.AddTo(_top);
        if (NeedsNormalizer) _logNormalizer = LogMass(head, inverse: 1, out _);
        if (_mixture.MayBeChosen) BeginMixture(wantsDraw);
        else if (_method == Method.Nucleus) _nucleus.Begin(SetMasses(InverseTemperature));
        else if (_method == Method.Draw) BeginDraw();
        else if (_method == Method.Verify)
        {
            SetMasses(InverseTemperature);
            _verify.Begin(Draft!);
        }
    }

    // The token is decided on before anything is computed that is only reported beside it, so that neither can change it nor
    // spend its budget.
    private int FindNeeded()
    {
        if (_phase != Phase.Ranking && FindNeededBeforeRanking() is >= 0 and var early) return early;
        var likeliest = MostProbable();
        if (likeliest >= 0 && _options.Policy.ComputesAll) return likeliest;
        if (!_isDecided)
        {
            var needed = _method switch { Method.Draw => _draw.NextTail(), Method.Verify => _verify.NextTail(), _ => _nucleus.NextTail() };
            if (needed >= 0) return needed;
            (_chosen, _isDecided) = (_method switch { Method.Draw => _draw.Finish(), Method.Verify => _verify.Finish(), _ => _nucleus.Finish() }, true);
        }

        if (likeliest < 0) return -1;

        // One of the best tokens may stand in the likeliest tail; if not there, in none.
        if (ScoreKey.Of(_clusters[likeliest].Bound, _layout.Tails[likeliest].Start) < _top.Limit) return likeliest;
        for (var i = 0; NeedsNormalizer && i < _clusters.Length; i++)
        {
            if (_clusters[i].IsTouched && !_clusters[i].IsVisited && !_clusters[i].IsCounted) return i;
        }

        return -1;
    }

    /// <summary>The unseen tail with the highest bound, of equal ones the first; −1 where all were seen.</summary>
    public int MostProbable()
    {
        var best = -1;
        for (var i = 0; i < _clusters.Length; i++)
        {
            if (!_clusters[i].IsVisited && (best < 0 || _clusters[i].Bound > _clusters[best].Bound)) best = i;
        }

        return best;
    }
}
