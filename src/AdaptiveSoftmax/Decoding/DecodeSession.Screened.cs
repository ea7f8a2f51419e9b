namespace AdaptiveSoftmax;

// Batches of a softmax without tails that has smaller copies of its weights: rows that bounds may decide are screened together, and all
// others are computed together. Which a row is, hangs on the row alone wherever its bits do.
public sealed unsafe partial class DecodeSession
{
    /// <summary>
    /// What this session's calls took of a <see cref="CertifiedSoftmax"/>; zeros with any other softmax. A session is one thread's, so
    /// the difference of two readings is what the calls between them took.
    /// </summary>
    public CertifiedStatistics Statistics => _screened?.Statistics ?? default;

    // As far as the call and the vector say.
    private bool MayBeScreened(float* vector, DecodeOptions options, int count, bool wantsDraw) =>
        _screened is not null && LogitDecoder.MayBeBounded(options, count, _softmax.Layout.VocabularySize, wantsDraw)
        && (!LogitDecoder.WantsLogProbs(options) || _screened.MayBoundLogProbs(vector, options.LogProbError));

    // A row of a batch. What was decided before may spare the search for a nucleus, but where a log-prob is wanted that would move its bits.
    private bool MayBeScreened(float* vector, DecodeOptions options, TokenHistory? history, int count, bool wantsDraw, ref bool? mayBoundNuclei)
    {
        if (!MayBeScreened(vector, options, count, wantsDraw)) return false;
        if (LogitDecoder.NeedsMasses(options, history, wantsDraw) && !_screened!.MayBoundMasses(isClosest: false)) return false;
        return LogitDecoder.WantsLogProbs(options) || !LogitDecoder.NeedsNucleus(options, wantsDraw) || (mayBoundNuclei ??= _screened!.MayBoundMasses(isClosest: true));
    }

    private bool MayDrawScreened(float* vector, DecodeSequence sequence, ref bool? mayBoundNuclei) =>
        sequence.Options.Sampler == SamplerKind.Gumbel && !sequence.Retrieval.IsActive
        && MayBeScreened(vector, sequence.Options, sequence.History, count: 1, wantsDraw: true, ref mayBoundNuclei);

    // Gives how many rows are left to the stored weights, which the order begins with, ascending.
    private int ScreenDraws(float* hidden, ReadOnlySpan<DecodeSequence> sequences, Span<DecodedToken> results, ref DecodeFaults faults)
    {
        var mayBoundNuclei = (bool?)null;
        for (var i = 0; i < sequences.Length; i++)
            _states[i] = StateOf(sequences[i].Options, MayDrawScreened(hidden + ((nint)i * _softmax.Layout.HiddenSize), sequences[i], ref mayBoundNuclei));
        var count = OrderScreened(sequences.Length);
        for (var first = 0; first < count; first += ScreenedLogits.MostRows)
        {
            var block = _order.AsSpan(first, Math.Min(ScreenedLogits.MostRows, count - first));
            var isClosest = false;
            foreach (var row in block) isClosest |= NeedsClosest(sequences[row].Options, wantsDraw: true);
            BeginScreening(hidden, block, isClosest);
            for (var at = 0; at < block.Length; at++)
            {
                var (row, sequence) = (block[at], sequences[block[at]]);
                _rows[row].Clear(sequence.Options);
                if (!TryScreened(at, sequence.Options, sequence.History, sequence.Random, count: 1, wantsDraw: true)) continue;
                _states[row] = RowState.Decided;
                results[row] = Drawn(_screened!, sequence.Options);
                if (results[row].Token < 0) faults.AddNoTokenLeft(row);
            }
        }

        return OrderOpen(sequences.Length);
    }

    private int ScreenRanks(float* hidden, in RankedRows rows)
    {
        var mayBoundNuclei = (bool?)null;
        for (var i = 0; i < rows.Results.Length; i++)
        {
            var vector = hidden + ((nint)i * _softmax.Layout.HiddenSize);
            var options = rows.OptionsOf(i);
            _states[i] = StateOf(options, RanksByLogits(options) && !rows.RetrievalOf(i).IsActive && MayBeScreened(vector, options, rows.HistoryOf(i), rows.Count, wantsDraw: false, ref mayBoundNuclei));
        }

        var count = OrderScreened(rows.Results.Length);
        for (var first = 0; first < count; first += ScreenedLogits.MostRows)
        {
            var block = _order.AsSpan(first, Math.Min(ScreenedLogits.MostRows, count - first));
            var isClosest = false;
            foreach (var row in block) isClosest |= NeedsClosest(rows.OptionsOf(row), wantsDraw: false);
            BeginScreening(hidden, block, isClosest);
            for (var at = 0; at < block.Length; at++)
            {
                var row = block[at];
                _rows[row].Clear(rows.OptionsOf(row));
                if (!TryScreened(at, rows.OptionsOf(row), rows.HistoryOf(row), default, rows.Count, wantsDraw: false)) continue;
                _states[row] = RowState.Decided;
                rows.Results[row] = CopyFound(_screened!, rows.OptionsOf(row), rows.TokensOf(row), rows.LogProbsOf(row));
            }
        }

        return OrderOpen(rows.Results.Length);
    }

    private static bool NeedsClosest(DecodeOptions options, bool wantsDraw) => LogitDecoder.WantsLogProbs(options) || LogitDecoder.NeedsNucleus(options, wantsDraw);

    private void BeginScreening(float* hidden, ReadOnlySpan<int> rows, bool isClosest)
    {
        _scratch.Reset();
        _screened!.BeginBlock(_scratch, hidden, rows, isClosest);
    }

    // Leaves what was found in the decoder.
    private bool TryScreened(int at, DecodeOptions options, TokenHistory? history, SampleRandom random, int count, bool wantsDraw)
    {
        var isDecided = _screened!.TryBeginRow(at) && TryDecide(_screened, options, history, random, count, wantsDraw);
        _screened.End(isDecided, LogitDecoder.NeedsMasses(options, history, wantsDraw), LogitDecoder.NeedsNucleus(options, wantsDraw));
        return isDecided;
    }

    private static RowState StateOf(DecodeOptions options, bool mayBeScreened) =>
        !mayBeScreened ? RowState.Stored : LogitDecoder.WantsLogProbs(options) ? RowState.Screened : RowState.Either;

    // Gives how many rows are to be screened, which the order begins with. A product of stored weights computes whole lanes, so that
    // those to spare cost less than bounds.
    private int OrderScreened(int rows)
    {
        var states = _states.AsSpan(0, rows);
        var stored = states.Count(RowState.Stored);
        var (spare, count) = (TokenBlocks.LanesFor(stored) - stored, 0);
        for (var i = 0; i < rows; i++)
        {
            if (states[i] == RowState.Either && spare-- > 0) states[i] = RowState.Stored;
            if (states[i] != RowState.Stored) _order[count++] = i;
        }

        return count;
    }

    private int OrderOpen(int rows)
    {
        var count = 0;
        for (var i = 0; i < rows; i++)
        {
            if (_states[i] != RowState.Decided) _order[count++] = i;
        }

        return count;
    }

    /// <summary>How a row of a batch is decided.</summary>
    private enum RowState
    {
        /// <summary>By the stored weights.</summary>
        Stored,

        /// <summary>By bounds where these suffice, which its log-prob tells.</summary>
        Screened,

        /// <summary>By either, with the same result.</summary>
        Either,

        Decided,
    }
}
