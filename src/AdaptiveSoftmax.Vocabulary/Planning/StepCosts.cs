namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// The cost of whole steps of tails of given widths, in which clusters push each other out of the caches: a weight lies as far
/// away as all that steps read since they read it last. What was read in between is taken to be the head and the largest of the
/// other tails that were visited.
/// </summary>
/// <param name="part">The model, which is one part.</param>
/// <param name="hiddenSize">The hidden size.</param>
/// <param name="widths">The tails' widths.</param>
internal sealed class StepCosts(SoftmaxCostModel part, int hiddenSize, IReadOnlyList<int> widths)
{
    private readonly Dictionary<int, BlockCosts> _blocks = [];

    /// <summary>The expected nanoseconds of a step.</summary>
    /// <param name="headRows">The rows of the head.</param>
    /// <param name="sizes">The tokens of each tail, of as many as there are.</param>
    /// <param name="probabilities">The probability that a token visits each of them.</param>
    public double CostOf(double headRows, ReadOnlySpan<double> sizes, ReadOnlySpan<double> probabilities)
    {
        var most = headRows;
        foreach (var size in sizes) most = Math.Max(most, size);
        var block = part.BlockSizeOf(most);
        var rest = part.Batch % block;
        return ((part.Batch / block) * Costs(block).CostOf(headRows, sizes, probabilities)) + (rest > 0 ? Costs(rest).CostOf(headRows, sizes, probabilities) : 0);
    }

    private BlockCosts Costs(int tokens)
    {
        if (!_blocks.TryGetValue(tokens, out var costs)) _blocks.Add(tokens, costs = new BlockCosts(part.BlockOf(tokens), hiddenSize, widths));
        return costs;
    }
}

/// <summary>The same of the tokens that are computed together.</summary>
internal sealed class BlockCosts(SoftmaxCostModel part, int hiddenSize, IReadOnlyList<int> widths)
{
    private readonly HeadCosts _head = part.Head(hiddenSize);
    private readonly TailCosts[] _tails = [.. widths.Select(width => part.Tail(width, hiddenSize))];

    /// <summary>The expected nanoseconds of a step.</summary>
    /// <param name="headRows">The rows of the head.</param>
    /// <param name="sizes">The tokens of each tail, of as many as there are.</param>
    /// <param name="probabilities">The probability that a token visits each of them.</param>
    public double CostOf(double headRows, ReadOnlySpan<double> sizes, ReadOnlySpan<double> probabilities)
    {
        Span<TailVisits> visits = stackalloc TailVisits[ClusterPlanner.MaximumClusters];
        Span<int> largestFirst = stackalloc int[ClusterPlanner.MaximumClusters];
        if (sizes.Length > ClusterPlanner.MaximumClusters)
        {
            // Layouts that no plan makes.
            visits = new TailVisits[sizes.Length];
            largestFirst = new int[sizes.Length];
        }

        for (var tail = 0; tail < sizes.Length; tail++)
        {
            visits[tail] = part.VisitsOf(probabilities[tail]);
            var place = tail;
            for (; place > 0 && Bytes(largestFirst[place - 1], sizes) < Bytes(tail, sizes); place--) largestFirst[place] = largestFirst[place - 1];
            largestFirst[place] = tail;
        }

        var step = new Step(this, headRows, sizes, visits, largestFirst);
        var cost = step.Expect(Step.Head);
        for (var tail = 0; tail < sizes.Length; tail++) cost += step.Expect(tail);
        return cost;
    }

    private double Bytes(int tail, ReadOnlySpan<double> sizes) => _tails[tail].BytesOf(sizes[tail]);

    private readonly ref struct Step(BlockCosts costs, double headRows, ReadOnlySpan<double> sizes, ReadOnlySpan<TailVisits> visits, ReadOnlySpan<int> largestFirst)
    {
        public const int Head = -1;

        private readonly ReadOnlySpan<double> _sizes = sizes;
        private readonly ReadOnlySpan<TailVisits> _visits = visits;
        private readonly ReadOnlySpan<int> _largestFirst = largestFirst;
        private readonly double _headBytes = costs._head.BytesOf(headRows);

        /// <summary>The expected nanoseconds of one cluster.</summary>
        public double Expect(int cluster)
        {
            if (cluster != Head && _visits[cluster].Visited == 0) return CostOf(cluster, bytesBetween: 0);
            var between = cluster == Head ? 0 : _headBytes;
            var (cost, left) = (0.0, 1.0);
            for (var i = 0; i < _sizes.Length; i++)
            {
                var other = _largestFirst[i];
                if (other == cluster || _visits[other].Chance == 0) continue;
                var chance = ChanceBetween(other, cluster);
                cost += left * chance * CostOf(cluster, between + costs.Bytes(other, _sizes));
                left *= 1 - chance;
            }

            return cost + (left * CostOf(cluster, between));
        }

        private double CostOf(int cluster, double bytesBetween) => cluster == Head
            ? costs._head.CostOf(headRows, bytesBetween)
            : costs._tails[cluster].CostOf(_sizes[cluster], _visits[cluster], bytesBetween);

        // Of the steps that read one or the other, those from one reading of the cluster to the next.
        private double ChanceBetween(int other, int cluster)
        {
            var chance = _visits[other].Chance;
            if (cluster == Head) return chance;
            var own = _visits[cluster].Chance;
            return chance / (chance + own - (chance * own));
        }
    }
}
