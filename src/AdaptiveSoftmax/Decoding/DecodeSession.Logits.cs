namespace AdaptiveSoftmax;

// Ranks and draws by logits alone, of a softmax without tails: from bounds where it has smaller copies of its weights.
public sealed unsafe partial class DecodeSession
{
    private bool RanksByLogits(DecodeOptions options) =>
        options.LogProbError > 0 && options.LogProbs == LogProbKind.Model && _softmax.Layout.TailCount == 0;

    private TopKResult TopKByLogits(ReadOnlySpan<float> hidden, Span<int> tokens, Span<float> logProbs, DecodeOptions options, TokenHistory? history, long start)
    {
        _row.Clear(options);
        fixed (float* vector = hidden)
        {
            var source = Decide(vector, options, history, default, tokens.Length, wantsDraw: false);
            var result = CopyFound(source, options, tokens, logProbs);
            if (result.Count > 0) DecodeMetrics.Record(start, _softmax.Tags, cluster: 0, tailsVisited: 0);
            return result;
        }
    }

    private DecodedToken DrawByLogits(ReadOnlySpan<float> hidden, DecodeOptions options, ref SampleRandom random, TokenHistory? history, long start, Retrieval retrieval)
    {
        _row.Clear(options);
        fixed (float* vector = hidden)
        {
            var result = retrieval.IsActive ? DrawMixture(source: null, vector, options, random, history, retrieval) : Drawn(Decide(vector, options, history, random, count: 1, wantsDraw: true), options);
            if (result.Token < 0)
            {
                var faults = default(DecodeFaults);
                faults.AddNoTokenLeft(row: 0);
                faults.ThrowIfAny();
            }

            random = random.Next();
            DecodeMetrics.Record(start, _softmax.Tags, cluster: 0, tailsVisited: 0);
            return result;
        }
    }

    // A row of a batch, whose logits were computed.
    private DecodedToken DrawRow(RowDecoder row, DecodeSequence sequence, float* logits, float logSumExp)
    {
        row.Clear(sequence.Options);
        using var scope = _scratch.Begin();
        _computed.Begin(_scratch, logits, _softmax.Layout.VocabularySize, logSumExp);
        if (sequence.Retrieval.IsActive) return DrawMixture(_computed, vector: null, sequence.Options, sequence.Random, sequence.History, sequence.Retrieval);
        _logits.TryDraw(_softmax.Pool, _computed, sequence.Options, sequence.History, sequence.Random);
        return Drawn(_computed, sequence.Options);
    }

    private void RankRow(int row, in RankedRows rows, float* logits, float logSumExp)
    {
        _rows[row].Clear(rows.OptionsOf(row));
        using var scope = _scratch.Begin();
        _computed.Begin(_scratch, logits, _softmax.Layout.VocabularySize, logSumExp);
        _logits.TryFindBest(_softmax.Pool, _computed, rows.OptionsOf(row), rows.HistoryOf(row), rows.Count);
        rows.Results[row] = CopyFound(_computed, rows.OptionsOf(row), rows.TokensOf(row), rows.LogProbsOf(row));
    }

    private DecodedToken Drawn(LogitSource source, DecodeOptions options) => _logits.Found.Length == 0
        ? new DecodedToken(-1, float.NaN, -1, 0, 0)
        : new DecodedToken(_softmax.TokenOf(_logits.Found[0].Row), Reported(source, options, _logits.Found[0].Logit), Cluster: 0, TailsVisited: 0, UnseenMass: 0);

    private TopKResult CopyFound(LogitSource source, DecodeOptions options, Span<int> tokens, Span<float> logProbs)
    {
        tokens.Fill(-1);
        logProbs.Fill(float.NegativeInfinity);
        var found = _logits.Found;
        for (var i = 0; i < found.Length; i++) (tokens[i], logProbs[i]) = (_softmax.TokenOf(found[i].Row), Reported(source, options, found[i].Logit));
        return new TopKResult(found.Length, TailsVisited: 0, UnseenMass: 0);
    }

    // NaN where none was asked for, whatever decided: a result says nothing of what was computed for it.
    private static float Reported(LogitSource source, DecodeOptions options, float logit) => LogitDecoder.WantsLogProbs(options) ? source.LogProb(logit) : float.NaN;

    // Leaves what was found in the decoder, and gives what it was found from.
    private LogitSource Decide(float* vector, DecodeOptions options, TokenHistory? history, SampleRandom random, int count, bool wantsDraw)
    {
        _scratch.Reset();
        var hangsOnMasses = LogitDecoder.NeedsMasses(options, history, wantsDraw);
        var isClosest = NeedsClosest(options, wantsDraw);
        if (MayBeScreened(vector, options, count, wantsDraw) && (!hangsOnMasses || _screened!.MayBoundMasses(isClosest)))
        {
            for (var isFirst = true; _screened!.TryBegin(_scratch, vector, isFirst, isClosest); isFirst = false)
            {
                if (!TryDecide(_screened, options, history, random, count, wantsDraw)) continue;
                _screened.End(isDecided: true, hangsOnMasses, isClosest);
                return _screened;
            }

            _screened.End(isDecided: false, hangsOnMasses, isClosest);
        }

        ComputeAll(vector);
        TryDecide(_computed, options, history, random, count, wantsDraw);
        return _computed;
    }

    private ComputedLogits ComputeAll(float* vector)
    {
        _scratch.Reset();
        var head = _softmax.DecodingHead.ForwardOne(_softmax.Pool, _scratch, vector, _scratch.Floats(_softmax.Layout.HeadRows));
        CheckFinite(head.LogSumExp[0], tail: -1, vector, head.Logits);
        _computed.Begin(_scratch, head.Logits, _softmax.Layout.VocabularySize, head.LogSumExp[0]);
        return _computed;
    }

    private bool TryDecide(LogitSource source, DecodeOptions options, TokenHistory? history, SampleRandom random, int count, bool wantsDraw) => wantsDraw
        ? _logits.TryDraw(_softmax.Pool, source, options, history, random)
        : _logits.TryFindBest(_softmax.Pool, source, options, history, count);
}
