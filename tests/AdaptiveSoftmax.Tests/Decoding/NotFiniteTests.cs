using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

/// <summary>One answer for a value that is not finite, whatever it is, wherever it stands and whoever reads it.</summary>
public class NotFiniteTests
{
    private const int Hidden = 24;

    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(Hidden, 400, [40, 120, 300], [16, 8, 3], hasHeadBias: true);

    private static readonly float[] s_values = [float.NaN, BitConverter.UInt32BitsToSingle(0x7FC00000), float.PositiveInfinity, float.NegativeInfinity];

    // Parameters: head.weight, head.bias, then projection and output of each tail.
    public static TheoryData<float, int> Places()
    {
        var places = new TheoryData<float, int>();
        foreach (var value in s_values)
        {
            for (var place = -1; place < 8; place++) places.Add(value, place);
        }

        return places;
    }

    [Theory]
    [MemberData(nameof(Places))]
    public void EveryPathThatReadsTheValue_SaysWhere(float value, int place)
    {
        using var layer = NewLayer();
        var hidden = NewHidden(rows: 1);
        if (place < 0) hidden[5] = value;
        else Poison(layer.Parameters[place], value);
        var kind = place < 0 ? DecodeFaultKind.HiddenNotFinite : place < 2 ? DecodeFaultKind.HeadNotFinite : DecodeFaultKind.TailNotFinite;
        var tail = place < 2 ? -1 : (place - 2) / 2;
        var cluster = place < 0 ? -1 : tail + 1;
        foreach (var (name, decode) in Paths(tail))
        {
            var fault = Assert.Single(Assert.Throws<DecodeException>(() => decode(layer, hidden)).Faults);
            Assert.True((0, kind, cluster) == (fault.Row, fault.Kind, fault.Cluster), $"{name}: {fault}");
        }

        if (place < 0)
        {
            using var quantized = layer.Quantize();
            using var certified = layer.Certify();
            foreach (var softmax in (SoftmaxDecoder[])[quantized, certified])
            {
                foreach (var (name, decode) in Paths(tail))
                    Assert.True(Assert.Throws<DecodeException>(() => decode(softmax, hidden)).Faults[0].Kind == kind, name);
            }

            return;
        }

        foreach (var copy in (Action[])[() => layer.Certify(), () => layer.Quantize(), () => layer.Quantize(new() { Head = WeightPrecision.BFloat16, Tails = WeightPrecision.Float32 })])
        {
            var fault = Assert.Single(Assert.Throws<DecodeException>(copy).Faults);
            Assert.Equal((-1, kind, cluster), (fault.Row, fault.Kind, fault.Cluster));
            Assert.Contains(layer.Parameters[place].Name, fault.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(Places))]
    public void RowsFault_IsThatRowsAlone(float value, int place)
    {
        if (place >= 0) return;
        foreach (var rows in new[] { 3, 7, 8, 40, 300 })
        {
            using var layer = NewLayer();
            var sound = NewHidden(rows);
            var hidden = sound.ToArray();
            int[] failed = [.. Enumerable.Range(0, rows).Where(row => row % 3 == 1)];
            foreach (var row in failed) hidden[(row * Hidden) + (row % Hidden)] = value;

            var expected = new int[rows];
            var tokens = new int[rows];
            layer.Predict(sound, expected);
            Check(() => layer.Predict(hidden, tokens), row => expected[row] == tokens[row], row => tokens[row] == -1);

            float[] all = new float[rows * 400], found = new float[rows * 400];
            layer.LogProb(sound, all);
            Check(() => layer.LogProb(hidden, found), row => all.AsSpan(row * 400, 400).SequenceEqual(found.AsSpan(row * 400, 400)), row => found.AsSpan(row * 400, 400).IndexOfAnyExcept(float.NaN) < 0);

            float[] scores = new float[rows], foundScores = new float[rows];
            int[] targets = [.. Enumerable.Range(0, rows).Select(row => row * 37 % 400)];
            layer.LogProbOf(sound, targets, scores);
            Check(() => layer.LogProbOf(hidden, targets, foundScores), row => scores[row] == foundScores[row], row => float.IsNaN(foundScores[row]));

            using var session = layer.CreateSession();
            var (top, topLogProbs, topResults) = (new int[rows * 5], new float[rows * 5], new TopKResult[rows]);
            var (foundTop, foundTopLogProbs, foundTopResults) = (new int[rows * 5], new float[rows * 5], new TopKResult[rows]);
            session.TopK(sound, top, topLogProbs, topResults);
            Check(
                () => session.TopK(hidden, foundTop, foundTopLogProbs, foundTopResults),
                row => top.AsSpan(row * 5, 5).SequenceEqual(foundTop.AsSpan(row * 5, 5)) && topLogProbs.AsSpan(row * 5, 5).SequenceEqual(foundTopLogProbs.AsSpan(row * 5, 5)) && topResults[row] == foundTopResults[row],
                row => foundTopResults[row].Count == 0 && foundTop[row * 5] == -1);

            var (sequences, foundSequences) = (NewSequences(layer, rows), NewSequences(layer, rows));
            var (results, foundResults, alternatives) = (new DecodedToken[rows], new DecodedToken[rows], new TokenLogProb[2]);
            session.Sample(sound, sequences, results);
            Check(
                () => session.Sample(hidden, foundSequences, foundResults),
                row => results[row] == foundResults[row] && sequences[row].Random == foundSequences[row].Random && foundSequences[row].History.Length == 1,
                row => foundResults[row].Token == -1 && foundSequences[row].Random == new SampleRandom((ulong)row) && foundSequences[row].History.Length == 0 && session.CopyTopLogProbs(row, alternatives) == 0);

            void Check(Action decode, Func<int, bool> isSame, Func<int, bool> hasNothing)
            {
                var faults = Assert.Throws<DecodeException>(decode).Faults;
                Assert.Equal(failed, faults.Select(fault => fault.Row));
                Assert.All(faults, fault => Assert.Equal(DecodeFaultKind.HiddenNotFinite, fault.Kind));
                for (var row = 0; row < rows; row++) Assert.True(failed.Contains(row) ? hasNothing(row) : isSame(row), $"row {row} of {rows}");
            }
        }
    }

    /// <summary>A tail's fault is that of the rows that read it, and leaves them nothing of the head either.</summary>
    [Fact]
    public void TailsFault_IsThatOfTheRowsThatReadIt()
    {
        foreach (var rows in new[] { 3, 8, 40 })
        {
            using var layer = NewLayer();
            var hidden = NewHidden(rows);
            int[] targets = [.. Enumerable.Range(0, rows).Select(row => ((row * 137) + 130) % 400)];
            var (expected, scores, all) = (new float[rows], new float[rows], new float[rows * 400]);
            layer.LogProbOf(hidden, targets, expected);
            Poison(layer.Parameters[5], float.NaN);
            int[] failed = [.. Enumerable.Range(0, rows).Where(row => targets[row] is >= 120 and < 300)];
            Assert.NotEmpty(failed);

            var faults = Assert.Throws<DecodeException>(() => layer.LogProbOf(hidden, targets, scores)).Faults;
            Assert.Equal(failed, faults.Select(fault => fault.Row));
            for (var row = 0; row < rows; row++) Assert.Equal(failed.Contains(row) ? float.NaN : expected[row], scores[row]);

            Assert.Equal(rows, Assert.Throws<DecodeException>(() => layer.LogProb(hidden, all)).Faults.Count);
            Assert.Equal(-1, all.AsSpan().IndexOfAnyExcept(float.NaN));
        }
    }

    [Fact]
    public void ValueInATailThatNobodyReads_IsNotSeen()
    {
        using var layer = NewLayer();
        foreach (ref var bias in layer.Parameters[1].WritableValues[40..]) bias = -60;
        var hidden = NewHidden(rows: 1);
        var expected = layer.Predict(hidden);
        Poison(layer.Parameters[5], float.NaN);
        Assert.Equal(expected, layer.Predict(hidden));
        Assert.Throws<DecodeException>(() => layer.LogProb(hidden, new float[400]));
    }

    [Fact]
    public void LogitsThatOverflow_AreSaidToo()
    {
        using var layer = NewLayer();
        layer.Parameters[0].WritableRow(3).Fill(3e38f);
        Assert.Equal(DecodeFaultKind.HeadNotFinite, Assert.Throws<DecodeException>(() => layer.Predict([.. Enumerable.Repeat(9f, Hidden)])).Faults[0].Kind);
    }

    [Fact]
    public void RowWithoutATokenToChoose_FailsAlone()
    {
        using var layer = NewLayer();
        using var session = layer.CreateSession();
        var hidden = NewHidden(rows: 9);
        var nothing = new DecodeOptions { Mask = layer.CreateAllowMask([200]), Bias = layer.CreateBias([new(200, float.NegativeInfinity)]) };
        DecodeOptions[] hopeless = [nothing, nothing with { TopP = 0.5f }, nothing with { TopK = 3 }, nothing with { Temperature = 0 }];
        DecodeSequence[] sequences = [.. Enumerable.Range(0, 9).Select(row => new DecodeSequence(layer, row % 2 == 1 ? hopeless[row / 2] : null, (ulong)row))];
        var results = new DecodedToken[9];
        var faults = Assert.Throws<DecodeException>(() => session.Sample(hidden, sequences, results)).Faults;
        Assert.Equal([1, 3, 5, 7], faults.Select(fault => fault.Row));
        Assert.All(faults, fault => Assert.Equal(DecodeFaultKind.NoTokenLeft, fault.Kind));
        Assert.All(sequences, (sequence, row) => Assert.Equal(row % 2 == 1 ? 0 : 1, sequence.History.Length));
        foreach (var options in hopeless)
            Assert.Equal(DecodeFaultKind.NoTokenLeft, Assert.Throws<DecodeException>(() => session.Sample(hidden.AsSpan(0, Hidden), new DecodeSequence(layer, options))).Faults[0].Kind);
    }

    [Fact]
    public void ManyFaults_AreCountedInTheMessage()
    {
        using var layer = NewLayer();
        var hidden = NewHidden(rows: 20);
        hidden.AsSpan().Fill(float.NaN);
        var exception = Assert.Throws<DecodeException>(() => layer.Predict(hidden, new int[20]));
        Assert.Equal(20, exception.Faults.Count);
        Assert.Contains("17 more rows", exception.Message, StringComparison.Ordinal);
    }

    private static IEnumerable<(string Name, Action<SoftmaxDecoder, float[]> Decode)> Paths(int tail)
    {
        var token = tail < 0 ? 3 : s_layout.Tails[tail].Start + 1;
        DecodeOptions all = new() { Policy = DecodePolicy.Full };
        yield return ("Predict", (softmax, hidden) => softmax.Predict(hidden));
        yield return ("Predict of 16", (softmax, hidden) => OneOf(hidden, many => softmax.Predict(many, new int[16])));
        yield return ("LogProb", (softmax, hidden) => softmax.LogProb(hidden, new float[400]));
        yield return ("LogProb of 16", (softmax, hidden) => OneOf(hidden, many => softmax.LogProb(many, new float[16 * 400])));
        yield return ("LogProbOf", (softmax, hidden) => softmax.LogProbOf(hidden, token));
        yield return ("LogProbOf of one", (softmax, hidden) => softmax.LogProbOf(hidden, [token], new float[1]));
        yield return ("Perplexity", (softmax, hidden) => softmax.Perplexity(hidden, [token]));
        yield return ("TopK", (softmax, hidden) => softmax.TopK(hidden, new int[400], new float[400]));
        yield return ("cached TopK", (softmax, hidden) => softmax.CreateSession(new DecodeCache(4, 400)).TopK(1, hidden, new int[400], new float[400]));
        yield return ("TopK of one", (softmax, hidden) => softmax.CreateSession().TopK(hidden, new int[400], new float[400], new TopKResult[1]));
        yield return ("beams", (softmax, hidden) => BeamSearch.Run(softmax, hidden, (_, _, _) => { }, new BeamSearchOptions { MaximumLength = 2, Width = 400 }));
        DecodeOptions[] filters = [all, all with { Temperature = 0 }, all with { Temperature = 1.5f }, all with { TopP = 0.9f }, all with { MinP = 0.1f }, all with { TopK = 5 }, all with { TopK = 5, TopP = 0.5f, MinP = 0.2f, Temperature = 0.3f }];
        foreach (var options in filters)
        {
            yield return ($"Sample {options}", (softmax, hidden) => softmax.CreateSession().Sample(hidden, new DecodeSequence(softmax, options)));
            yield return ($"Sample of a batch {options}", (softmax, hidden) => softmax.CreateSession().Sample(hidden, [new DecodeSequence(softmax, options)], new DecodedToken[1]));
        }
    }

    // The others' hidden vectors are of zeros on every other place, which meets no weight that is not finite by chance.
    private static void OneOf(float[] hidden, Action<float[]> decode)
    {
        var many = new float[16 * Hidden];
        hidden.CopyTo(many, 0);
        try
        {
            decode(many);
        }
        catch (DecodeException exception)
        {
            throw new DecodeException([exception.Faults[0]]);
        }
    }

    // Every tail is more probable than any token, so that each is looked at.
    private static DynamicAdaptiveSoftmax NewLayer()
    {
        var layer = new DynamicAdaptiveSoftmax(s_layout, seed: 7);
        layer.Parameters[1].WritableValues[40..].Fill(2);
        return layer;
    }

    private static void Poison(Parameter parameter, float value) => parameter.WritableRow(parameter.Rows / 2)[parameter.Columns / 2] = value;

    private static float[] NewHidden(int rows)
    {
        var random = new Random(3);
        return [.. Enumerable.Range(0, rows * Hidden).Select(_ => (float)random.NextDouble() - 0.5f)];
    }

    private static DecodeSequence[] NewSequences(DynamicAdaptiveSoftmax layer, int rows)
    {
        DecodeOptions[] options = [DecodeOptions.Default, new() { TopP = 0.9f, TopLogProbs = 2 }, new() { TopK = 5, Temperature = 2 }, DecodeOptions.Greedy, new() { MinP = 0.1f, Temperature = 1.5f }];
        return [.. Enumerable.Range(0, rows).Select(row => new DecodeSequence(layer, options[row % options.Length], (ulong)row))];
    }
}
