namespace AdaptiveSoftmax.Distributed;

/// <summary>
/// Decoding where each rank has hidden vectors of its own. Ranks meet in rounds: who needs the logits of a cut cluster asks for them
/// with its vectors, all compute their rows for whatever is asked, and who asked gets them. A rank that has nothing more to ask goes on
/// answering until no rank has.
/// </summary>
/// <remarks>Which calls a rank makes, and for how many vectors, is therefore its own affair, as are its options, histories and random numbers.</remarks>
internal sealed unsafe class DecodingRounds : IDisposable
{
    private readonly Collectives _collectives;
    private readonly int _layer;
    private readonly IReadOnlyList<CutSoftmax> _cuts;
    private readonly WorkerPool _pool;
    private readonly int _blockSize;
    private readonly Scratch _scratch = new();
    private bool _isBroken;
    private bool _hasEnded;

    // Why this rank has left a round while others were in it.
    private Exception? _failure;

    /// <summary>Begins; from here on the cut clusters ask by rounds.</summary>
    /// <param name="collectives">The ranks.</param>
    /// <param name="layer">Which layer of theirs it is.</param>
    /// <param name="cuts">The cut clusters, in the same order on each rank.</param>
    /// <param name="pool">The threads.</param>
    /// <param name="blockSize">The most vectors that are multiplied at a time.</param>
    public DecodingRounds(Collectives collectives, int layer, IReadOnlyList<CutSoftmax> cuts, WorkerPool pool, int blockSize)
    {
        (_collectives, _layer, _cuts, _pool, _blockSize) = (collectives, layer, cuts, pool, blockSize);
        foreach (var cut in cuts) cut.Rounds = this;
    }

    /// <summary>Whether ranks still meet.</summary>
    public bool IsOpen => !_hasEnded;

    /// <exception cref="InvalidOperationException">This rank has left a round half way.</exception>
    public void ThrowIfFailed()
    {
        if (_failure is not null)
            throw new InvalidOperationException(FormattableString.Invariant($"Rank {_collectives.Rank} has left the decoding of gathered vectors half way, and the other ranks wait for it: {_failure.Message} End the job and start it again."), _failure);
    }

    /// <summary>The logits of one vector, as <see cref="CutSoftmax.ForwardOne"/> computes them.</summary>
    /// <param name="cut">The cluster.</param>
    /// <param name="vector">The vector, [columns].</param>
    /// <param name="logits">Receives the logits, [rows].</param>
    public void AskOne(CutSoftmax cut, float* vector, float* logits)
    {
        var question = new float[1 + cut.Columns];
        new ReadOnlySpan<float>(vector, cut.Columns).CopyTo(question.AsSpan(1));
        Meet(cut, isOne: true, question, logits);
    }

    /// <summary>The logits of a block of vectors.</summary>
    /// <param name="cut">The cluster.</param>
    /// <param name="scratch">Working memory.</param>
    /// <param name="inputs">The vectors, [columns, lanes].</param>
    /// <param name="lanes">The lanes.</param>
    /// <param name="logits">Receives the logits, [rows, lanes].</param>
    public void Ask(CutSoftmax cut, Scratch scratch, float* inputs, int lanes, float* logits)
    {
        // The last lanes of a block are most often there to fill it, and zero: one of them crosses for all.
        var filled = lanes;
        while (filled > 0 && IsZero(inputs + filled - 1, cut.Columns, lanes)) filled--;
        var tokens = Math.Min(filled + 1, lanes);
        var question = new float[1 + (tokens * cut.Columns)];
        fixed (float* vectors = &question[1]) Transpose.FromLanes(inputs, lanes, tokens, cut.Columns, vectors, cut.Columns);
        var answer = tokens == lanes ? logits : scratch.Floats((long)cut.Rows * tokens);
        Meet(cut, isOne: false, question, answer);
        for (var row = 0; row < cut.Rows && tokens < lanes; row++)
        {
            float* from = answer + ((nint)row * tokens), to = logits + ((nint)row * lanes);
            new ReadOnlySpan<float>(from, tokens).CopyTo(new Span<float>(to, tokens));
            new Span<float>(to + tokens, lanes - tokens).Fill(from[tokens - 1]);
        }
    }

    /// <summary>Answers until no rank asks any more.</summary>
    public void Dispose()
    {
        if (_hasEnded) return;
        try
        {
            // Where a round has failed the ranks have parted, and its error is the one to tell.
            while (!_isBroken && Meet(own: null, isOne: false, [], null))
            {
            }
        }
        finally
        {
            _hasEnded = true;

            // After a failure every call comes back here, and says so.
            foreach (var cut in _cuts) cut.Rounds = _failure is null ? null : this;
            _scratch.Dispose();
        }
    }

    private static bool IsZero(float* lane, int columns, int lanes)
    {
        for (var column = 0; column < columns; column++)
        {
            if (lane[(nint)column * lanes] != 0) return false;
        }

        return true;
    }

    // A round; false where no rank asks.
    private bool Meet(CutSoftmax? own, bool isOne, float[] question, float* answer)
    {
        ThrowIfFailed();
        try
        {
            return MeetOnce(own, isOne, question, answer);
        }
        catch (Exception failure) when (failure is not RankMismatchException)
        {
            _failure = failure;
            throw;
        }
    }

    private bool MeetOnce(CutSoftmax? own, bool isOne, float[] question, float* answer)
    {
        _isBroken = true;
        if (own is not null) question[0] = BitConverter.Int32BitsToSingle((IndexOf(own) << 1) | (isOne ? 1 : 0));
        var all = _collectives.AllGatherUneven<float>(CollectiveKind.DecodeGathered, question, _layer, out var lengths);
        var questions = Read(all, lengths);
        if (all.Length > 0)
        {
            // As far from each other as the rank with the most rows needs it, so that the starts are those of all ranks.
            var (starts, send, receive) = (new long[lengths.Length], new int[lengths.Length], new int[lengths.Length]);
            var end = 0L;
            for (var rank = 0; rank < starts.Length; rank++)
            {
                starts[rank] = end;
                if (questions[rank] is { } asked)
                {
                    end += (long)asked.Cut.MostRankRows * asked.Tokens;
                    send[rank] = checked(asked.Cut.RankRows[_collectives.Rank] * asked.Tokens);
                }

                if (own is not null) receive[rank] = checked(own.RankRows[rank] * questions[_collectives.Rank]!.Tokens);
            }

            _scratch.Reset();
            var answers = _scratch.Floats(end);
            float nothing;
            fixed (float* values = all)
            {
                foreach (var cut in _cuts) Answer(cut, questions, values, answers, starts);
                _collectives.Exchange(answers, starts, send, own is null ? &nothing : answer, receive);
            }
        }

        _isBroken = false;
        return all.Length > 0;
    }

    private Question?[] Read(float[] all, int[] lengths)
    {
        var questions = new Question?[lengths.Length];
        var start = 0;
        for (var rank = 0; rank < lengths.Length; start += lengths[rank++])
        {
            if (lengths[rank] == 0) continue;
            var about = BitConverter.SingleToInt32Bits(all[start]);
            var cut = _cuts[about >> 1];
            questions[rank] = new Question(cut, (about & 1) != 0, start + 1, (lengths[rank] - 1) / cut.Columns);
        }

        return questions;
    }

    // This rank's rows for all vectors that a cluster is asked for, [rows, tokens] of each rank from its start on.
    private void Answer(CutSoftmax cut, Question?[] questions, float* all, float* answers, long[] starts)
    {
        using var scope = _scratch.Begin();
        var tokens = new List<AskedVector>();
        for (var rank = 0; rank < questions.Length; rank++)
        {
            if (questions[rank] is not { } asked || asked.Cut != cut) continue;
            float* vectors = all + asked.First, answer = answers + starts[rank];
            if (asked.IsOne) cut.OwnLogitsOfOne(_pool, _scratch, vectors, answer);
            for (var token = 0; token < asked.Tokens && !asked.IsOne; token++) tokens.Add(new AskedVector(vectors + ((nint)token * cut.Columns), answer + token, asked.Tokens));
        }

        // Vectors of several ranks are one product, whose lanes have the same bits beside others as alone.
        for (var first = 0; first < tokens.Count; first += _blockSize) AnswerBlock(cut, tokens.GetRange(first, Math.Min(_blockSize, tokens.Count - first)));
    }

    private void AnswerBlock(CutSoftmax cut, List<AskedVector> tokens)
    {
        using var scope = _scratch.Begin();
        var lanes = TokenBlocks.LanesFor(tokens.Count);
        var vectors = _scratch.Floats((long)tokens.Count * cut.Columns);
        for (var i = 0; i < tokens.Count; i++)
            new ReadOnlySpan<float>(tokens[i].Vector, cut.Columns).CopyTo(new Span<float>(vectors + ((nint)i * cut.Columns), cut.Columns));
        var inputs = _scratch.Floats((long)lanes * cut.Columns);
        Transpose.Gather(_pool, vectors, null, tokens.Count, cut.Columns, inputs, lanes);
        var rows = cut.RankRows[_collectives.Rank];
        var own = _scratch.Floats((long)rows * lanes);
        cut.OwnLogits(_pool, _scratch, inputs, lanes, own);
        for (var row = 0; row < rows; row++)
        {
            var logits = own + ((nint)row * lanes);
            for (var i = 0; i < tokens.Count; i++) tokens[i].Answer[(nint)row * tokens[i].Step] = logits[i];
        }
    }

    private int IndexOf(CutSoftmax cut)
    {
        var index = 0;
        while (_cuts[index] != cut) index++;
        return index;
    }

    /// <summary>What a rank asks for.</summary>
    /// <param name="Cut">The cluster.</param>
    /// <param name="IsOne">Whether it is one vector, by the product of single ones.</param>
    /// <param name="First">Where its vectors begin among what all ranks ask, [tokens, columns].</param>
    /// <param name="Tokens">The vectors.</param>
    private sealed record Question(CutSoftmax Cut, bool IsOne, int First, int Tokens);

    /// <summary>A vector of a block.</summary>
    private readonly struct AskedVector(float* vector, float* answer, int step)
    {
        /// <summary>The vector, [columns].</summary>
        public float* Vector => vector;

        /// <summary>Where the logit of this rank's first row goes.</summary>
        public float* Answer => answer;

        /// <summary>From there to the next row's.</summary>
        public int Step => step;
    }
}
