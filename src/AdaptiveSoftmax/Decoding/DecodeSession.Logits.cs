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
            var result = CopyFound(source, tokens, logProbs);
            if (result.Count > 0) DecodeMetrics.Record(start, _softmax.Tags, cluster: 0, tailsVisited: 0);
            return result;
        }
    }

    private DecodedToken DrawByLogits(ReadOnlySpan<float> hidden, DecodeOptions options, ref SampleRandom random, TokenHistory? history, long start, Retrieval retrieval)
    {
        _row.Clear(options);
        fixed (float* vector = hidden)
        {
            var result = retrieval.IsActive ? DrawMixture(source: null, vector, options, random, history, retrieval) : Drawn(Decide(vector, options, history, random, count: 1, wantsDraw: true));
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

    // Whether bounds may decide every row of a batch, and no row needs the stored weights for a log-prob.
    private bool AreScreened(ReadOnlySpan<DecodeSequence> sequences, out bool isClosest)
    {
        var needsMasses = isClosest = false;
        foreach (var sequence in sequences)
        {
            var options = sequence.Options;
            if (sequence.Retrieval.IsActive || options.Sampler != SamplerKind.Gumbel || !float.IsPositiveInfinity(options.LogProbError) || !LogitDecoder.MayBeBounded(options, wantsDraw: true)) return false;
            needsMasses |= LogitDecoder.NeedsMasses(options, sequence.History, wantsDraw: true);
            isClosest |= LogitDecoder.NeedsClosest(options, wantsDraw: true);
        }

        return _screened is not null && (!needsMasses || _screened.MayBoundMasses(isClosest));
    }

    // A row that bounds leave open is a batch of one, whose bits are those of a batch of any size.
    private void DrawBlock(float* hidden, int first, ReadOnlySpan<DecodeSequence> sequences, bool isClosest, Span<DecodedToken> results, ref DecodeFaults faults)
    {
        Span<bool> isOpen = stackalloc bool[sequences.Length];
        _scratch.Reset();
        _screened!.BeginBlock(_scratch, hidden, sequences.Length, isClosest);
        for (var i = 0; i < sequences.Length; i++)
        {
            _rows[first + i].Clear(sequences[i].Options);
            isOpen[i] = !_screened.TryBeginRow(i) || !_logits.TryDraw(_softmax.Pool, _screened, sequences[i].Options, sequences[i].History, sequences[i].Random);
            _screened.End(!isOpen[i], LogitDecoder.NeedsMasses(sequences[i].Options, sequences[i].History, wantsDraw: true));
            if (!isOpen[i]) results[i] = Drawn(_screened);
        }

        for (var i = 0; i < sequences.Length; i++)
        {
            if (isOpen[i])
            {
                var head = HeadBlock(hidden + ((nint)i * _softmax.Layout.HiddenSize), first + i, 1, out var logSumExp, ref faults);
                results[i] = new DecodedToken(-1, float.NaN, -1, 0, 0);
                if (_rows[first + i].HasFailed) continue;
                results[i] = DrawRow(_rows[first + i], sequences[i], head, logSumExp[0]);
            }

            if (results[i].Token < 0) faults.AddNoTokenLeft(first + i);
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
        return Drawn(_computed);
    }

    private TopKResult RankRow(RowDecoder row, DecodeOptions options, float* logits, float logSumExp, Span<int> tokens, Span<float> logProbs)
    {
        row.Clear(options);
        using var scope = _scratch.Begin();
        _computed.Begin(_scratch, logits, _softmax.Layout.VocabularySize, logSumExp);
        _logits.TryFindBest(_softmax.Pool, _computed, options, history: null, tokens.Length);
        return CopyFound(_computed, tokens, logProbs);
    }

    private DecodedToken Drawn(LogitSource source) => _logits.Found.Length == 0
        ? new DecodedToken(-1, float.NaN, -1, 0, 0)
        : new DecodedToken(_softmax.TokenOf(_logits.Found[0].Row), source.LogProb(_logits.Found[0].Logit), Cluster: 0, TailsVisited: 0, UnseenMass: 0);

    private TopKResult CopyFound(LogitSource source, Span<int> tokens, Span<float> logProbs)
    {
        tokens.Fill(-1);
        logProbs.Fill(float.NegativeInfinity);
        var found = _logits.Found;
        for (var i = 0; i < found.Length; i++) (tokens[i], logProbs[i]) = (_softmax.TokenOf(found[i].Row), source.LogProb(found[i].Logit));
        return new TopKResult(found.Length, TailsVisited: 0, UnseenMass: 0);
    }

    // Leaves what was found in the decoder, and gives what it was found from.
    private LogitSource Decide(float* vector, DecodeOptions options, TokenHistory? history, SampleRandom random, int count, bool wantsDraw)
    {
        _scratch.Reset();
        var (hangsOnMasses, isClosest) = (LogitDecoder.NeedsMasses(options, history, wantsDraw), LogitDecoder.NeedsClosest(options, wantsDraw));
        if (_screened is not null && options.LogProbError > 0 && LogitDecoder.MayBeBounded(options, wantsDraw)
            && (!hangsOnMasses || _screened.MayBoundMasses(isClosest)))
        {
            for (var isFirst = true; _screened.TryBegin(_scratch, vector, options.LogProbError, isFirst, isClosest); isFirst = false)
            {
                if (!TryDecide(_screened, options, history, random, count, wantsDraw)) continue;
                _screened.End(isDecided: true, hangsOnMasses);
                return _screened;
            }

            _screened.End(isDecided: false, hangsOnMasses);
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
