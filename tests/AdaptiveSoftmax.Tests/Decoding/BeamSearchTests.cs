using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

public class BeamSearchTests
{
    private const int Hidden = 4;

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 0)]
    [InlineData(1, 2)]
    [InlineData(-0.5, 3)]
    public void WidthOfAllSequences_FindsTheBestOfAll(float lengthPenalty, int endTokens)
    {
        using var layer = CreateLayer();
        var ends = Enumerable.Range(2, endTokens).ToArray();
        var options = new BeamSearchOptions { Width = 512, MaximumLength = 3, Results = 10, LengthPenalty = lengthPenalty, EndTokens = ends };
        var expected = AllSequences(layer, ends, 3)
            .Select(pair => (pair.Tokens, Score: pair.LogProb / Math.Pow(pair.Tokens.Length, lengthPenalty)))
            .OrderByDescending(pair => pair.Score).Take(10).ToArray();

        var found = Search(layer, options);

        Assert.Equal(expected.Select(pair => string.Join(' ', pair.Tokens)), found.Select(sequence => string.Join(' ', sequence.Tokens)));
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal(expected[i].Score, found[i].Score, 1e-4);
            Assert.Equal(ends.Contains(found[i].Tokens[^1]), found[i].IsEnded);
        }
    }

    [Fact]
    public void WidthOne_IsGreedy()
    {
        using var layer = CreateLayer();
        var hidden = TinyModel.Start;
        var expected = new List<int>();
        for (var i = 0; i < 20; i++)
        {
            expected.Add(layer.Predict(hidden));
            hidden = TinyModel.Next(hidden, expected[^1]);
        }

        var found = Search(layer, new BeamSearchOptions { Width = 1, MaximumLength = 20 });
        Assert.Equal(expected, Assert.Single(found).Tokens);
    }

    [Fact]
    public void WiderBeam_IsNeverWorseThanThePlainSearch()
    {
        using var layer = CreateLayer();
        foreach (var width in (int[])[2, 3, 5])
        {
            var options = new BeamSearchOptions { Width = width, MaximumLength = 6, Results = width, LengthPenalty = 0.8f, EndTokens = [5] };
            var found = Search(layer, options);
            var expected = PlainSearch(layer, options);
            Assert.Equal(expected.Count, found.Count);
            for (var i = 0; i < found.Count; i++) Assert.Equal(expected[i], found[i].Score, 1e-4);
        }
    }

    [Theory]
    [InlineData(ScreeningStages.Int8)]
    [InlineData(ScreeningStages.Int4)]
    [InlineData(ScreeningStages.Int4ThenInt8)]
    public void CertifiedDecoders_FindTheSameSequences(ScreeningStages stages)
    {
        using var full = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(Hidden, 40), seed: 9);
        using var adaptive = CreateLayer();
        foreach (var layer in (DynamicAdaptiveSoftmax[])[full, adaptive])
        {
            using var certified = layer.Certify(new CertifyOptions { Stages = stages });
            var options = new BeamSearchOptions { Width = 4, MaximumLength = 6, Results = 4, EndTokens = [5], Decoding = new DecodeOptions { Mask = layer.CreateDenyMask([2]) } };
            var expected = Search(layer, options);
            var found = Search(certified, options);
            Assert.Equal(expected.Select(sequence => (string.Join(' ', sequence.Tokens), sequence.Score)), found.Select(sequence => (string.Join(' ', sequence.Tokens), sequence.Score)));
        }
    }

    [Fact]
    public void Mask_KeepsTokensOut()
    {
        using var layer = CreateLayer();
        var options = new BeamSearchOptions { Width = 3, MaximumLength = 5, Decoding = new DecodeOptions { Mask = layer.CreateAllowMask([1, 6]) } };
        Assert.All(Assert.Single(Search(layer, options)).Tokens, token => Assert.Contains(token, (int[])[1, 6]));
    }

    [Fact]
    public void Cancellation_EndsTheSearch()
    {
        using var layer = CreateLayer();
        using var source = new CancellationTokenSource();
        var steps = 0;
        Assert.Throws<OperationCanceledException>(() => BeamSearch.Run(layer, TinyModel.Start, Step, new BeamSearchOptions { MaximumLength = 1000 }, source.Token));
        Assert.Equal(3, steps);

        void Step(ReadOnlySpan<int> parents, ReadOnlySpan<int> tokens, Span<float> hidden)
        {
            hidden.Fill(0.5f);
            if (++steps == 3) source.Cancel();
        }
    }

    [Fact]
    public void BadOptions_AreRefused()
    {
        using var layer = CreateLayer();
        Refuses("Width is 0", new BeamSearchOptions { Width = 0, MaximumLength = 1 });
        Refuses("MaximumLength is 0", new BeamSearchOptions { MaximumLength = 0 });
        Refuses("Results is 5", new BeamSearchOptions { MaximumLength = 1, Results = 5 });
        Refuses("End token 8", new BeamSearchOptions { MaximumLength = 1, EndTokens = [8] });
        Refuses("penalty", new BeamSearchOptions { MaximumLength = 1, Decoding = new DecodeOptions { PresencePenalty = 1 } });

        void Refuses(string part, BeamSearchOptions options) =>
            Assert.Contains(part, Assert.Throws<ArgumentException>(() => Search(layer, options)).Message, StringComparison.Ordinal);
    }

    private static IReadOnlyList<BeamSequence> Search(SoftmaxDecoder layer, BeamSearchOptions options) =>
        BeamSearch.Run(layer, TinyModel.Start, new TinyModel().Step, options, TestContext.Current.CancellationToken);

    private static DynamicAdaptiveSoftmax CreateLayer()
    {
        var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(Hidden, 8, [3, 5], [2, 1]), seed: 9);
        foreach (var parameter in layer.Parameters)
        {
            foreach (ref var value in parameter.WritableValues) value *= 2;
        }

        return layer;
    }

    private static IEnumerable<(int[] Tokens, double LogProb)> AllSequences(DynamicAdaptiveSoftmax layer, int[] ends, int length)
    {
        var reference = new ReferenceSoftmax(layer);
        var open = new List<(int[] Tokens, double LogProb, float[] Hidden)> { ([], 0, TinyModel.Start) };
        for (var i = 1; i <= length; i++)
        {
            var next = new List<(int[] Tokens, double LogProb, float[] Hidden)>();
            foreach (var (tokens, logProb, hidden) in open)
            {
                var logProbs = reference.LogProb([.. hidden.Select(value => (double)value)]);
                for (var token = 0; token < 8; token++)
                {
                    int[] longer = [.. tokens, token];
                    if (i == length || ends.Contains(token)) yield return (longer, logProb + logProbs[token]);
                    else next.Add((longer, logProb + logProbs[token], TinyModel.Next(hidden, token)));
                }
            }

            open = next;
        }
    }

    // The textbook's search, to the maximum length without an early stop.
    private static List<double> PlainSearch(DynamicAdaptiveSoftmax layer, BeamSearchOptions options)
    {
        var reference = new ReferenceSoftmax(layer);
        var live = new List<(double LogProb, float[] Hidden)> { (0, TinyModel.Start) };
        var ended = new List<double>();
        for (var length = 1; length <= options.MaximumLength; length++)
        {
            var scale = Math.Pow(length, options.LengthPenalty);
            var candidates = live.SelectMany(beam => reference.LogProb([.. beam.Hidden.Select(value => (double)value)]).Select((logProb, token) => (LogProb: beam.LogProb + logProb, beam.Hidden, Token: token))).OrderByDescending(candidate => candidate.LogProb).ToArray();
            ended.AddRange(candidates.Take(options.Width).Where(candidate => candidate.Token == 5).Select(candidate => candidate.LogProb / scale));
            var open = candidates.Where(candidate => candidate.Token != 5).Take(options.Width).ToArray();
            if (length == options.MaximumLength) ended.AddRange(open.Select(candidate => candidate.LogProb / scale));
            live = [.. open.Select(candidate => (candidate.LogProb, TinyModel.Next(candidate.Hidden, candidate.Token)))];
        }

        return [.. ended.OrderDescending().Take(options.Results)];
    }

    /// <summary>A recurrent model of no training: each token turns the hidden vector a little.</summary>
    private sealed class TinyModel
    {
        private List<float[]> _states = [Start];

        public static float[] Start => [0.5f, -1, 2, 0.3f];

        public static float[] Next(float[] hidden, int token) =>
            [.. hidden.Select((value, i) => (float)(2 * Math.Sin((1.3 * value) + (0.9 * (token + 1) * (i + 1)))))];

        public void Step(ReadOnlySpan<int> parents, ReadOnlySpan<int> tokens, Span<float> hidden)
        {
            var next = new List<float[]>();
            for (var i = 0; i < parents.Length; i++) next.Add(Next(_states[parents[i]], tokens[i]));
            _states = next;
            for (var i = 0; i < next.Count; i++) next[i].CopyTo(hidden.Slice(i * Hidden, Hidden));
        }
    }
}
