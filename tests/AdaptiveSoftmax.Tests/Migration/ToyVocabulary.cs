using System.Globalization;
using System.Text;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Migration;

/// <summary>Small vocabularies, models and states to migrate, and their log-probs by plain double loops.</summary>
internal static class ToyVocabulary
{
    public const int Hidden = 8;

    /// <summary>A definition with these tokens in this order; a token's id is its number.</summary>
    public static SoftmaxDefinition Create(IReadOnlyList<string> tokens, int[] cutoffs, int[] projections, bool headBias = false, int hidden = Hidden, Func<string, int>? idOf = null, long[]? counts = null)
    {
        var table = TokenTable.Create([.. tokens.Select(idOf ?? IdOf)], counts ?? [.. tokens.Select((_, i) => (long)((tokens.Count - i) * 10))], [.. tokens.Select(Encoding.UTF8.GetBytes)]);
        using var text = new StringWriter();
        TokenTableWriter.Write(text, table, TestContext.Current.CancellationToken);
        var spec = $$"""{"hiddenSize": {{hidden}}, "vocabulary": "toy.tokens", "cutoffs": [{{Join(cutoffs)}}], "projections": [{{Join(projections)}}], "headBias": {{(headBias ? "true" : "false")}}}""";
        var read = SoftmaxDefinitionReader.Read("toy.softmax.json", spec, "toy.tokens", text.ToString());
        Assert.Empty(read.Errors);
        return read.Definition!;
    }

    /// <summary>Tokens named t0, t1 and so on.</summary>
    public static string[] Tokens(params IEnumerable<int> numbers) => [.. numbers.Select(number => $"t{number}")];

    /// <summary>Weights of a definition, marked with its fingerprint; random ones, larger than those that training starts with.</summary>
    public static DynamicAdaptiveSoftmax CreateModel(SoftmaxDefinition definition, ulong seed = 3)
    {
        var model = new DynamicAdaptiveSoftmax(definition.Layout, seed);
        foreach (var parameter in model.Parameters)
        {
            parameter.Edit(values =>
            {
                foreach (ref var value in values) value *= 2;
            });
        }

        return model;
    }

    /// <summary>Saves a model under a definition's fingerprint, with what else belongs to a run.</summary>
    public static void Save(string path, DynamicAdaptiveSoftmax model, SoftmaxDefinition definition, IEnumerable<Parameter>? body = null, params IReadOnlyList<Optimizer> optimizers)
    {
        var checkpoint = new Checkpoint([.. model.Parameters, .. body ?? []], optimizers, new SoftmaxIdentity(definition.Layout, definition.Fingerprint, definition.VocabularyFingerprint)) { Step = 7 };
        checkpoint.Strings.Add("note", "kept");
        checkpoint.Save(path);
    }

    /// <summary>Writes states with targets drawn by the model itself.</summary>
    public static void WriteStates(string path, DynamicAdaptiveSoftmax model, SoftmaxDefinition definition, int count, int seed = 9)
    {
        var random = new Random(seed);
        StatesWriter.Write(path, definition.Layout.HiddenSize, writer =>
        {
            for (var i = 0; i < count; i++)
            {
                var state = CreateState(random, definition.Layout.HiddenSize);
                var logProbs = LogProbs(model, state);
                var (left, slot) = (random.NextDouble(), 0);
                while (slot < logProbs.Length - 1 && (left -= Math.Exp(logProbs[slot])) > 0) slot++;
                writer.Add(state, [definition.Table.GetId(slot)]);
            }
        }, cancellationToken: TestContext.Current.CancellationToken);
    }

    /// <summary>A state: a part that is nearly the same in all, as states of models have, and one of its own.</summary>
    public static float[] CreateState(Random random, int hidden) =>
        [.. Enumerable.Range(0, hidden).Select(i => (float)(i == 0 ? 1 + (0.1 * random.NextDouble()) : (2 * random.NextDouble()) - 1))];

    /// <summary>The log-prob of each slot, in double precision by the definition of an adaptive softmax.</summary>
    public static double[] LogProbs(AdaptiveSoftmaxLayer model, float[] state)
    {
        var layout = model.Layout;
        var bias = layout.HasHeadBias ? model.Parameters[1].Values.ToArray() : new float[layout.HeadRows];
        var head = LogSoftmax([.. Enumerable.Range(0, layout.HeadRows).Select(row => Dot(model.Parameters[0].Row(row), state) + bias[row])]);
        var result = new double[layout.VocabularySize];
        head.AsSpan(0, layout.ShortlistSize).CopyTo(result);
        var first = layout.HasHeadBias ? 2 : 1;
        foreach (var tail in layout.Tails)
        {
            var (projection, output) = (model.Parameters[first + (2 * tail.Index)], model.Parameters[first + (2 * tail.Index) + 1]);
            var projected = Enumerable.Range(0, tail.ProjectionWidth).Select(k => Dot(projection.Row(k), state)).ToArray();
            var within = LogSoftmax([.. Enumerable.Range(0, tail.Size).Select(j => Enumerable.Range(0, tail.ProjectionWidth).Sum(k => projected[k] * output.Row(j)[k]))]);
            for (var j = 0; j < tail.Size; j++) result[tail.Start + j] = head[layout.ShortlistSize + tail.Index] + within[j];
        }

        return result;
    }

    public static double[] LogSoftmax(double[] scores)
    {
        var most = scores.Max();
        var sum = most + Math.Log(scores.Sum(score => Math.Exp(score - most)));
        return [.. scores.Select(score => score - sum)];
    }

    private static double Dot(ReadOnlySpan<float> row, float[] state)
    {
        var sum = 0.0;
        for (var i = 0; i < state.Length; i++) sum += (double)row[i] * state[i];
        return sum;
    }

    private static int IdOf(string token) => int.Parse(token.AsSpan(1), CultureInfo.InvariantCulture);

    private static string Join(int[] numbers) => string.Join(',', numbers.Select(number => number.ToString(CultureInfo.InvariantCulture)));
}
