using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

public class DecodeSessionTests
{
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(64, 20_000, [1000, 5000], [16, 4]);

    public static TheoryData<DecodeOptions> AllKinds() =>
    [
        DecodeOptions.Greedy,
        DecodeOptions.Default,
        new DecodeOptions { Temperature = 1.5f },
        new DecodeOptions { TopP = 0.9f },
        new DecodeOptions { TopK = 40, TopLogProbs = 5, PresencePenalty = 1, LogProbs = LogProbKind.Adjusted },
        new DecodeOptions { MinP = 0.1f, Policy = DecodePolicy.Budget(1) },
    ];

    [Theory]
    [MemberData(nameof(AllKinds))]
    public void Step_AllocatesNothing_AfterWarmUp(DecodeOptions options)
    {
        // Workers that no other test shares: those of a layer that is disposed meanwhile would start anew on this thread.
        using var layer = new DynamicAdaptiveSoftmax(s_layout, options: new AdaptiveSoftmaxOptions { Threads = 6 });
        using var session = layer.CreateSession();
        var hidden = Hidden(16);
        var sequence = new DecodeSequence(layer, options, seed: 4);
        var batch = Enumerable.Range(0, 16).Select(row => new DecodeSequence(layer, options, (ulong)row)).ToArray();
        var (results, alternatives) = (new DecodedToken[16], new TokenLogProb[5]);
        var (tokens, logProbs) = (new int[10], new float[10]);

        // A history grows with the tokens it meets, which is the sequence's affair and not the step's.
        for (var i = 0; i < 400; i++) Step();
        Array.ForEach(batch, one => one.History.Clear());
        sequence.History.Clear();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 20; i++) Step();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Step()
        {
            session.Sample(hidden.AsSpan(0, 64), sequence);
            session.CopyTopLogProbs(alternatives);
            session.Sample(hidden, batch, results);
            session.TopK(hidden.AsSpan(0, 64), tokens, logProbs);
            layer.LogProbOf(hidden.AsSpan(0, 64), 19_000);
        }
    }

    [Fact]
    public void ManyThreads_OnOneLayer_GetWhatOneThreadGets()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout, seed: 3);
        var hidden = Hidden(64);
        int[] Decode(int seed)
        {
            using var session = layer.CreateSession();
            var sequence = new DecodeSequence(layer, new DecodeOptions { TopP = 0.95f }, (ulong)seed);
            return [.. Enumerable.Range(0, 64).Select(row => session.Sample(hidden.AsSpan(row * 64, 64), sequence).Token)];
        }

        var expected = Enumerable.Range(0, 8).Select(Decode).ToArray();
        var found = new int[8][];
        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, seed => found[seed] = Decode(seed));
        Assert.Equal(expected, found);
    }

    [Fact]
    public void BatchWithAnOptionSetARow_GivesEachRowItsOwn()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout, seed: 3);
        using var session = layer.CreateSession();
        var hidden = Hidden(9);
        var allowed = layer.CreateAllowMask([7, 19_999]);
        DecodeSequence[] sequences =
        [
            .. Enumerable.Range(0, 9).Select(row => new DecodeSequence(layer, (row % 3) switch
            {
                0 => DecodeOptions.Greedy,
                1 => new DecodeOptions { Mask = allowed },
                _ => new DecodeOptions { TopK = 3, Temperature = 5 },
            }, (ulong)row)),
        ];
        var results = new DecodedToken[9];
        session.Sample(hidden, sequences, results);
        var (tokens, logProbs) = (new int[3], new float[3]);
        for (var row = 0; row < 9; row++)
        {
            session.TopK(hidden.AsSpan(row * 64, 64), tokens, logProbs);
            if (row % 3 == 0) Assert.Equal(tokens[0], results[row].Token);
            else if (row % 3 == 1) Assert.Contains(results[row].Token, (int[])[7, 19_999]);
            else Assert.Contains(results[row].Token, tokens);
            Assert.Equal(1, sequences[row].History.Length);
        }
    }

    /// <summary>A server that batches requests promises each the same answer for the same seed, whatever else it serves.</summary>
    [Theory]
    [InlineData(WeightPrecision.Float32)]
    [InlineData(WeightPrecision.BFloat16)]
    [InlineData(WeightPrecision.Int8)]
    public void RowOfABatch_DoesNotDependOnTheOthers(WeightPrecision precision)
    {
        const int Rows = 70;
        using var layer = new DynamicAdaptiveSoftmax(s_layout, seed: 3);
        using var quantized = precision == WeightPrecision.Float32 ? null : layer.Quantize(new QuantizationOptions { Head = precision, Tails = precision });
        var softmax = (SoftmaxDecoder?)quantized ?? layer;
        using var session = softmax.CreateSession();
        var hidden = Hidden(Rows);
        DecodeOptions[] options =
        [
            DecodeOptions.Greedy, DecodeOptions.Default, new() { Temperature = 3, TopLogProbs = 3 }, new() { TopP = 0.9f }, new() { MinP = 0.1f, Temperature = 2 }, new() { TopK = 40, PresencePenalty = 1 },
        ];
        var alone = Enumerable.Range(0, Rows).Select(row => Decode([row])[0]).ToArray();
        foreach (var count in new[] { 2, 4, 5, 8, 16, 17, 33, Rows })
        {
            int[] rows = [.. Enumerable.Range(0, count).Select(i => ((i * 11) + count) % Rows)];
            Assert.Equal(rows.Select(row => alone[row]), Decode(rows));
        }

        // Three steps, so that random numbers and histories that went astray would show.
        (DecodedToken, DecodedToken, DecodedToken, SampleRandom)[] Decode(int[] rows)
        {
            float[] vectors = [.. rows.SelectMany(row => hidden[(row * 64)..((row + 1) * 64)])];
            DecodeSequence[] sequences = [.. rows.Select(row => new DecodeSequence(softmax, options[row % options.Length], (ulong)row))];
            var results = new DecodedToken[3][];
            for (var step = 0; step < 3; step++) session.Sample(vectors, sequences, results[step] = new DecodedToken[rows.Length]);
            return [.. rows.Select((_, i) => (results[0][i], results[1][i], results[2][i], sequences[i].Random))];
        }
    }

    [Fact]
    public void Greedy_IsPredict() => DecodeCase.ForEach(100, test =>
    {
        var random = new SampleRandom(1);
        Assert.Equal(test.Layer.Predict(test.Hidden), test.Layer.Sample(test.Hidden, DecodeOptions.Greedy, ref random).Token);
        Assert.Equal(new SampleRandom(1).Next(), random);
    });

    [Fact]
    public void Options_CanChangeBetweenSteps()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout, seed: 3);
        using var other = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(64, 20_001, [1000, 5000], [16, 4]));
        using var session = layer.CreateSession();
        var hidden = Hidden(1);
        var sequence = new DecodeSequence(layer, DecodeOptions.Default, seed: 9);
        var free = session.Sample(hidden, sequence);
        sequence.Options = sequence.Options with { Mask = layer.CreateAllowMask([17]) };
        Assert.Equal(17, session.Sample(hidden, sequence).Token);
        sequence.Options = DecodeOptions.Greedy;
        Assert.Equal(layer.Predict(hidden), session.Sample(hidden, sequence).Token);
        var kept = sequence.Options;
        Assert.Throws<ArgumentException>(() => sequence.Options = new DecodeOptions { TopP = 2 });
        Assert.Throws<ArgumentException>(() => sequence.Options = new DecodeOptions { Mask = other.CreateMask() });
        Assert.Same(kept, sequence.Options);

        // A step back: the same position draws the same token.
        sequence.Options = DecodeOptions.Default;
        sequence.Random = sequence.Random.At(0);
        Assert.Equal(free, session.Sample(hidden, sequence));
    }

    [Fact]
    public void Fork_GoesItsOwnWay()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout, seed: 3);
        using var session = layer.CreateSession();
        var hidden = Hidden(20);
        var sequence = new DecodeSequence(layer, new DecodeOptions { PresencePenalty = 1 }, seed: 9);
        Run(sequence);
        var same = sequence.Fork(sequence.Random);
        var other = sequence.Fork(new SampleRandom(9, stream: 1, sequence.Random.Position));
        Assert.Equal(sequence.History.Tokens, same.History.Tokens);
        var expected = Run(sequence);
        Assert.Equal(expected, Run(same));
        Assert.NotEqual(expected, Run(other));
        Assert.Equal(40, other.History.Length);

        int[] Run(DecodeSequence one) => [.. Enumerable.Range(0, 20).Select(row => session.Sample(hidden.AsSpan(row * 64, 64), one).Token)];
    }


    [Fact]
    public void BadInput_IsRefused_AndChangesNothing()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        using var other = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(64, 20_001, [1000, 5000], [16, 4]));
        using var session = layer.CreateSession();
        var hidden = Hidden(2);
        Refuses("hidden size is 64", () => Sample(hidden, DecodeOptions.Default));
        Refuses("Temperature is -1", () => Sample(hidden[..64], new DecodeOptions { Temperature = -1 }));
        Refuses("TopP is 0", () => Sample(hidden[..64], new DecodeOptions { TopP = 0 }));
        Refuses("MinP is 2", () => Sample(hidden[..64], new DecodeOptions { MinP = 2 }));
        Refuses("RepetitionPenalty is 0", () => Sample(hidden[..64], new DecodeOptions { RepetitionPenalty = 0 }));
        Refuses("another vocabulary", () => Sample(hidden[..64], new DecodeOptions { Mask = other.CreateAllowMask([1]) }));
        Refuses("another vocabulary", () => Sample(hidden[..64], new DecodeOptions { Bias = other.CreateBias([new(1, 1)]) }));
        Refuses("Token 20000 is not in the vocabulary", () => layer.CreateAllowMask([20_000]));
        Refuses("No token is left", () => layer.CreateDenyMask(Enumerable.Range(0, 20_000)));
        Refuses("two biases", () => layer.CreateBias([new(1, 1), new(1, 2)]));
        Refuses("it must be from -1E+20 to 1E+20", () => layer.CreateBias([new(1, float.NaN)]));
        Refuses("it must be from -1E+20 to 1E+20", () => layer.CreateBias([new(1, 3.4e38f)]));
        foreach (var overflowing in (DecodeOptions[])[new() { FrequencyPenalty = -3e38f }, new() { PresencePenalty = 3e38f }])
            Refuses("it must be from -1E+20 to 1E+20", () => layer.CreateSession().Sample(new float[layer.Layout.HiddenSize], new DecodeSequence(layer, overflowing)));

        DecodeSequence[] sequences = [new(layer), new(layer)];
        Refuses("Sequence 1 stands in an earlier row", () => session.Sample(hidden, [sequences[0], sequences[0]], new DecodedToken[2]));
        Refuses("Sequence 1 is null", () => session.Sample(hidden, [sequences[0], null!], new DecodedToken[2]));
        Assert.Equal(0, sequences[0].History.Length);
        Assert.Equal(new SampleRandom(0), sequences[0].Random);

        session.Dispose();
        Assert.Throws<ObjectDisposedException>(() => Sample(hidden[..64], DecodeOptions.Default));

        void Sample(float[] vector, DecodeOptions options)
        {
            var random = new SampleRandom(1);
            session.Sample(vector, options, ref random);
        }

        static void Refuses(string part, Action action) => Assert.Contains(part, Assert.ThrowsAny<ArgumentException>(action).Message, StringComparison.Ordinal);
    }

    private static float[] Hidden(int rows)
    {
        var random = new Random(6);
        return [.. Enumerable.Range(0, rows * 64).Select(_ => (float)((random.NextDouble() * 8) - 4))];
    }
}
