namespace AdaptiveSoftmax;

/// <summary>
/// States where a model gave none, as the weights and the tokens' counts tell of them. If the states before each token lay normally
/// about a middle of their own, alike for all tokens, then the softmax over them would have the rows (middle − common) / variance,
/// and the log of a token's share would be row · common + variance / 2 · |row|². Both are fitted to the head's rows, by which the
/// states before a token are drawn, and tokens as often as they were counted.
/// </summary>
internal static class InventedStates
{
    private const ulong Seed = 0x57A7E5;
    private const int LeastCount = 4_096, PerComponent = 8;

    // A count says no more of a row than this many; the fit is of logarithms.
    private const double MostWeight = 1_000;
    private const double Ridge = 1e-4;

    // Rows are known with errors, which a regression takes for a smaller variance. The sample's model is nearest at 1.5 to 2.
    private const double VarianceFactor = 1.5;

    /// <summary>Draws them.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="source">The source.</param>
    /// <param name="counts">How often each of its tokens was seen, by slot, [V]; slots are ranks where none was.</param>
    /// <param name="most">How many at most.</param>
    /// <returns>The states, [count, hidden].</returns>
    public static float[] Draw(WorkerPool pool, SoftmaxWeights source, double[] counts, int most)
    {
        if (!counts.Any(count => count > 0)) counts = [.. Enumerable.Range(0, counts.Length).Select(slot => counts.Length / (slot + 2.7))];
        var size = source.Layout.HiddenSize;
        var (common, variance) = Fit(pool, source, counts);
        variance *= VarianceFactor;
        double[][] centres = [.. source.Layout.Tails.Select(tail => MeanRow(source.Tails[tail.Index], counts.AsSpan(tail.Start, tail.Size)))];
        var ends = new double[counts.Length];
        var total = 0.0;
        for (var slot = 0; slot < counts.Length; slot++) ends[slot] = total += counts[slot];
        var hidden = new float[Math.Min(most, Math.Max(PerComponent * size, LeastCount)) * (long)size];
        var (tokens, noise) = (CountedRandom.Start(Seed, stream: 1), CountedRandom.Start(Seed, stream: 0));
        var middle = new double[size];
        for (var state = 0; state < hidden.Length / size; state++)
        {
            var at = Array.BinarySearch(ends, CountedRandom.Unit(tokens, (ulong)state) * total);
            var slot = Math.Min(at < 0 ? ~at : at + 1, counts.Length - 1);
            common.CopyTo(middle, 0);
            AddRow(source, slot, centres, variance, middle);
            for (var j = 0; j < size; j++)
            {
                // Four uniform numbers add up to a nearly normal one.
                var (sum, i) = (0.0, (state * size) + j);
                for (var k = 0; k < 4; k++) sum += CountedRandom.Unit(noise, (4 * (ulong)i) + (ulong)k);
                hidden[i] = (float)(middle[j] + (Math.Sqrt(3 * variance) * (sum - 2)));
            }
        }

        return hidden;
    }

    // Least squares of log count less bias by [row, |row|² / 2], about their means.
    private static (double[] Common, double Variance) Fit(WorkerPool pool, SoftmaxWeights source, double[] counts)
    {
        var (rows, size, head) = (source.Layout.ShortlistSize, source.Layout.HiddenSize, source.Head.Weight);
        double[] weights = [.. counts.Take(rows).Select(count => Math.Sqrt(Math.Min(count, MostWeight)))];
        var total = weights.Sum();
        var mean = new double[size + 1];
        var (meanValue, known) = (0.0, 0);
        var row = new double[size + 1];
        for (var slot = 0; slot < rows; slot++)
        {
            if (weights[slot] <= 0) continue;
            Take(slot, row);
            DoubleVectors.Add(mean, weights[slot] / total, row);
            meanValue += weights[slot] / total * ValueOf(slot);
            known++;
        }

        var gram = new DoubleMatrix(size + 1, size + 1);
        DoubleProducts.AddGram(pool, gram, rows, (slot, target) =>
        {
            Take(slot, target);
            DoubleVectors.Add(target, -1, mean);
            return weights[slot] / Math.Max(total, double.Epsilon);
        });

        // In one scale, so that one ridge is for all.
        var square = gram[size, size];
        var scale = square > 0 ? Math.Sqrt((gram.Trace() - square) / size / square) : 1;
        for (var j = 0; j <= size; j++)
        {
            gram[size, j] *= scale;
            gram[j, size] *= scale;
        }

        var right = new double[size + 1];
        for (var slot = 0; slot < rows; slot++)
        {
            if (weights[slot] <= 0) continue;
            Take(slot, row);
            DoubleVectors.Add(row, -1, mean);
            row[size] *= scale;
            DoubleVectors.Add(right, weights[slot] / total * (ValueOf(slot) - meanValue), row);
        }

        Cholesky.OfRidge(gram, Ridge).Solve(right);
        var (common, variance) = (right[..size], right[size] * scale);

        // Of fewer rows than unknowns, or of rows that are all as long, nothing is learned of the variance: as far as the middle is long.
        if (known < 2 * size || !(variance > 0)) variance = DoubleVectors.Dot(common, common) / size;
        return (common, variance);

        double ValueOf(int slot) => Math.Log(counts[slot]) - (source.Head.Bias?.Values[slot] ?? 0);

        void Take(int slot, Span<double> target)
        {
            var from = head.Row(slot);
            var square = 0.0;
            for (var j = 0; j < size; j++)
            {
                target[j] = from[j];
                square += (double)from[j] * from[j];
            }

            target[size] = square / 2;
        }
    }

    // A tail's tokens about the row that its gate has for them together.
    private static void AddRow(SoftmaxWeights source, int slot, double[][] centres, double factor, double[] result)
    {
        var cluster = source.Layout.ClusterOf(slot);
        DoubleVectors.Add(result, factor, source.Head.Weight.Row(cluster == 0 ? slot : source.GateOf(cluster - 1)));
        if (cluster == 0) return;
        var tail = source.Tails[cluster - 1];
        var output = tail.Output.Row(slot - source.Layout.Tails[cluster - 1].Start);
        for (var k = 0; k < output.Length; k++) DoubleVectors.Add(result, factor * (output[k] - centres[cluster - 1][k]), tail.Projection.Row(k));
    }

    // The mean of its outputs by count.
    private static double[] MeanRow(TailLayer tail, ReadOnlySpan<double> counts)
    {
        var (mean, total) = (new double[tail.Output.Columns], 0.0);
        foreach (var count in counts) total += count;
        for (var j = 0; j < counts.Length && total > 0; j++) DoubleVectors.Add(mean, counts[j] / total, tail.Output.Row(j));
        return mean;
    }
}
