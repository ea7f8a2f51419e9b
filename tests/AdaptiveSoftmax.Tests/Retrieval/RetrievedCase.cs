using AdaptiveSoftmax.Vocabulary;
using CsCheck;

namespace AdaptiveSoftmax.Tests;

/// <summary>A decoding case, with tails or without, and retrieved tokens for it.</summary>
internal sealed class RetrievedCase : IDisposable
{
    private readonly DecodeCase _case;

    private RetrievedCase(LayerCase layerCase, int number)
    {
        _case = new DecodeCase(layerCase, number);
        var random = new Random(HashCode.Combine((int)layerCase.Seed, number, 1));
        var vocabulary = Layer.Layout.VocabularySize;
        Retrieved = Layer.CreateRetrieved();
        for (var i = random.Next(4) == 0 ? random.Next(vocabulary) + 1 : random.Next(1, 6); i > 0; i--)
        {
            var (token, mass) = (random.Next(vocabulary), Math.Exp(8 * (random.NextDouble() - 0.5)));
            Retrieved.Add(token, mass);
            Masses[token] = Masses.GetValueOrDefault(token) + mass;
        }

        Weight = random.Next(8) switch { 0 => 1, 1 => 1e-3f, _ => (float)random.NextDouble() };
    }

    public DynamicAdaptiveSoftmax Layer => _case.Layer;

    public float[] Hidden => _case.Hidden;

    public DecodeOptions Options => _case.Options;

    public TokenHistory History => _case.History;

    public double[] LogProbs => _case.LogProbs;

    public RetrievedTokens Retrieved { get; }

    public Dictionary<int, double> Masses { get; } = [];

    public float Weight { get; }

    public static void ForEach(int cases, Action<RetrievedCase> check)
    {
        var number = 0;
        Gen.Select(LayerCase.Any, Gen.Int[0, 3]).Sample(
            (layerCase, kind) =>
            {
                var layout = layerCase.Layout;
                if (kind == 0) layerCase = layerCase with { Layout = SoftmaxLayout.CreateFull(layout.HiddenSize, layout.VocabularySize) };
                using var retrievedCase = new RetrievedCase(layerCase, Interlocked.Increment(ref number));
                check(retrievedCase);
            },
            iter: cases);
    }

    public ReferenceMixture Reference(DecodeOptions? options = null, double? weight = null) => new(LogProbs, _case.Reference(options), Masses, weight ?? Weight, options ?? Options);

    public void Dispose() => _case.Dispose();
}
