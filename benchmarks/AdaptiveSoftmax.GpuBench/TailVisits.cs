using AdaptiveSoftmax.Gpu;

namespace AdaptiveSoftmax.GpuBench;

/// <summary>
/// Makes greedy decoding look into the tails. With weights as they are drawn no cluster's row is ever above the best token of
/// the shortlist; here each is multiplied by what puts it above for the share of tokens that targets have in its tail.
/// <c>benchmarks/pytorch/bench.py</c> does the same.
/// </summary>
internal static class TailVisits
{
    /// <summary>The share of tokens that visit each tail.</summary>
    public static IReadOnlyList<double> Shares { get; } = [0.10, 0.05];

    /// <summary>Scales the head's rows of the clusters.</summary>
    /// <param name="layer">The layer, whose token ids are its slots, without a bias.</param>
    /// <param name="hidden">Hidden vectors as decoding gets them, [tokens, hidden].</param>
    /// <returns>For each tail, the tokens that visit it.</returns>
    public static bool[][] Scale(GpuAdaptiveSoftmax layer, ReadOnlySpan<float> hidden)
    {
        var (size, shortlist) = (layer.Layout.HiddenSize, layer.Layout.ShortlistSize);
        var tokens = hidden.Length / size;
        var head = layer.Parameters[0];
        var weights = new float[head.Rows * head.Columns];
        head.CopyTo(weights);

        // The best of the shortlist: above 0, which the clusters' rows give now.
        var clusters = weights[(shortlist * size)..];
        weights.AsSpan(shortlist * size).Clear();
        head.CopyFrom(weights);
        var best = new int[tokens];
        layer.Predict(hidden, best);
        var visits = new bool[layer.Layout.TailCount][];
        for (var tail = 0; tail < visits.Length; tail++)
        {
            var ratios = new double[tokens];
            for (var token = 0; token < tokens; token++)
            {
                if (best[token] >= shortlist) throw new InvalidOperationException("A token of the shortlist must be the best where clusters have a logit of 0.");
                var vector = hidden.Slice(token * size, size);
                ratios[token] = Dot(vector, clusters.AsSpan(tail * size, size)) / Dot(vector, weights.AsSpan(best[token] * size, size));
            }

            // Between the last token that is to visit the tail and the first that is not.
            var sorted = ratios.OrderDescending().ToArray();
            var visitors = (int)Math.Round(Shares[tail] * tokens);
            var threshold = (sorted[visitors - 1] + sorted[visitors]) / 2;
            visits[tail] = [.. ratios.Select(ratio => ratio > threshold)];
            for (var i = 0; i < size; i++) weights[((shortlist + tail) * size) + i] = (float)(clusters[(tail * size) + i] / threshold);
        }

        head.CopyFrom(weights);
        return visits;
    }

    private static double Dot(ReadOnlySpan<float> left, ReadOnlySpan<float> right)
    {
        var sum = 0.0;
        for (var i = 0; i < left.Length; i++) sum += (double)left[i] * right[i];
        return sum;
    }
}
