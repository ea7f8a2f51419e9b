namespace AdaptiveSoftmax;

// Rows with retrieved tokens. A draw from all tokens is made first: by λ from q, else from p as without q. Then, where anything
// is ranked or filtered, p is normalised, for which tails of unknown mass are computed; and then scores are those of the mixture,
// and what decides without q decides with it. A tail may be computed twice for that, and counts once.
internal sealed unsafe partial class RowDecoder
{
    // A tail whose greatest mass is a smaller part of all moves no float32.
    private const double Negligible = 1e-9;

    private static readonly double s_negligible = Math.Log(Negligible);

    private readonly RetrievedMixture _mixture;
    private Phase _phase;
    private float _rankInverse;
    private bool _isThrown, _takesRetrieved;

    private enum Phase
    {
        /// <summary>What is left decides, reports, or both.</summary>
        Ranking,

        /// <summary>A token is drawn.</summary>
        Drawing,

        /// <summary>The mass of p is summed.</summary>
        Measuring,
    }

    /// <summary>The Gumbel noise of the row's position.</summary>
    public GumbelNoise Noise => _random.Noise;

    // After the head's scores.
    private void BeginMixture(bool wantsDraw)
    {
        (_isThrown, _takesRetrieved) = (false, false);
        if (_mixture.IsAlone) LeaveOutModel();
        _rankInverse = wantsDraw && _method != Method.Draw ? InverseTemperature : 1;
        if (_method == Method.Draw)
        {
            _phase = Phase.Drawing;
            BeginDraw();
        }
        else
        {
            BeginMeasuring();
        }
    }

    private void LeaveOutModel()
    {
        new Span<float>(Head, _layout.ShortlistSize).Fill(float.NegativeInfinity);
        foreach (ref var state in _clusters.AsSpan()) (state.Bound, state.IsVisited) = (float.NegativeInfinity, true);
        AnyTouched = false;
    }

    // The next tail that is needed before anything is ranked; −1 once that has begun.
    private int FindNeededBeforeRanking()
    {
        if (_phase == Phase.Drawing)
        {
            var tail = NextTailOfDraw();
            if (tail >= 0) return tail;
            BeginMeasuring();
        }

        if (_phase != Phase.Measuring) return -1;
        var unknown = NextUnknownTail();
        if (unknown < 0) BeginRanking();
        return unknown;
    }

    private int NextTailOfDraw()
    {
        if (!_isThrown)
        {
            _takesRetrieved = Random(DrawPurpose.Retrieved, 0) < _mixture.Weight;
            (_isThrown, _chosen) = (true, ScoreKey.None);
        }

        if (!_takesRetrieved)
        {
            var tail = _draw.NextTail();
            if (tail >= 0) return tail;
            _chosen = _draw.Finish();

            // Where p has no token, as without tails, q has all.
            _takesRetrieved = _chosen == ScoreKey.None;
        }

        if (_takesRetrieved)
        {
            if (_chosen == ScoreKey.None) _chosen = ScoreKey.Of(score: 0, _mixture.Draw(Random(DrawPurpose.Retrieved, 1)));

            // Its tail is needed for its log-prob.
            var tail = _layout.ClusterOf(ScoreKey.Slot(_chosen)) - 1;
            if (tail >= 0 && !_clusters[tail].IsVisited) return tail;
        }

        _isDecided = true;
        return -1;
    }

    // At temperature 1 nothing but penalties, biases and masks moves the sum of p from 1.
    private bool IsNormalized => _rankInverse == 1 && !AnyTouched && !_mixture.IsAlone;

    private bool IsRanked => _top.Capacity > 0 || _method == Method.Nucleus;

    private void BeginMeasuring()
    {
        _phase = Phase.Measuring;
        foreach (ref var state in _clusters.AsSpan()) state.IsVisited = state.Bound == float.NegativeInfinity;
        if (!IsRanked || (IsNormalized && _method != Method.Nucleus))
        {
            BeginRanking();
            return;
        }

        SetMasses(_rankInverse);
        foreach (ref var state in _clusters.AsSpan()) (state.Best, state.RelativeLogMass) = (state.LogProb, state.LeastLogMass - ((double)state.LogProb * _rankInverse));
    }

    // The unseen tail that may have the most mass, where that is not known and matters.
    private int NextUnknownTail()
    {
        var (most, known) = (-1, HeadLogMass);
        for (var i = 0; i < _clusters.Length; i++)
        {
            ref var state = ref _clusters[i];
            known = TailMass.Add(known, state.LeastLogMass);
            if (!state.IsVisited && state.LeastLogMass < state.MostLogMass && (most < 0 || state.MostLogMass > _clusters[most].MostLogMass)) most = i;
        }

        return most >= 0 && _clusters[most].MostLogMass - known > s_negligible ? most : -1;
    }

    // Says whether the tail's scores, now those of the mixture, are to be ranked or drawn from.
    private bool AcceptMixture(int tail, float* scores)
    {
        var range = _layout.Tails[tail];
        _mixture.Read(tail + 1, range.Start, scores, _originals);
        if (_phase == Phase.Measuring)
        {
            ref var state = ref _clusters[tail];
            state.LeastLogMass = state.MostLogMass = LogMass(_storedTail, _rankInverse, out state.Best);
            state.RelativeLogMass = Math.Log(_mass);
            return false;
        }

        if (_phase == Phase.Ranking && _mixture.MayBeChosen) _mixture.Mix(tail + 1, scores, range.Size, range.Start);
        return true;
    }

    private void BeginRanking()
    {
        _phase = Phase.Ranking;
        if (!IsRanked)
        {
            _mixture.SetScale(inverse: 1, best: 0, logMass: 0);
            return;
        }

        FindNormalizer(out var best, out var logMass);
        _mixture.SetScale(_rankInverse, best, logMass);
        InverseTemperature = _mixture.Inverse;
        _mixture.Mix(cluster: 0, Head, _layout.ShortlistSize, start: 0);
        _top.AddRange(Head, _layout.ShortlistSize, firstSlot: 0);
        for (var i = 0; i < _clusters.Length; i++)
        {
            ref var state = ref _clusters[i];
            state.IsVisited = state.Bound == float.NegativeInfinity;

            // Where a nucleus ends hangs on the mass of all, so that no token is offered before that is known.
            state.LeastLogMass = state.MostLogMass = _mixture.LogMass(i + 1, state.IsVisited ? double.NegativeInfinity : _mixture.Relative(state.Best, _rankInverse, state.RelativeLogMass));
            if (!state.IsVisited) state.Bound = _mixture.Bound(i + 1, state.Bound);
        }

        if (_method == Method.Nucleus)
        {
            HeadLogMass = LogMass(_head, InverseTemperature, out var bestOfHead);
            Reference = bestOfHead > float.NegativeInfinity ? bestOfHead : 0;
            _nucleus.Begin(bestOfHead);
        }

        for (var i = 0; i < _clusters.Length; i++)
        {
            if (_clusters[i].IsVisited) OfferWithoutModel(i);
        }
    }

    // The sum of p's weights, relative to one of its scores.
    private void FindNormalizer(out float best, out double logMass)
    {
        (best, logMass) = (0, 0);
        if (IsNormalized) return;
        LogMass(_head, _rankInverse, out best);
        var ofHead = best;
        var logMassOfHead = best > float.NegativeInfinity ? Math.Log(_mass) : 0;
        foreach (ref var state in _clusters.AsSpan())
        {
            if (state.LeastLogMass > double.NegativeInfinity) best = MathF.Max(best, state.Best);
        }

        logMass = double.NegativeInfinity;
        if (best == float.NegativeInfinity) return;
        if (ofHead > float.NegativeInfinity) logMass = (((double)ofHead - best) * _rankInverse) + logMassOfHead;
        foreach (ref var state in _clusters.AsSpan())
        {
            if (state.LeastLogMass > double.NegativeInfinity) logMass = TailMass.Add(logMass, (((double)state.Best - best) * _rankInverse) + state.RelativeLogMass);
        }
    }

    // Takes the retrieved tokens of a tail that is left out: p gives them nothing.
    private void OfferWithoutModel(int tail)
    {
        ref var state = ref _clusters[tail];
        state.LeastLogMass = state.MostLogMass = _mixture.LogMass(tail + 1, double.NegativeInfinity);
        var (first, end) = _mixture.Places(tail + 1);
        for (var place = first; place < end; place++)
        {
            var (slot, score) = _mixture.WithoutModel(place);
            if (score == float.NegativeInfinity) continue;
            _top.AddRange(&score, 1, slot);
            if (_method == Method.Nucleus) _nucleus.Accept(slot, score);
        }
    }

    private float ReportedLogProbOfMixture(int slot, float score) => _options.LogProbs == LogProbKind.Adjusted
        ? _mixture.AdjustedLogProb(slot, score, AnyTouched ? _logNormalizer : 0)
        : _mixture.ModelLogProb(slot, score, _originals);
}
