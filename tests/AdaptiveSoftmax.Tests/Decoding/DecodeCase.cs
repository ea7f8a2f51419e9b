using CsCheck;

namespace AdaptiveSoftmax.Tests;

/// <summary>A layer with a peaked head, so that tails are sometimes needed and sometimes not, and options for it.</summary>
internal sealed class DecodeCase : IDisposable
{
    private readonly Random _random;

    public DecodeCase(LayerCase layerCase, int number)
    {
        _random = new Random(HashCode.Combine((int)layerCase.Seed, number));
        Layer = layerCase.CreateLayer();

        // Initial weights give nearly equal logits; larger ones spread them as training does.
        var scale = _random.Next(1, 7);
        foreach (var parameter in Layer.Parameters)
        {
            foreach (ref var value in parameter.WritableValues) value *= scale;
        }

        Hidden = [.. Enumerable.Range(0, Layer.Layout.HiddenSize).Select(_ => (float)((_random.NextDouble() * 4) - 2))];
        LogProbs = new ReferenceSoftmax(Layer).LogProb([.. Hidden.Select(value => (double)value)]);
        Options = MakeOptions();
    }

    public DynamicAdaptiveSoftmax Layer { get; }

    public float[] Hidden { get; }

    /// <summary>All log-probs, float64.</summary>
    public double[] LogProbs { get; }

    public DecodeOptions Options { get; set; }

    public TokenHistory History { get; private set; } = null!;

    private Dictionary<int, int> Counts { get; } = [];

    private Dictionary<int, float> Bias { get; } = [];

    private HashSet<int>? Allowed { get; set; }

    /// <param name="cases">The number of cases.</param>
    /// <param name="check">What holds for each.</param>
    /// <param name="threads">So many at once; all that there are by default.</param>
    public static void ForEach(int cases, Action<DecodeCase> check, int threads = -1)
    {
        var number = 0;
        LayerCase.Any.Sample(
            layerCase =>
            {
                using var decodeCase = new DecodeCase(layerCase, Interlocked.Increment(ref number));
                check(decodeCase);
            },
            iter: cases,
            threads: threads);
    }

    public ReferenceDecoder Reference(DecodeOptions? options = null) => new(LogProbs, options ?? Options) { History = Counts, Bias = Bias, Allowed = Allowed };

    public void Dispose() => Layer.Dispose();

    private DecodeOptions MakeOptions()
    {
        var vocabulary = Layer.Layout.VocabularySize;
        History = Layer.CreateHistory();
        for (var i = _random.Next(3) == 0 ? _random.Next(30) : 0; i > 0; i--)
        {
            var token = _random.Next(vocabulary);
            History.Add(token);
            Counts[token] = Counts.GetValueOrDefault(token) + 1;
        }

        for (var i = _random.Next(3) == 0 ? _random.Next(1, 12) : 0; i > 0; i--)
            Bias[_random.Next(vocabulary)] = _random.Next(6) == 0 ? float.NegativeInfinity : (float)((_random.NextDouble() * 10) - 5);
        if (_random.Next(3) == 0)
            Allowed = [.. Enumerable.Range(0, vocabulary).Where(_ => _random.Next(3) > 0), _random.Next(vocabulary)];
        if (Allowed is not null && Allowed.All(token => Bias.TryGetValue(token, out var bias) && float.IsNegativeInfinity(bias))) Bias.Clear();
        if (Bias.Count(pair => float.IsNegativeInfinity(pair.Value)) == vocabulary) Bias.Clear();
        return new DecodeOptions
        {
            RepetitionPenalty = _random.Next(2) == 0 ? 1 : 0.5f + (float)_random.NextDouble(),
            FrequencyPenalty = _random.Next(2) == 0 ? 0 : (float)(_random.NextDouble() * 4) - 2,
            PresencePenalty = _random.Next(2) == 0 ? 0 : (float)(_random.NextDouble() * 4) - 2,
            Bias = Bias.Count > 0 ? Layer.CreateBias(Bias) : null,
            Mask = Allowed is null ? null : Layer.CreateAllowMask(Allowed),
            Temperature = _random.Next(4) switch { 0 => 0.02f, 1 => 0.3f + (float)_random.NextDouble(), 2 => 3, _ => 1 },
            TopK = _random.Next(3) == 0 ? _random.Next(1, 50) : 0,
            TopP = _random.Next(2) == 0 ? 1 : 0.05f + (0.9f * (float)_random.NextDouble()),
            MinP = _random.Next(3) == 0 ? (float)_random.NextDouble() * 0.3f : 0,
            LogProbs = (LogProbKind)_random.Next(2),
        };
    }
}
