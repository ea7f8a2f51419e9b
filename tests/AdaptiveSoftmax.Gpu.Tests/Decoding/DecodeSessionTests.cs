using AdaptiveSoftmax.Tests;
using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Decoding;

/// <summary>Top-k and sampling of batches on a device, against float64 and against the CPU's session.</summary>
public abstract partial class DecodeSessionTests
{
    // Rounding can decide between tokens that are almost equally probable, or at a boundary between two in a draw.
    private const double Tolerance = 3e-4;

    private protected abstract Accelerator Accelerator { get; }

    /// <summary>How many random layouts a backend can afford.</summary>
    private protected virtual int Cases => 16;

    private protected virtual int Draws => 2000;

    private protected virtual int ManyRows => 70;

    [Fact]
    public void TopK_FindsTheBestOfFloat64() => ForEach(test =>
    {
        using var layer = CopyOf(test.Layer);
        using var session = layer.CreateSession();
        foreach (var k in new[] { 0, 1, 7, test.Layer.Layout.VocabularySize + 2 })
        {
            var options = test.Options with { Policy = k == 7 ? DecodePolicy.Full : DecodePolicy.Exact };
            var (tokens, logProbs, results) = (new int[k], new float[k], new TopKResult[1]);
            session.TopK(test.Hidden, tokens, logProbs, results, options);

            // Without a history there are no penalties.
            var reference = new ReferenceDecoder(test.LogProbs, options with { RepetitionPenalty = 1, FrequencyPenalty = 0, PresencePenalty = 0 }) { Bias = test.Reference().Bias, Allowed = test.Reference().Allowed };
            CheckTop(reference, options, test.LogProbs, tokens, logProbs, results[0]);

            // The same tails as on the CPU.
            using var onCpu = test.Layer.CreateSession();
            var expected = new TopKResult[1];
            onCpu.TopK(test.Hidden, new int[k], new float[k], expected, options);
            Assert.Equal(expected[0].Count, results[0].Count);
            Assert.InRange(results[0].TailsVisited, expected[0].TailsVisited - 1, expected[0].TailsVisited + 1);
        }
    });

    [Fact]
    public void Sample_DrawsWhatTheCpuDraws()
    {
        var (draws, different, apart) = (0, 0, 0);
        ForEach(test =>
        {
            using var layer = CopyOf(test.Layer);
            using var session = layer.CreateSession();
            using var onCpu = test.Layer.CreateSession();
            const int Rows = 12;
            DecodeOptions[] variants =
            [
                test.Options,
                test.Options with { TopLogProbs = 4 },
                test.Options with { Policy = DecodePolicy.Full },
                test.Options with { Policy = DecodePolicy.Budget(1), TopLogProbs = 2 },
                test.Options with { TopK = 0 },
                test.Options with { TopK = 0, TopP = 1, MinP = 0 },
                test.Options with { TopK = 0, TopP = 0.9f, MinP = 0, Temperature = 1.5f },
            ];
            var hidden = Enumerable.Repeat(test.Hidden, Rows).SelectMany(vector => vector).ToArray();
            var (sequences, expectedSequences) = (new DecodeSequence[Rows], new DecodeSequence[Rows]);
            for (var row = 0; row < Rows; row++)
            {
                expectedSequences[row] = new DecodeSequence(test.Layer, variants[row % variants.Length], (ulong)row);
                expectedSequences[row].History.Add(test.History.Tokens);
                sequences[row] = expectedSequences[row].Fork(expectedSequences[row].Random);
            }

            var (results, expected) = (new DecodedToken[Rows], new DecodedToken[Rows]);
            for (var step = 0; step < 3; step++)
            {
                var faults = Catch(() => session.Sample(hidden, sequences, results));
                var expectedFaults = Catch(() => onCpu.Sample(hidden, expectedSequences, expected));
                Assert.Equal(expectedFaults, faults);
                for (var row = 0; row < Rows; row++)
                {
                    draws++;
                    if (results[row].Token != expected[row].Token) different++;
                    else if (results[row].Token >= 0) Assert.Equal(expected[row].LogProb, results[row].LogProb, Tolerance);
                    if (results[row].TailsVisited != expected[row].TailsVisited) apart++;
                    Assert.Equal(expectedSequences[row].Random, sequences[row].Random);
                    if (results[row].Token != expected[row].Token) sequences[row] = expectedSequences[row].Fork(expectedSequences[row].Random);
                    CheckTopLogProbs(session, onCpu, row, sequences[row].Options.TopLogProbs);
                    Assert.Equal(expectedSequences[row].History.Tokens, sequences[row].History.Tokens);
                }
            }
        });
        Assert.True(different <= 1 + (draws / 500), $"{different} of {draws} draws are others than the CPU's.");
        Assert.True(apart <= 2 + (draws / 200), $"For {apart} of {draws} draws other tails were computed than on the CPU.");
        TestContext.Current.SendDiagnosticMessage($"{different} of {draws} draws are others than the CPU's; of {apart} the tails.");
    }

    [Theory]
    [MemberData(nameof(Settings))]
    public void Sample_HasTheReferencesDistribution(DecodeOptions options)
    {
        using var host = Sharpened(SoftmaxLayout.Create(8, 60, [10, 20, 40], [4, 3, 2]), seed: 5, scale: 3);
        using var layer = CopyOf(host);
        using var session = layer.CreateSession();
        float[] hidden = [0.9f, -0.4f, 1.2f, 0.3f, -1.1f, 0.7f, -0.2f, 0.5f];
        var bias = new Dictionary<int, float> { [3] = 1.5f, [25] = 2, [50] = -3, [41] = 4 };
        var allowed = Enumerable.Range(0, 60).Where(token => token % 5 != 0).ToHashSet();
        var isAdjusted = options.PresencePenalty != 0;
        if (isAdjusted) options = options with { Bias = layer.CreateBias(bias), Mask = layer.CreateAllowMask(allowed) };
        var reference = new ReferenceDecoder(new ReferenceSoftmax(host).LogProb([.. hidden.Select(value => (double)value)]), options)
        {
            History = new() { [1] = 2, [12] = 1, [27] = 3, [55] = 1 },
            Bias = isAdjusted ? bias : [],
            Allowed = isAdjusted ? allowed : null,
        };
        var rows = Math.Min(1000, Draws);
        var many = Enumerable.Repeat(hidden, rows).SelectMany(vector => vector).ToArray();
        var (results, counts) = (new DecodedToken[rows], new int[60]);
        for (var first = 0; first < Draws; first += rows)
        {
            var sequences = Enumerable.Range(first, rows).Select(row => layer.CreateSequence(options, (ulong)row)).ToArray();
            foreach (var sequence in sequences) sequence.History.Add([1, 1, 12, 27, 27, 27, 55]);
            session.Sample(many, sequences, results);
            foreach (var result in results) counts[result.Token]++;
        }

        Assert.InRange(ChiSquare.Score(counts, reference.Distribution()), -6, 6);
    }

    public static TheoryData<DecodeOptions> Settings =>
    [
        new DecodeOptions(),
        new DecodeOptions { Temperature = 0.6f },
        new DecodeOptions { Temperature = 1.7f },
        new DecodeOptions { TopP = 0.8f, Temperature = 1.3f },
        new DecodeOptions { TopK = 30, TopP = 0.9f, MinP = 0.05f },
        new DecodeOptions { MinP = 0.1f },
        new DecodeOptions { PresencePenalty = 0.5f, FrequencyPenalty = -0.7f, RepetitionPenalty = 1.3f, Temperature = 1.2f },
        new DecodeOptions { PresencePenalty = 0.5f, FrequencyPenalty = -0.7f, RepetitionPenalty = 1.3f, TopP = 0.7f },
    ];

    [Theory]
    [InlineData(1e-38f, 1f)]
    [InlineData(1e-38f, 0.9f)]
    [InlineData(1e-3f, 0.9f)]
    [InlineData(1e30f, 1f)]
    [InlineData(1e30f, 0.5f)]
    public void Temperature_OfAnySize_DrawsAsTheCpu(float temperature, float topP)
    {
        using var host = Sharpened(SoftmaxLayout.Create(8, 300, [20, 60], [4, 2], hasHeadBias: true), seed: 2, scale: 4);
        var options = new DecodeOptions { Temperature = temperature, TopP = topP };
        CheckAgainstTheCpu(host, _ => options, rows: 20);
    }

    // Rows of one batch with options of their own, more of them than a small tile has rows.
    [Fact]
    public void Rows_AreTheirOwn_InBatchesOfAnySize()
    {
        using var host = Sharpened(SoftmaxLayout.Create(12, 700, [40, 150, 300], [6, 4, 3], hasHeadBias: true), seed: 8, scale: 5);
        using var layer = CopyOf(host);
        using var session = layer.CreateSession();
        using var inBlocks = CopyOf(host, new GpuOptions { LogitBytes = 0 });
        using var otherSession = inBlocks.CreateSession();
        var hidden = Hidden(host, ManyRows);
        var mask = layer.CreateDenyMask([.. Enumerable.Range(0, 700).Where(token => token % 3 == 0)]);
        DecodeOptions[] options =
        [
            new(), DecodeOptions.Greedy, new() { TopK = 5 }, new() { TopP = 0.7f }, new() { Mask = mask }, new() { TopP = 0.95f, Mask = layer.CreateAllowMask([0, 41, 699]) },
            new() { Bias = layer.CreateBias([new(600, 8f), new(5, float.NegativeInfinity)]), LogProbs = LogProbKind.Adjusted },
            new() { PresencePenalty = 2, TopLogProbs = 3 },
        ];
        var results = new DecodedToken[ManyRows];
        session.Sample(hidden, Sequences(), results);
        Assert.Contains(results, result => result.TailsVisited > 0);
        Assert.Contains(results, result => result.TailsVisited == 0);
        Assert.True(results.Select(result => result.Cluster).Distinct().Count() > 1);
        var again = new DecodedToken[ManyRows];
        otherSession.Sample(hidden, Sequences(), again);
        Assert.Equal(results, again);

        // From the device's memory, in halves.
        using var vectors = Accelerator.Allocate1D(hidden);
        var half = ManyRows / 2;
        var sequences = Sequences();
        session.Sample(vectors.View.SubView(0, half * 12), sequences.AsSpan(0, half), again.AsSpan(0, half));
        session.Sample(vectors.View.SubView(half * 12, (ManyRows - half) * 12), sequences.AsSpan(half), again.AsSpan(half));
        Assert.Equal(results, again);
        for (var row = 0; row < ManyRows; row += 9)
        {
            session.Sample(hidden.AsSpan(row * 12, 12), Sequences().AsSpan(row, 1), again.AsSpan(0, 1));
            Assert.Equal(results[row], again[0]);
        }

        DecodeSequence[] Sequences()
        {
            var made = new DecodeSequence[ManyRows];
            for (var row = 0; row < ManyRows; row++)
            {
                made[row] = layer.CreateSequence(options[row % options.Length], seed: (ulong)row);
                made[row].History.Add([3, 41, 41, 600]);
            }

            return made;
        }
    }

    // All log-probs of a cluster are equal: of these the lower slots are better, over the borders of clusters too.
    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void Ties_GoToTheLowerSlots(int tails)
    {
        var layout = tails == 0 ? SoftmaxLayout.CreateFull(4, 1300) : SoftmaxLayout.Create(4, 1300, [40, 700], [2, 1]);
        using var host = Sharpened(layout, seed: 1, scale: 0);
        using var layer = CopyOf(host);
        using var session = layer.CreateSession();
        foreach (var k in new[] { 1, 16, 39, 300 })
        {
            var (tokens, logProbs, results) = (new int[2 * k], new float[2 * k], new TopKResult[2]);
            session.TopK(Hidden(host, 2), tokens, logProbs, results);
            // The smaller of the tails, in which a token has more of the same mass, is the last one.
            var expected = tails == 0 ? Enumerable.Range(0, k) : Enumerable.Range(0, 40).Concat(Enumerable.Range(700, 600)).Take(k);
            Assert.Equal(expected, tokens[..k]);
            Assert.Equal(expected, tokens[k..]);
        }
    }

    [Fact]
    public void Faults_AreTheirRowsAlone()
    {
        using var host = Sharpened(SoftmaxLayout.Create(10, 400, [20, 80], [5, 3], hasHeadBias: true), seed: 3, scale: 5);
        using var layer = CopyOf(host);
        using var session = layer.CreateSession();
        using var onCpu = host.CreateSession();
        const int Rows = 9;
        var hidden = Hidden(host, Rows);
        var nothing = layer.CreateMask();
        nothing.SetSlots(new ulong[7]);
        var sound = new DecodedToken[Rows];
        session.Sample(hidden, Sequences(null), sound);
        hidden[(2 * 10) + 3] = float.NaN;
        hidden[(7 * 10) + 9] = float.PositiveInfinity;

        var (sequences, results) = (Sequences(nothing), new DecodedToken[Rows]);
        var faults = Catch(() => session.Sample(hidden, sequences, results));
        var expectedSequences = Sequences(nothing);
        var expected = Catch(() => onCpu.Sample(hidden, expectedSequences, new DecodedToken[Rows]));
        Assert.Equal(expected, faults);
        Assert.Equal([(2, DecodeFaultKind.HiddenNotFinite), (4, DecodeFaultKind.NoTokenLeft), (7, DecodeFaultKind.HiddenNotFinite)], faults.Select(fault => (fault.Row, fault.Kind)));
        for (var row = 0; row < Rows; row++)
        {
            var hasFailed = row is 2 or 4 or 7;
            if (hasFailed) Assert.Equal(-1, results[row].Token);
            else Assert.Equal(sound[row], results[row]);
            Assert.Equal(hasFailed ? 0 : 1, sequences[row].History.Length);
            Assert.Equal(hasFailed ? 0 : 1, sequences[row].Random.Position);
        }

        // The last weight of a tail: of the rows that look there, and of no other.
        var parameter = host.Parameters[^1];
        parameter.EditRow(parameter.Rows - 1, row => row[^1] = float.NaN);
        layer.Parameters[^1].CopyFrom(parameter);
        hidden = Hidden(host, Rows);
        var (tokens, logProbs, found) = (new int[Rows * 3], new float[Rows * 3], new TopKResult[Rows]);
        var inTail = Catch(() => session.TopK(hidden, tokens, logProbs, found, new DecodeOptions { Policy = DecodePolicy.Full }));
        Assert.Equal(Enumerable.Range(0, Rows).Select(row => (row, DecodeFaultKind.TailNotFinite, 2)), inTail.Select(fault => (fault.Row, fault.Kind, fault.Cluster)));
        Assert.All(found, result => Assert.Equal(new TopKResult(0, 0, 0), result));
        session.TopK(hidden, tokens, logProbs, found, new DecodeOptions { Policy = DecodePolicy.HeadOnly });
        Assert.All(found, result => Assert.Equal(3, result.Count));

        DecodeSequence[] Sequences(TokenMask? ofFifth) =>
            [.. Enumerable.Range(0, Rows).Select(row => layer.CreateSequence(row == 4 ? new DecodeOptions { Mask = ofFifth } : row % 2 == 0 ? new DecodeOptions { TopP = 0.9f } : null, (ulong)row))];
    }

    [Fact]
    public void Mask_SetAnew_CountsInTheNextStep()
    {
        using var host = Sharpened(SoftmaxLayout.Create(6, 200, [30, 90], [3, 2]), seed: 4, scale: 2);
        using var layer = CopyOf(host);
        using var session = layer.CreateSession();
        var mask = layer.CreateMask();
        var sequence = layer.CreateSequence(new DecodeOptions { Mask = mask });
        var results = new DecodedToken[1];
        foreach (var token in new[] { 7, 150, 42, 199, 30 })
        {
            var bits = new ulong[4];
            bits[token / 64] = 1ul << (token % 64);
            mask.SetTokens(bits);
            session.Sample(Hidden(host, 1), [sequence], results);
            Assert.Equal(token, results[0].Token);
        }
    }

    [Fact]
    public void Misuse_IsNamed()
    {
        var layout = SoftmaxLayout.CreateFull(6, 20);
        using var layer = new DynamicGpuSoftmax(Accelerator, layout);
        using var other = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(6, 21));
        var session = layer.CreateSession();
        var (sequence, results) = (layer.CreateSequence(), new DecodedToken[2]);
        Assert.Contains("2 rows of the hidden size 6 are 12", Assert.Throws<ArgumentException>(() => session.Sample(new float[11], [sequence, sequence], results)).Message, StringComparison.Ordinal);
        Assert.Contains("stands in an earlier row too", Assert.Throws<ArgumentException>(() => session.Sample(new float[12], [sequence, sequence], results)).Message, StringComparison.Ordinal);
        Assert.Contains("room for 2 tokens of 1", Assert.Throws<ArgumentException>(() => session.Sample(new float[6], [sequence], results)).Message, StringComparison.Ordinal);
        Assert.Contains("belongs to another vocabulary", Assert.Throws<ArgumentException>(() => session.Sample(new float[6], [new DecodeSequence(other)], results.AsSpan(0, 1))).Message, StringComparison.Ordinal);
        Assert.Contains("room for 3 tokens and 4 log-probs", Assert.Throws<ArgumentException>(() => session.TopK(new float[6], new int[3], new float[4], new TopKResult[1])).Message, StringComparison.Ordinal);
        Assert.Contains("set Sampler to Inversion", Assert.Throws<ArgumentException>(() => session.Sample(new float[6], [layer.CreateSequence(new DecodeOptions { Sampler = SamplerKind.Gumbel })], results.AsSpan(0, 1))).Message, StringComparison.Ordinal);
        using var onCpu = new DynamicAdaptiveSoftmax(layout);
        var retrieved = onCpu.CreateRetrieved();
        retrieved.Add(3, 1);
        sequence.Retrieve(retrieved, 0.5f);
        Assert.Contains("not mixed in on a device", Assert.Throws<ArgumentException>(() => session.Sample(new float[6], [sequence], results.AsSpan(0, 1))).Message, StringComparison.Ordinal);
        Assert.Equal(0, sequence.Random.Position);
        session.Sample([], [], []);
        session.TopK([], [], [], []);
        Assert.Throws<ArgumentOutOfRangeException>(() => session.CopyTopLogProbs(0, []));
        session.Dispose();
        Assert.Throws<ObjectDisposedException>(() => session.Sample([], [], []));
        session = layer.CreateSession();
        layer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => session.TopK([], [], [], []));
        Assert.Throws<ObjectDisposedException>(() => layer.CreateSequence());
        session.Dispose();
    }
}

[Collection(Backend.Collection)]
public sealed class OpenClDecodeSessionTests : DecodeSessionTests
{
    private protected override Accelerator Accelerator => Backend.OpenCl;
}

[Collection(Backend.Collection)]
public sealed class CudaDecodeSessionTests : DecodeSessionTests
{
    private protected override Accelerator Accelerator => Backend.Cuda;
}
