using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

/// <summary>The definition of the adaptive softmax in float64, with no thought for speed.</summary>
internal sealed class ReferenceSoftmax
{
    private readonly SoftmaxLayout _layout;

    public ReferenceSoftmax(AdaptiveSoftmaxLayer layer)
    {
        _layout = layer.Layout;
        foreach (var parameter in layer.Parameters) Weights[parameter.Name] = [.. parameter.Values.ToArray().Select(value => (double)value)];
    }

    public Dictionary<string, double[]> Weights { get; } = [];

    public double[] LogProb(ReadOnlySpan<double> hidden)
    {
        var head = LogSoftmax(Product(Weights["head.weight"], hidden, Weights.GetValueOrDefault("head.bias")));
        var result = new double[_layout.VocabularySize];
        Array.Copy(head, result, _layout.ShortlistSize);
        foreach (var tail in _layout.Tails)
        {
            var projected = Product(Weights[$"tail.{tail.Index}.0.weight"], hidden, null);
            var inside = LogSoftmax(Product(Weights[$"tail.{tail.Index}.1.weight"], projected, null));
            for (var i = 0; i < tail.Size; i++) result[tail.Start + i] = head[_layout.ShortlistSize + tail.Index] + inside[i];
        }

        return result;
    }

    public double Loss(double[] hidden, int[] targets, LossOptions options)
    {
        var sum = 0.0;
        var active = 0;
        for (var token = 0; token < targets.Length; token++)
        {
            if (targets[token] == options.IgnoreIndex) continue;
            active++;
            var logProb = LogProb(hidden.AsSpan(token * _layout.HiddenSize, _layout.HiddenSize));
            sum -= ((1 - (double)options.LabelSmoothing) * logProb[targets[token]]) + ((double)options.LabelSmoothing / _layout.VocabularySize * logProb.Sum());
        }

        return options.Reduction == Reduction.Sum ? sum : active == 0 ? 0 : sum / active;
    }

    private static double[] Product(double[] weight, ReadOnlySpan<double> input, double[]? bias)
    {
        var result = new double[weight.Length / input.Length];
        for (var row = 0; row < result.Length; row++)
        {
            result[row] = bias?[row] ?? 0;
            for (var k = 0; k < input.Length; k++) result[row] += weight[(row * input.Length) + k] * input[k];
        }

        return result;
    }

    private static double[] LogSoftmax(double[] logits)
    {
        var top = logits.Max();
        var logSumExp = top + Math.Log(logits.Sum(logit => Math.Exp(logit - top)));
        return [.. logits.Select(logit => logit - logSumExp)];
    }
}
