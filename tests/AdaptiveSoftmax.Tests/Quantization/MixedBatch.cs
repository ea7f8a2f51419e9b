namespace AdaptiveSoftmax.Tests.Quantization;

/// <summary>Rows with all kinds of options and of hidden vectors, as one batch of a softmax without tails.</summary>
internal sealed class MixedBatch
{
    private const int Steps = 2;

    private readonly float[] _hidden;
    private readonly DecodeOptions[] _options;
    private readonly int[][] _histories;
    private readonly int _size;

    /// <summary>Makes rows.</summary>
    /// <param name="softmax">Whose vocabulary they are of.</param>
    /// <param name="hidden">Hidden vectors, [rows, hidden], of which some become hard.</param>
    /// <param name="seed">Makes the options.</param>
    public MixedBatch(SoftmaxDecoder softmax, float[] hidden, int seed)
    {
        var random = new Random(seed);
        _size = softmax.Layout.HiddenSize;
        Count = hidden.Length / _size;
        _hidden = hidden;
        for (var row = 0; row < Count; row++) Change(hidden.AsSpan(row * _size, _size), hidden.AsSpan(random.Next(Count) * _size, _size), random);
        _options = [.. Enumerable.Range(0, Count).Select(_ => Options(softmax, random))];
        _histories = [.. Enumerable.Range(0, Count).Select(_ => History(softmax, random))];
    }

    public int Count { get; }

    public IReadOnlyList<DecodeOptions> AllOptions => _options;

    /// <summary>What two steps draw, in one batch or each row in a batch of its own.</summary>
    public Outcome[] Draw(SoftmaxDecoder softmax, DecodeSession session, int rowsPerCall)
    {
        DecodeSequence[] sequences = [.. Enumerable.Range(0, Count).Select(row => Sequence(softmax, row))];
        var outcomes = new List<Outcome>();
        for (var step = 0; step < Steps; step++)
        {
            for (var first = 0; first < Count; first += rowsPerCall)
            {
                var count = Math.Min(rowsPerCall, Count - first);
                var results = new DecodedToken[count];
                var faults = Faults(() => session.Sample(_hidden.AsSpan(first * _size, count * _size), sequences.AsSpan(first, count), results));
                for (var i = 0; i < count; i++)
                {
                    var top = new TokenLogProb[3];
                    var length = session.CopyTopLogProbs(i, top);
                    outcomes.Add(new Outcome(first + i, _options[first + i], [results[i].Token, .. top.Take(length).Select(token => token.Token)], [results[i].LogProb, .. top.Take(length).Select(token => token.LogProb)], faults.GetValueOrDefault(i)));
                }
            }
        }

        Assert.All(sequences, (sequence, row) => Assert.Equal(_histories[row].Length + outcomes.Count(outcome => outcome.Row == row && outcome.Fault is null), sequence.History.Length));
        return [.. outcomes];
    }

    /// <summary>What is ranked, in one batch or each row in a batch of its own.</summary>
    public Outcome[] Rank(SoftmaxDecoder softmax, DecodeSession session, int k, int rowsPerCall)
    {
        DecodeSequence[] sequences = [.. Enumerable.Range(0, Count).Select(row => Sequence(softmax, row))];
        var outcomes = new List<Outcome>();
        for (var first = 0; first < Count; first += rowsPerCall)
        {
            var count = Math.Min(rowsPerCall, Count - first);
            var (tokens, logProbs, results) = (new int[count * k], new float[count * k], new TopKResult[count]);
            var faults = Faults(() => session.TopK(_hidden.AsSpan(first * _size, count * _size), sequences.AsSpan(first, count), tokens, logProbs, results));
            for (var i = 0; i < count; i++)
            {
                Assert.Equal(results[i].Count, tokens.AsSpan(i * k, k).ToArray().Count(token => token >= 0));
                outcomes.Add(new Outcome(first + i, _options[first + i], tokens[(i * k)..((i + 1) * k)], logProbs[(i * k)..((i + 1) * k)], faults.GetValueOrDefault(i)));
            }
        }

        return [.. outcomes];
    }

    /// <summary>The same tokens and faults, and log-probs as close as the row asked for; exact ones to the bit.</summary>
    public static void AssertSameTokens(Outcome[] expected, Outcome[] actual, Func<DecodeOptions, bool> areBounded)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
        {
            var (left, right) = (expected[i], actual[i]);
            Assert.Equal((left.Row, left.Fault), (right.Row, right.Fault));
            Assert.Equal(left.Tokens, right.Tokens);
            for (var at = 0; at < left.Tokens.Length; at++)
            {
                var (exact, given) = (left.LogProbs[at], right.LogProbs[at]);
                if (left.Tokens[at] < 0 || !areBounded(left.Options) || float.IsPositiveInfinity(left.Options.LogProbError)) Assert.Equal(exact, given);
                else Assert.True(exact == given || Math.Abs((double)exact - given) <= left.Options.LogProbError, $"{given} for {exact}, {left.Options}");
                if (left.Tokens[at] >= 0) Assert.Equal(areBounded(left.Options) && float.IsPositiveInfinity(left.Options.LogProbError), float.IsNaN(given));
            }
        }
    }

    /// <summary>The same bits.</summary>
    public static void AssertSame(Outcome[] expected, Outcome[] actual)
    {
        foreach (var (left, right) in expected.OrderBy(outcome => outcome.Row).Zip(actual.OrderBy(outcome => outcome.Row)))
        {
            Assert.Equal((left.Row, left.Fault is null), (right.Row, right.Fault is null));
            Assert.Equal(left.Tokens, right.Tokens);
            Assert.Equal(left.LogProbs.Select(BitConverter.SingleToInt32Bits), right.LogProbs.Select(BitConverter.SingleToInt32Bits));
        }
    }

    private DecodeSequence Sequence(SoftmaxDecoder softmax, int row)
    {
        var sequence = new DecodeSequence(softmax, _options[row], (ulong)(row + 5));
        foreach (var token in _histories[row]) sequence.History.Add(token);
        return sequence;
    }

    private static Dictionary<int, string> Faults(Action call)
    {
        try
        {
            call();
            return [];
        }
        catch (DecodeException exception)
        {
            return exception.Faults.ToDictionary(fault => fault.Row, fault => fault.Message);
        }
    }

    private static int[] History(SoftmaxDecoder softmax, Random random) =>
        [.. Enumerable.Range(0, random.Next(2) * random.Next(12)).Select(_ => random.Next(softmax.Layout.VocabularySize))];

    private static DecodeOptions Options(SoftmaxDecoder softmax, Random random)
    {
        var vocabulary = softmax.Layout.VocabularySize;
        var isGumbel = random.Next(4) > 0;
        float[] errors = [0, float.PositiveInfinity, float.PositiveInfinity, 1e-4f, 0.02f, 0.3f, 2, 50];
        float[] temperatures = [0, 0.05f, 0.8f, 0.8f, 1, 6, 1e30f, float.Epsilon];
        return new DecodeOptions
        {
            Sampler = isGumbel ? SamplerKind.Gumbel : SamplerKind.Inversion,
            LogProbError = errors[random.Next(errors.Length)],
            LogProbs = isGumbel || random.Next(3) > 0 ? LogProbKind.Model : LogProbKind.Adjusted,
            TopLogProbs = isGumbel ? 0 : random.Next(3),
            Temperature = temperatures[random.Next(temperatures.Length)],
            TopK = random.Next(3) == 0 ? 1 + random.Next(40) : 0,
            TopP = random.Next(3) == 0 ? 0.1f + (0.9f * random.NextSingle()) : 1,
            MinP = random.Next(4) == 0 ? random.NextSingle() : 0,
            RepetitionPenalty = random.Next(3) == 0 ? 0.5f + (1.5f * random.NextSingle()) : 1,
            PresencePenalty = random.Next(4) == 0 ? 1.5f : 0,
            FrequencyPenalty = random.Next(4) == 0 ? 0.25f : 0,
            Bias = random.Next(4) > 0 ? null : softmax.CreateBias(Enumerable.Range(0, vocabulary).Where(_ => random.Next(9) == 0).Select(slot => new KeyValuePair<int, float>(slot, random.Next(6) == 0 ? float.NegativeInfinity : (random.NextSingle() * 8) - 4))),
            Mask = random.Next(8) switch
            {
                0 => softmax.CreateAllowMask(Enumerable.Range(0, vocabulary).Where(_ => random.Next(3) > 0).Append(0)),
                1 => softmax.CreateAllowMask([random.Next(vocabulary)]),
                2 => Nothing(softmax),
                _ => null,
            },
        };
    }

    // A grammar may leave no token.
    private static TokenMask Nothing(SoftmaxDecoder softmax)
    {
        var mask = softmax.CreateMask();
        mask.SetTokens(new ulong[(softmax.Layout.VocabularySize + 63) / 64]);
        return mask;
    }

    private static void Change(Span<float> vector, Span<float> other, Random random)
    {
        switch (random.Next(14))
        {
            case 0:
                vector[random.Next(vector.Length)] = random.Next(3) switch { 0 => float.NaN, 1 => float.PositiveInfinity, _ => float.NegativeInfinity };
                break;
            case 1:
                vector.Clear();
                break;
            case 2:
                other.CopyTo(vector);
                break;
            case 3:
                foreach (ref var value in vector) value *= 1e-42f;
                break;
            case 4:
                vector[random.Next(vector.Length)] = random.Next(2) == 0 ? 1e30f : float.MaxValue;
                break;
            default:
                break;
        }
    }

    /// <summary>What became of a row in a step.</summary>
    internal sealed record Outcome(int Row, DecodeOptions Options, int[] Tokens, float[] LogProbs, string? Fault);
}
