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

    public double Loss(double[] hidden, int[] targets, LossOptions options, float[]? weights = null)
    {
        var sum = 0.0;
        var active = 0.0;
        for (var token = 0; token < targets.Length; token++)
        {
            if (targets[token] == options.IgnoreIndex) continue;
            var weight = weights?[token] ?? 1.0;
            active += weight;
            var logProb = LogProb(hidden.AsSpan(token * _layout.HiddenSize, _layout.HiddenSize));
            sum -= weight * (((1 - (double)options.LabelSmoothing) * logProb[targets[token]]) + ((double)options.LabelSmoothing / _layout.VocabularySize * logProb.Sum()));
        }

        return options.Reduction != Reduction.Mean ? sum : active == 0 ? 0 : sum / active;
    }

    /// <summary>The loss, and its gradients by the hidden vectors and by each weight.</summary>
    public (double Loss, double[] Hidden, Dictionary<string, double[]> Weights) Gradients(double[] hidden, int[] targets, LossOptions options, float[]? weights = null)
    {
        var size = _layout.HiddenSize;
        var byHidden = new double[hidden.Length];
        var byWeights = Weights.ToDictionary(pair => pair.Key, pair => new double[pair.Value.Length]);
        var active = Enumerable.Range(0, targets.Length).Where(token => targets[token] != options.IgnoreIndex).Sum(token => weights?[token] ?? 1.0);
        var reduced = options.GradientScale * (options.Reduction != Reduction.Mean ? 1.0 : active == 0 ? 0 : 1.0 / active);
        for (var token = 0; token < targets.Length; token++)
        {
            if (targets[token] == options.IgnoreIndex) continue;
            var scale = reduced * (weights?[token] ?? 1.0);
            var vector = hidden.AsSpan(token * size, size).ToArray();
            var byVector = byHidden.AsSpan(token * size, size);
            var wanted = Enumerable.Range(0, _layout.VocabularySize).Select(slot => scale * (((double)options.LabelSmoothing / _layout.VocabularySize) + (slot == targets[token] ? 1 - (double)options.LabelSmoothing : 0))).ToArray();
            var inHead = wanted[.._layout.ShortlistSize].Concat(_layout.Tails.Select(tail => wanted.AsSpan(tail.Start, tail.Size).ToArray().Sum())).ToArray();
            AddGradients("head.weight", vector, inHead, Weights.GetValueOrDefault("head.bias"), byWeights, byVector);
            foreach (var tail in _layout.Tails)
            {
                var (projection, output) = ($"tail.{tail.Index}.0.weight", $"tail.{tail.Index}.1.weight");
                var byProjected = new double[tail.ProjectionWidth];
                AddGradients(output, Product(Weights[projection], vector, null), wanted[tail.Start..(tail.Start + tail.Size)], null, byWeights, byProjected);
                AddProduct(projection, vector, byProjected, byWeights, byVector);
            }
        }

        return (Loss(hidden, targets, options, weights), byHidden, byWeights);
    }

    // Of −Σ c · log softmax(weight · input + bias).
    private void AddGradients(string name, double[] input, double[] c, double[]? bias, Dictionary<string, double[]> byWeights, Span<double> byInput)
    {
        var total = c.Sum();
        if (total == 0) return;
        double[] byLogits = [.. LogSoftmax(Product(Weights[name], input, bias)).Zip(c, (logProb, weight) => (Math.Exp(logProb) * total) - weight)];
        AddProduct(name, input, byLogits, byWeights, byInput);
        for (var row = 0; row < byLogits.Length && bias is not null; row++) byWeights["head.bias"][row] += byLogits[row];
    }

    private void AddProduct(string name, double[] input, double[] byOutput, Dictionary<string, double[]> byWeights, Span<double> byInput)
    {
        for (var row = 0; row < byOutput.Length; row++)
        {
            for (var k = 0; k < input.Length; k++)
            {
                byWeights[name][(row * input.Length) + k] += byOutput[row] * input[k];
                byInput[k] += byOutput[row] * Weights[name][(row * input.Length) + k];
            }
        }
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
