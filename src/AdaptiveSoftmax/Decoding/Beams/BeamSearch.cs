namespace AdaptiveSoftmax;

/// <summary>
/// Beam search over a model that the caller steps: the most probable sequences among those that stay within the width, with
/// exact log-probs although only the tails are computed that can hold one of the best tokens.
/// </summary>
public sealed class BeamSearch
{
    private readonly SoftmaxDecoder _softmax;
    private readonly BeamSearchOptions _options;
    private readonly DecodeOptions _decoding;
    private readonly HashSet<int> _endTokens;
    private readonly List<Beam> _live = [];
    private readonly List<BeamSequence> _ended = [];
    private readonly List<(double LogProb, Beam Parent, int ParentIndex, int Token)> _candidates = [];

    private BeamSearch(SoftmaxDecoder softmax, BeamSearchOptions options)
    {
        _softmax = softmax;
        _options = options;
        _decoding = options.Decoding with { LogProbs = LogProbKind.Adjusted };
        _endTokens = [.. options.EndTokens];
    }

    /// <summary>Finds the best sequences.</summary>
    /// <remarks>
    /// A sequence that ends is kept if it is among the best <see cref="BeamSearchOptions.Width"/> continuations of its step. The search
    /// stops when no sequence that is still followed can become better than the results, so nothing is lost by stopping.
    /// </remarks>
    /// <param name="softmax">The softmax.</param>
    /// <param name="hidden">The hidden vector after the prompt, [hidden].</param>
    /// <param name="step">Runs the model.</param>
    /// <param name="options">How to search.</param>
    /// <param name="cancellation">Ends the search with an <see cref="OperationCanceledException"/>.</param>
    /// <returns>The best sequences, best first: <see cref="BeamSearchOptions.Results"/> of them, or fewer where there are fewer.</returns>
    /// <exception cref="ArgumentException">An option is out of range, or the hidden vector has the wrong size.</exception>
    /// <exception cref="DecodeException">A value that was read is not finite.</exception>
    public static IReadOnlyList<BeamSequence> Run(SoftmaxDecoder softmax, ReadOnlySpan<float> hidden, BeamStep step, BeamSearchOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(softmax);
        ArgumentNullException.ThrowIfNull(step);
        ArgumentNullException.ThrowIfNull(options);
        options.Check(softmax);
        if (hidden.Length != softmax.Layout.HiddenSize)
            throw new ArgumentException(FormattableString.Invariant($"The hidden vector has {hidden.Length} values; the hidden size is {softmax.Layout.HiddenSize}."), nameof(hidden));
        using var activity = DecodeMetrics.StartActivity("adaptive_softmax.beam_search", softmax.Tags);
        return new BeamSearch(softmax, options).Run(hidden.ToArray(), step, cancellation);
    }

    private List<BeamSequence> Run(float[] hidden, BeamStep step, CancellationToken cancellation)
    {
        using var session = _softmax.CreateSession();
        var size = _softmax.Layout.HiddenSize;

        // Enough that the width is filled even where every end token is among the best.
        var k = (int)Math.Min((long)_options.Width + _endTokens.Count, _softmax.Layout.VocabularySize);
        var tokens = new int[_options.Width * k];
        var logProbs = new float[_options.Width * k];
        var results = new TopKResult[_options.Width];
        _live.Add(new Beam(null, 0, 0, 0));
        for (var length = 1; length <= _options.MaximumLength && _live.Count > 0; length++)
        {
            cancellation.ThrowIfCancellationRequested();
            var count = _live.Count;
            session.TopK(hidden.AsSpan(0, count * size), tokens.AsSpan(0, count * k), logProbs.AsSpan(0, count * k), results.AsSpan(0, count), _decoding);
            CollectCandidates(tokens, logProbs, results, k);
            Continue(length, out var parents);
            if (length == _options.MaximumLength || _live.Count == 0 || IsDecided(length)) break;
            if (hidden.Length < _live.Count * size) hidden = new float[_options.Width * size];
            step(parents, _live.Select(beam => beam.Token).ToArray(), hidden.AsSpan(0, _live.Count * size));
        }

        // What the maximum length cut off stands beside what ended; what an exact stop left behind cannot be among the best.
        var all = _ended.Concat(_live.Where(beam => beam.Length == _options.MaximumLength).Select(beam => ToSequence(beam, isEnded: false)));
        return [.. all.OrderByDescending(sequence => sequence.Score).Take(_options.Results)];
    }

    private void CollectCandidates(int[] tokens, float[] logProbs, TopKResult[] results, int k)
    {
        _candidates.Clear();
        for (var beam = 0; beam < _live.Count; beam++)
        {
            for (var rank = 0; rank < results[beam].Count; rank++)
            {
                var at = (beam * k) + rank;
                _candidates.Add((_live[beam].LogProb + logProbs[at], _live[beam], beam, tokens[at]));
            }
        }
    }

    // OrderByDescending is stable, so equal ones stay in the order of their parents and ranks.
    private void Continue(int length, out int[] parents)
    {
        _live.Clear();
        var chosen = new List<int>(_options.Width);
        var rank = 0;
        foreach (var (logProb, parent, parentIndex, token) in _candidates.OrderByDescending(candidate => candidate.LogProb))
        {
            if (_live.Count == _options.Width) break;
            var beam = new Beam(parent, token, logProb, length);
            if (!_endTokens.Contains(token))
            {
                _live.Add(beam);
                chosen.Add(parentIndex);
            }
            else if (rank < _options.Width)
            {
                _ended.Add(ToSequence(beam, isEnded: true));
            }

            rank++;
        }

        parents = [.. chosen];
    }

    // A log-prob only falls; for α > 0 the most that a sequence can become is what it has, at the maximum length.
    private bool IsDecided(int length)
    {
        if (_ended.Count < _options.Results) return false;
        var worst = _ended.Select(sequence => sequence.Score).OrderDescending().ElementAt(_options.Results - 1);
        var bestLength = _options.LengthPenalty > 0 ? _options.MaximumLength : length + 1;
        return _live.All(beam => _options.Score(beam.LogProb, bestLength) <= worst);
    }

    private BeamSequence ToSequence(Beam beam, bool isEnded)
    {
        var tokens = new int[beam.Length];
        for (var at = beam; at.Parent is not null; at = at.Parent) tokens[at.Length - 1] = at.Token;
        return new BeamSequence(tokens, beam.LogProb, _options.Score(beam.LogProb, beam.Length), isEnded);
    }

    private sealed record Beam(Beam? Parent, int Token, double LogProb, int Length);
}
