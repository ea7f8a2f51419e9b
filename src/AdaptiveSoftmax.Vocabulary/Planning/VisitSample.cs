namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// What exact decoding visits, by the distributions that a model gave in a sample of contexts: a tail whose probability is
/// greater than that of the best token, or of the k-th best. Its own order of tails makes no difference: where the tail's turn
/// comes, the clusters of all better tokens were seen, since each is at least as probable as its best token. A draw visits the
/// tail that it falls into.
/// </summary>
/// <remarks>So the visits of any cutoffs follow from the same sample, as far as another layout learns the same distribution.</remarks>
public sealed class VisitSample : IShareModel
{
    private readonly int[] _positions;
    private readonly Dictionary<int, int> _places;
    private readonly List<double[]> _sums = [];
    private readonly List<double> _best = [];
    private readonly List<double> _kthBest = [];
    private double[]? _means;
    private double[][]? _columns;

    /// <summary>An empty sample.</summary>
    /// <param name="vocabularySize">The tokens V.</param>
    /// <param name="topK">How many of the best tokens are asked for, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are less than 2 tokens, or k is below 1.</exception>
    public VisitSample(int vocabularySize, int topK = 40)
    {
        if (vocabularySize < 2) throw new ArgumentOutOfRangeException(nameof(vocabularySize), vocabularySize, "A softmax has at least 2 tokens.");
        if (topK < 1) throw new ArgumentOutOfRangeException(nameof(topK), topK, "Ask for at least one token.");
        (VocabularySize, TopK) = (vocabularySize, topK);
        _positions = [0, .. CutoffCandidates.Create(vocabularySize)];
        _places = Enumerable.Range(0, _positions.Length).ToDictionary(place => _positions[place]);
    }

    /// <summary>The tokens V.</summary>
    public int VocabularySize { get; }

    /// <summary>How many of the best tokens are asked for.</summary>
    public int TopK { get; }

    /// <summary>The contexts.</summary>
    public int Count => _best.Count;

    /// <summary>Adds a context.</summary>
    /// <param name="probabilities">The probability of each slot's token, [vocabulary]; tokens that the model lacks have 0.</param>
    /// <exception cref="ArgumentException">There is not one for each token, one is no probability, or all are 0.</exception>
    public void Add(ReadOnlySpan<float> probabilities)
    {
        if (probabilities.Length != VocabularySize)
            throw new ArgumentException(FormattableString.Invariant($"There are {probabilities.Length} probabilities for {VocabularySize} tokens; give one each."), nameof(probabilities));
        var sums = new double[_positions.Length];
        var best = new double[Math.Min(TopK, VocabularySize)];
        var total = 0.0;
        for (int slot = 0, place = 1; slot < probabilities.Length; slot++)
        {
            var value = probabilities[slot];
            if (!(value >= 0) || value > 1.001f) throw new ArgumentException(FormattableString.Invariant($"The probability of slot {slot} is {value}; it must be from 0 to 1."), nameof(probabilities));
            total += value;
            if (value > best[best.Length - 1]) Insert(best, value);
            if (slot + 1 == _positions[place]) sums[place++] = total;
        }

        if (total == 0) throw new ArgumentException("All probabilities are 0.", nameof(probabilities));
        // Of what a plan leaves out, the others have the share.
        for (var place = 0; place < sums.Length; place++) sums[place] /= total;
        _sums.Add(sums);
        _best.Add(best[0] / total);
        _kthBest.Add(best[best.Length - 1] / total);
        (_means, _columns) = (null, null);
    }

    /// <summary>The share of contexts in which a tail is visited.</summary>
    /// <param name="use">What the softmax does; of training the tail's share of the probability.</param>
    /// <param name="start">The tail's first slot.</param>
    /// <param name="end">The slot behind its last one.</param>
    /// <exception cref="InvalidOperationException">There is no context.</exception>
    public double VisitProbability(SoftmaxUse use, int start, int end)
    {
        if (Count == 0) throw new InvalidOperationException("The sample has no context, so nothing is known of visits; add some.");
        var (from, to) = (PlaceOf(start), PlaceOf(end));
        return use switch
        {
            SoftmaxUse.Greedy => ShareAbove(_best, from, to),
            SoftmaxUse.TopK => ShareAbove(_kthBest, from, to),
            SoftmaxUse.Serving => (ShareAbove(_best, from, to) + MeanMass(from, to)) / 2,
            _ => MeanMass(from, to),
        };
    }

    // By position, so that the sums of two of them are read in the order of the contexts.
    private double ShareAbove(List<double> least, (int Place, double Part) from, (int Place, double Part) to)
    {
        _columns ??= [.. Enumerable.Range(0, _positions.Length).Select(place => _sums.Select(sums => sums[place]).ToArray())];
        var (starts, ends) = (Column(_columns, from), Column(_columns, to));
        var visited = 0;
        for (var i = 0; i < starts.Length; i++) visited += ends[i] - starts[i] > least[i] * (1 - 1e-9) ? 1 : 0;
        return (double)visited / starts.Length;
    }

    private static double[] Column(double[][] columns, (int Place, double Part) at) =>
        at.Part == 0 ? columns[at.Place] : [.. columns[at.Place].Select((sum, i) => sum + (at.Part * (columns[at.Place + 1][i] - sum)))];

    private double MeanMass((int Place, double Part) from, (int Place, double Part) to)
    {
        if (_means is null)
        {
            _means = new double[_positions.Length];
            foreach (var sums in _sums)
            {
                for (var place = 0; place < sums.Length; place++) _means[place] += sums[place] / _sums.Count;
            }
        }

        return Math.Max(0, At(_means, to) - At(_means, from));
    }

    // Cutoffs that are no candidates of their own are straight between two that are at most 1.6 % apart.
    private (int Place, double Part) PlaceOf(int position)
    {
        if (_places.TryGetValue(position, out var place)) return (place, 0);
        var next = ~Array.BinarySearch(_positions, position);
        return (next - 1, (double)(position - _positions[next - 1]) / (_positions[next] - _positions[next - 1]));
    }

    private static double At(double[] sums, (int Place, double Part) at) =>
        at.Part == 0 ? sums[at.Place] : sums[at.Place] + (at.Part * (sums[at.Place + 1] - sums[at.Place]));

    private static void Insert(double[] best, double value)
    {
        var place = best.Length - 1;
        for (; place > 0 && best[place - 1] < value; place--) best[place] = best[place - 1];
        best[place] = value;
    }
}
