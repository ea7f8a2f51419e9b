using System.Numerics;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// The retrieved tokens of one row: q as it was given and as penalties, biases and mask leave it, the model's log-probs of these
/// tokens as clusters are computed, and what scores become when q is mixed in.
/// </summary>
/// <remarks>
/// Scores are those of p / (1 − λ) + ρ Z q, with ρ = λ / (1 − λ) and Z the sum of p's weights, so that tokens which were not
/// retrieved keep theirs. Below a temperature of 1 they are first divided by it and normalised (Z = 1), since float32 could not
/// hold beside a score what divided by a small temperature is a great difference.
/// </remarks>
internal sealed unsafe class RetrievedMixture
{
    // A tempered score beyond float32 stays one that may be chosen.
    private const float Lowest = -3e38f;

    private int[] _slots = [];
    private double[] _given = [], _adjusted = [];
    private float[] _logProbs = [], _scores = [];
    private readonly int[] _starts;
    private int _count;
    private double _logRatio, _inverse;
    private float _reference, _scale, _shift;
    private bool _isScaled;

    public RetrievedMixture(SoftmaxLayout layout) => _starts = new int[layout.TailCount + 2];

    /// <summary>λ.</summary>
    public double Weight { get; private set; }

    /// <summary>Whether anything is mixed in.</summary>
    public bool IsActive { get; private set; }

    /// <summary>Whether a retrieved token may be chosen; else p decides alone.</summary>
    public bool MayBeChosen { get; private set; }

    /// <summary>Whether p has no part in it, λ being 1.</summary>
    public bool IsAlone => MayBeChosen && Weight == 1;

    /// <summary>1 / T of the scores that <see cref="Mix(int, float*, int, int)"/> gives.</summary>
    public float Inverse => (float)_inverse;

    /// <summary>Takes q.</summary>
    public void Begin(Retrieval retrieval, DecodeOptions options, TokenHistory? history, SoftmaxLayout layout)
    {
        (IsActive, MayBeChosen, _isScaled) = (retrieval.IsActive, false, false);
        if (!IsActive) return;
        var retrieved = retrieval.Tokens!;
        Weight = retrieval.Weight;
        _count = retrieved.Count;
        if (_slots.Length < _count) Grow();
        retrieved.Slots.CopyTo(_slots);
        for (int cluster = 0, at = 0; cluster <= layout.TailCount; cluster++)
        {
            var end = cluster < layout.TailCount ? layout.Tails[cluster].Start : layout.VocabularySize;
            while (at < _count && _slots[at] < end) at++;
            _starts[cluster + 1] = at;
        }

        _logProbs.AsSpan(0, _count).Fill(float.NegativeInfinity);
        _scores.AsSpan(0, _count).Fill(float.NegativeInfinity);
        var largest = double.NegativeInfinity;
        for (var i = 0; i < _count; i++)
        {
            _given[i] = retrieved.Masses[i] / retrieved.Total;
            _adjusted[i] = new ScoreAdjustment(options, history).Of(_slots[i], layout.ClusterOf(_slots[i]), Math.Log(retrieved.Masses[i]) - Math.Log(retrieved.Total));
            largest = Math.Max(largest, _adjusted[i]);
        }

        MayBeChosen = largest > double.NegativeInfinity;
        var sum = 0.0;
        for (var i = 0; i < _count; i++) sum += _adjusted[i] = MayBeChosen ? Math.Exp(_adjusted[i] - largest) : 0;
        for (var i = 0; i < _count && MayBeChosen; i++) _adjusted[i] /= sum;
    }

    /// <summary>Remembers the scores of a cluster's retrieved tokens, and their log-probs.</summary>
    /// <param name="cluster">The cluster: 0 for the head, i + 1 for tail i.</param>
    /// <param name="start">Its first slot.</param>
    /// <param name="scores">Its scores.</param>
    /// <param name="originals">The log-probs of the tokens whose scores differ.</param>
    public void Read(int cluster, int start, float* scores, Dictionary<int, float> originals)
    {
        for (var i = _starts[cluster]; i < _starts[cluster + 1]; i++)
        {
            _scores[i] = scores[_slots[i] - start];
            _logProbs[i] = originals.TryGetValue(_slots[i], out var logProb) ? logProb : _scores[i];
        }
    }

    /// <summary>A retrieved token drawn by q, after penalties, biases and mask.</summary>
    /// <param name="uniform">A number in [0, 1).</param>
    /// <returns>Its slot.</returns>
    public int Draw(double uniform)
    {
        var last = 0;
        for (var i = 0; i < _count; i++)
        {
            if (_adjusted[i] == 0) continue;
            last = i;
            if (uniform < _adjusted[i]) break;
            uniform -= _adjusted[i];
        }

        return _slots[last];
    }

    /// <summary>Says what scores are: those at a temperature, with the sum of their weights.</summary>
    /// <param name="inverse">1 / T.</param>
    /// <param name="best">A score; −∞ where p has no token.</param>
    /// <param name="logMass">log Σ exp((score − best) / T).</param>
    public void SetScale(float inverse, float best, double logMass)
    {
        var isEmpty = best == float.NegativeInfinity;
        _isScaled = inverse > 1 && !isEmpty;
        _inverse = Math.Min(inverse, 1);
        (_reference, _scale, _shift) = (best, inverse, (float)logMass);
        var logNormalizer = _isScaled || isEmpty ? 0 : logMass + ((double)best * inverse);
        _logRatio = Weight == 1 || isEmpty ? 0 : Math.Log(Weight / (1 - Weight)) + logNormalizer;
    }

    /// <summary>Turns a cluster's scores into those of the mixture.</summary>
    public void Mix(int cluster, float* scores, int count, int start)
    {
        if (_isScaled) Scale(scores, count);
        for (var i = _starts[cluster]; i < _starts[cluster + 1]; i++)
        {
            ref var score = ref scores[_slots[i] - start];
            score = Mix(score, Math.Log(_adjusted[i]));
        }
    }

    /// <summary>No score of the mixture in a cluster is above this, given that no score of p is above <paramref name="bound"/>.</summary>
    public float Bound(int cluster, float bound)
    {
        var scaled = _isScaled ? Scale(bound) : bound;
        var largest = 0.0;
        for (var i = _starts[cluster]; i < _starts[cluster + 1]; i++) largest = Math.Max(largest, _adjusted[i]);

        // Exponentials and logarithms are not monotone to the last bit.
        return largest == 0 ? scaled : MathF.BitIncrement(MathF.BitIncrement(Mix(scaled, Math.Log(largest))));
    }

    /// <summary>The log of a cluster's mass in the mixture.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="logMass">The log of its mass in p, at the temperature.</param>
    public double LogMass(int cluster, double logMass)
    {
        var sum = 0.0;
        for (var i = _starts[cluster]; i < _starts[cluster + 1]; i++) sum += _adjusted[i];
        return TailMass.Add(logMass, _logRatio + Math.Log(sum));
    }

    /// <summary>The log of a mass of p among the weights of the mixture's scores, rounded as these are: far below the best one, a
    /// score's last bit is many nats.</summary>
    /// <param name="best">The score that it is relative to.</param>
    /// <param name="inverse">1 / T.</param>
    /// <param name="logMass">log Σ exp((score − best) / T).</param>
    public double Relative(float best, float inverse, double logMass) => (_isScaled ? Scale(best) : (double)best * inverse) + logMass;

    /// <summary>The places of a cluster's retrieved tokens.</summary>
    public (int First, int End) Places(int cluster) => (_starts[cluster], _starts[cluster + 1]);

    /// <summary>The slot of a retrieved token, and its score where p gives it nothing; −∞ where it may not be chosen.</summary>
    public (int Slot, float Score) WithoutModel(int place) => (_slots[place], Mix(float.NegativeInfinity, Math.Log(_adjusted[place])));

    /// <summary>The log-prob of a token in the mixture of the model's own p with q as it was given.</summary>
    /// <param name="slot">The token's slot.</param>
    /// <param name="score">Its score in the mixture.</param>
    /// <param name="originals">The log-probs of the tokens whose scores differ.</param>
    public float ModelLogProb(int slot, float score, Dictionary<int, float> originals)
    {
        var at = Find(slot);
        if (at >= 0) return RetrievedTokens.Mix(_logProbs[at], _given[at], Weight);
        return RetrievedTokens.Mix(originals.TryGetValue(slot, out var logProb) ? logProb : Unscale(score), 0, Weight);
    }

    /// <summary>The log-prob in that mixture of a token whose log p is known.</summary>
    public float LogProbOf(int slot, float logProb) => RetrievedTokens.Mix(logProb, Find(slot) is >= 0 and var at ? _given[at] : 0, Weight);

    /// <summary>The log-prob of a token in the mixture of p and q after penalties, biases and mask.</summary>
    /// <param name="slot">The token's slot.</param>
    /// <param name="score">Its score in the mixture.</param>
    /// <param name="logNormalizer">The log of the sum of exp(score) of p, at temperature 1.</param>
    public float AdjustedLogProb(int slot, float score, double logNormalizer)
    {
        var at = Find(slot);
        var own = at >= 0 ? _scores[at] : Unscale(score);

        // Where a policy leaves p no token, the normaliser is −∞ as well.
        var logProb = float.IsNegativeInfinity(own) ? own : own - logNormalizer;
        return MayBeChosen ? RetrievedTokens.Mix(logProb, at >= 0 ? _adjusted[at] : 0, Weight) : (float)logProb;
    }

    private int Find(int slot) => _slots.AsSpan(0, _count).BinarySearch(slot);

    private float Mix(float score, double logProbability) =>
        (float)(TailMass.Add(score * _inverse, _logRatio + logProbability) / _inverse);

    // The same operations for one score as for many, so that a bound stays one.
    private float Scale(float score) => float.IsNegativeInfinity(score) ? score : MathF.Max(((score - _reference) * _scale) - _shift, Lowest);

    private float Unscale(float score) => _isScaled ? ((score + _shift) / _scale) + _reference : score;

    private void Scale(float* scores, int count)
    {
        Vector<float> reference = new(_reference), scale = new(_scale), shift = new(_shift), lowest = new(Lowest), never = new(float.NegativeInfinity);
        var i = 0;
        for (; i + Vector<float>.Count <= count; i += Vector<float>.Count)
        {
            var score = Vector.Load(scores + i);
            var scaled = Vector.Max(((score - reference) * scale) - shift, lowest);
            Vector.ConditionalSelect(Vector.Equals(score, never), never, scaled).Store(scores + i);
        }

        for (; i < count; i++) scores[i] = Scale(scores[i]);
    }

    private void Grow()
    {
        var capacity = (int)BitOperations.RoundUpToPowerOf2((uint)_count);
        (_slots, _given, _adjusted, _logProbs, _scores) = (new int[capacity], new double[capacity], new double[capacity], new float[capacity], new float[capacity]);
    }
}
