namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// The cheapest cutoffs among candidates by dynamic programming, after Grave et al. 2017: the cheapest way to end with a
/// given number of clusters at a candidate extends the cheapest way to end with one cluster fewer at an earlier one.
/// </summary>
internal sealed class ClusterSearch
{
    private readonly int[] _candidates;
    private readonly int[] _widths;
    private readonly int _hiddenSize;
    private readonly (HeadCosts Costs, double Times)[] _heads;
    private readonly IShareModel _shares;
    private readonly IReadOnlyList<SoftmaxCostModel> _parts;

    // Of whole steps, in decoding, where clusters push each other out of the caches.
    private readonly StepCosts[] _steps;

    // The cost of each tail, [widths][end · (end − 1) / 2 + start] with candidates as starts and ends.
    private readonly double[][] _tails;

    public ClusterSearch(int[] candidates, IShareModel shares, int[] widths, int hiddenSize, SoftmaxCostModel model, bool mayBeSmall, CancellationToken cancellationToken)
    {
        (_candidates, _widths, _hiddenSize) = (candidates, widths, hiddenSize);
        (_parts, _shares) = (model.Parts, shares);
        // Of all tokens, since the largest cluster has most of them wherever it is cut.
        (SoftmaxCostModel Model, double Times)[] parts = [.. _parts.SelectMany(part => part.BlocksOf(candidates[candidates.Length - 1]), (_, block) => (block.Model, (double)block.Times / _parts.Count))];
        _steps = model.Use == SoftmaxUse.Training ? [] : [.. _parts.Select(part => new StepCosts(part, hiddenSize, widths))];
        _heads = [.. parts.Select(part => (part.Model.Head(hiddenSize), part.Times))];
        _tails = new double[widths.Length][];
        var costs = new TailCosts[parts.Length][];
        for (var part = 0; part < costs.Length; part++) costs[part] = [.. widths.Select(width => parts[part].Model.Tail(width, hiddenSize))];
        for (var k = 0; k < widths.Length; k++) _tails[k] = new double[(long)candidates.Length * (candidates.Length - 1) / 2];
        var visits = new TailVisits[parts.Length];
        double[] times = [.. parts.Select(part => part.Times)];

        for (var end = 1; end < candidates.Length; end++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var row = Row(end);
            for (var start = 0; start < end; start++)
            {
                // The first tail starts at least at the first candidate, the second at the second; and the last that there can be ends with the vocabulary.
                var mostTails = Math.Min(end < candidates.Length - 1 ? widths.Length - 1 : widths.Length, start + 1);
                if (mostTails == 0) continue;
                for (var part = 0; part < visits.Length; part++) visits[part] = parts[part].Model.VisitsOf(shares.VisitProbability(parts[part].Model.Use, candidates[start], candidates[end]));
                var size = candidates[end] - candidates[start];
                // Of fewer tokens than its width a tail is no more than a narrower head, there to make the next one narrower still; but one tail there is.
                for (var k = mostTails - 1; k >= 0; k--) _tails[k][row + start] = mayBeSmall || size >= widths[k] || (k == 0 && end == candidates.Length - 1) ? SumOf(costs, times, k, size, visits) : double.PositiveInfinity;
            }
        }
    }

    /// <summary>Whether a cutoff changes what other clusters cost.</summary>
    public bool SharesCaches => _steps.Length > 0;

    /// <summary>
    /// The cheapest cutoffs of a number of clusters, each taken as if it had the caches for itself; <see cref="Refine"/> moves them
    /// to where they cost least together.
    /// </summary>
    /// <param name="clusters">The number of clusters, at most that of the widths.</param>
    /// <param name="pricePerByte">The nanoseconds that each byte of weights counts as.</param>
    /// <returns>The candidates that are cutoffs, by index; null where the shortlist leaves too few tokens.</returns>
    public int[]? FindCutoffs(int clusters, double pricePerByte)
    {
        var last = _candidates.Length - 1;
        var cost = new double[last + 1];
        var previous = new int[clusters, last + 1];
        for (var end = 0; end <= last; end++)
            cost[end] = HeadCost(_candidates[end] + clusters) + (pricePerByte * HeadBytes(_candidates[end]));
        for (var k = 0; k < clusters; k++)
        {
            var next = new double[last + 1];
            var bytesPerToken = pricePerByte * _widths[k] * sizeof(float);
            for (var end = k == clusters - 1 ? last : 0; end <= last; end++)
            {
                next[end] = double.PositiveInfinity;
                var row = Row(end);
                for (var start = k; start < end; start++)
                {
                    var extended = cost[start] + _tails[k][row + start] + (bytesPerToken * (_candidates[end] - _candidates[start]));
                    if (!(extended < next[end])) continue;
                    next[end] = extended;
                    previous[k, end] = start;
                }
            }

            cost = next;
        }

        if (double.IsInfinity(cost[last])) return null;
        var cutoffs = new int[clusters];
        for (int k = clusters - 1, at = last; k >= 0; k--)
        {
            at = previous[k, at];
            cutoffs[k] = at;
        }

        return cutoffs;
    }

    /// <summary>The cost of cutoffs, given by index.</summary>
    public double CostOf(ReadOnlySpan<int> cutoffs)
    {
        var cost = HeadCost(_candidates[cutoffs[0]] + cutoffs.Length);
        for (var k = 0; k < cutoffs.Length; k++) cost += _tails[k][Row(EndOf(cutoffs, k)) + cutoffs[k]];
        return !SharesCaches || double.IsInfinity(cost) ? cost : CostTogether(cutoffs);
    }

    private double CostTogether(ReadOnlySpan<int> cutoffs)
    {
        Span<double> sizes = stackalloc double[ClusterPlanner.MaximumClusters];
        Span<double> probabilities = stackalloc double[ClusterPlanner.MaximumClusters];
        var sum = 0.0;
        for (var part = 0; part < _steps.Length; part++)
        {
            for (var k = 0; k < cutoffs.Length; k++)
            {
                var (start, end) = (_candidates[cutoffs[k]], _candidates[EndOf(cutoffs, k)]);
                (sizes[k], probabilities[k]) = (end - start, _shares.VisitProbability(_parts[part].Use, start, end));
            }

            sum += _steps[part].CostOf(_candidates[cutoffs[0]] + cutoffs.Length, sizes.Slice(0, cutoffs.Length), probabilities.Slice(0, cutoffs.Length));
        }

        return sum / _steps.Length;
    }

    /// <summary>
    /// The cheapest cutoffs within a number of bytes, found by trying all, or those of evenly spaced candidates where that would be
    /// too many. What a cluster costs beside others that share its caches is no sum over clusters, so that nothing shorter is
    /// sure to find them.
    /// </summary>
    /// <param name="clusters">The number of clusters.</param>
    /// <param name="maximumBytes">The bytes of weights, at most.</param>
    /// <param name="mostWays">In how many ways to cut, at most.</param>
    /// <returns>The candidates that are cutoffs, by index, or null where none fit; and whether all were tried.</returns>
    public (int[]? Cutoffs, bool AreAll) TryAll(int clusters, double maximumBytes, int mostWays)
    {
        var count = _candidates.Length - 1;
        var tried = count;
        while (tried > clusters && WaysToCut(tried, clusters) > mostWays) tried--;
        int[] places = [.. Enumerable.Range(0, tried).Select(i => (int)((long)i * count / tried))];
        var (best, least) = ((int[]?)null, double.PositiveInfinity);
        var cutoffs = new int[clusters];
        Choose(0, 0);
        return (best, tried == count);

        void Choose(int k, int from)
        {
            if (k == clusters)
            {
                var cost = CostOf(cutoffs);
                if (cost < least && BytesOf(cutoffs) <= maximumBytes) (best, least) = ([.. cutoffs], cost);
                return;
            }

            for (var at = from; at <= places.Length - clusters + k; at++)
            {
                cutoffs[k] = places[at];
                Choose(k + 1, at + 1);
            }
        }
    }

    private static double WaysToCut(int candidates, int clusters)
    {
        var ways = 1.0;
        for (var k = 0; k < clusters; k++) ways *= (candidates - k) / (k + 1.0);
        return ways;
    }

    /// <summary>The bytes of weights that cutoffs, given by index, lead to.</summary>
    public double BytesOf(ReadOnlySpan<int> cutoffs)
    {
        var bytes = HeadBytes(_candidates[cutoffs[0]] + cutoffs.Length);
        for (var k = 0; k < cutoffs.Length; k++)
            bytes += (double)_widths[k] * (_hiddenSize + _candidates[EndOf(cutoffs, k)] - _candidates[cutoffs[k]]) * sizeof(float);
        return bytes;
    }

    /// <summary>Moves one cutoff after the other to where it costs least within a number of bytes, until none moves.</summary>
    public void Refine(int[] cutoffs, double maximumBytes)
    {
        var best = CostOf(cutoffs);
        for (var moved = true; moved;)
        {
            moved = false;
            for (var k = 0; k < cutoffs.Length; k++)
            {
                var (from, to) = (k == 0 ? 0 : cutoffs[k - 1] + 1, EndOf(cutoffs, k));
                var chosen = cutoffs[k];
                for (var at = from; at < to; at++)
                {
                    cutoffs[k] = at;
                    var cost = CostOf(cutoffs);
                    if (!(cost < best) || BytesOf(cutoffs) > maximumBytes) continue;
                    (best, chosen, moved) = (cost, at, true);
                }

                cutoffs[k] = chosen;
            }
        }
    }

    private int EndOf(ReadOnlySpan<int> cutoffs, int tail) => tail + 1 < cutoffs.Length ? cutoffs[tail + 1] : _candidates.Length - 1;

    private double HeadCost(double rows)
    {
        var sum = 0.0;
        foreach (var (costs, times) in _heads) sum += times * costs.CostOf(rows);
        return sum;
    }

    private static double SumOf(TailCosts[][] parts, double[] times, int width, int size, TailVisits[] visits)
    {
        var sum = 0.0;
        for (var part = 0; part < parts.Length; part++) sum += times[part] * parts[part][width].CostOf(size, visits[part]);
        return sum;
    }

    private double HeadBytes(double rows) => rows * _hiddenSize * sizeof(float);

    private static int Row(int end) => end * (end - 1) / 2;
}

/// <summary>What share of tokens visits a cluster of slots.</summary>
internal interface IShareModel
{
    /// <summary>The probability that a token visits a tail of the slots from <paramref name="start"/> to before <paramref name="end"/>.</summary>
    double VisitProbability(SoftmaxUse use, int start, int end);
}
