using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Util;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// Scores of whole rows in the place of their stored logits: log-probs, with penalties and biases, and <see cref="Forbidden"/> for
/// what the mask or a bias forbids and for what stands behind the tokens.
/// </summary>
internal static class RowScores
{
    /// <summary>The score of a token that may not be chosen. No score is lower.</summary>
    public const float Forbidden = float.MinValue;

    /// <summary>The bits behind the point of a mass: see <see cref="Mass"/>.</summary>
    public const int MassBits = 40;

    /// <summary>What 1 of a mass weighs.</summary>
    public const double Unit = 1.0 / (1L << MassBits);

    /// <summary>The runs of threads whose sums <see cref="StartOf"/> takes first.</summary>
    public const int Runs = 16;

    private const int GroupSize = TileProduct.GroupSize;

    // Masses are taken in two steps, since float32 holds 24 bits and integers are made of 32.
    private const int FirstBits = 30;
    private const float First = 1 << FirstBits;
    private const float Rest = 1 << (MassBits - FirstBits);

    // exp of it is less than a mass holds.
    private const float Lightest = -60f;

    /// <summary>Log-probs of each row in the place of its logits, one row a group.</summary>
    /// <param name="logits">[rows, stride of the weight's rows].</param>
    /// <param name="sizes">The sizes of each cluster.</param>
    /// <param name="groupSizes">The tokens of each cluster; they are not read.</param>
    /// <param name="requests">What each row asks, [rows].</param>
    /// <param name="masks">A bit a token by slot, [masks, words].</param>
    /// <param name="clusters">Receives the log-probs of the clusters, [rows, clusters], from the head.</param>
    /// <param name="status">Receives the rows' log-sum-exp, and whether logits are not finite.</param>
    /// <param name="arguments">Sizes.</param>
    public static void Write(
        ArrayView<Float4> logits, ArrayView<ClusterSizes> sizes, ArrayView<float> groupSizes, ArrayView<RowRequest> requests, ArrayView<int> masks, ArrayView<float> clusters,
        ArrayView<RowStatus> status, RowArguments arguments)
    {
        var tops = SharedMemory.Allocate<float>(GroupSize);
        var totals = SharedMemory.Allocate<float>(GroupSize);
        var weighted = SharedMemory.Allocate<float>(GroupSize);
        var faults = SharedMemory.Allocate<int>(GroupSize);
        var size = sizes[arguments.Cluster];
        var fours = Sizes.Stride(size.Rows) / 4;
        LogitArguments loss = default;
        for (var row = Grid.IdxX; row < arguments.Rows; row += Grid.DimX)
        {
            var values = logits.SubView((long)row * fours, fours);
            LogitKernels.SumRow(values, size, groupSizes, loss, tops, totals, weighted);

            // Not below the largest logit, so that no token is more probable than its cluster.
            var logSumExp = tops[0] + XMath.Max(XMath.Log(totals[0]), 0f);
            var rule = new ScoreRule(size, requests[row], masks, clusters, arguments, row, logSumExp);
            var found = 0;
            for (var i = Group.IdxX; i < fours; i += GroupSize)
            {
                var four = values[i];
                found += rule.Faults(four, 4 * i);
                four.X = rule.Of(four.X, 4 * i);
                four.Y = rule.Of(four.Y, (4 * i) + 1);
                four.Z = rule.Of(four.Z, (4 * i) + 2);
                four.W = rule.Of(four.W, (4 * i) + 3);
                values[i] = four;
            }

            faults[Group.IdxX] = found;
            Group.Barrier();
            if (Group.IdxX == 0)
            {
                RowStatus result = default;
                result.LogSumExp = logSumExp;
                for (var i = 0; i < GroupSize; i++) result.Faults += faults[i];
                status[row] = result;
            }

            Group.Barrier();
        }
    }

    /// <summary>Penalties and biases, one token a thread.</summary>
    /// <param name="scores">The log-probs, [rows, stride of the weight's rows].</param>
    /// <param name="sizes">The sizes of each cluster.</param>
    /// <param name="shifts">The tokens, all different.</param>
    /// <param name="originals">Receives their log-probs.</param>
    /// <param name="count">Their number.</param>
    /// <param name="cluster">The cluster.</param>
    public static void Shift(ArrayView<float> scores, ArrayView<ClusterSizes> sizes, ArrayView<RowShift> shifts, ArrayView<float> originals, int count, int cluster)
    {
        var stride = Sizes.Stride(sizes[cluster].Rows);
        for (var i = Grid.GlobalIndex.X; i < count; i += Grid.DimX * Group.DimX)
        {
            var shift = shifts[i];
            var at = ((long)shift.Row * stride) + shift.Column;
            var logProb = scores[at];
            var score = (logProb * shift.Factor) - shift.Loss + shift.Bias;
            originals[i] = logProb;
            scores[at] = Utilities.Select((logProb > Forbidden) & FloatBits.IsFinite(score), score, Forbidden);
        }
    }

    /// <summary>
    /// exp((score − best) / T) as an integer: such sums are the same in every order, and need no float64 that many devices have not.
    /// What weighs less than 2^-40 of the best token weighs nothing.
    /// </summary>
    public static long Mass(float score, float best, float inverse)
    {
        var weight = Weight(score, best, inverse) * First;
        var whole = (int)weight;
        return ((long)whole << (MassBits - FirstBits)) + (int)((weight - whole) * Rest);
    }

    /// <summary>exp((score − best) / T); 0 where that is next to nothing, or the score forbidden.</summary>
    public static float Weight(float score, float best, float inverse)
    {
        var exponent = XMath.Max((score - best) * inverse, Lightest);
        return Utilities.Select((score > Forbidden) & (exponent > Lightest), XMath.Exp(exponent), 0f);
    }

    /// <summary>The best score of a row, in every thread. Behind it stands a barrier.</summary>
    public static float Best(ArrayView<Float4> scores, ArrayView<float> tops)
    {
        var top = Forbidden;
        for (var i = Group.IdxX; i < scores.IntLength; i += GroupSize)
        {
            var four = scores[i];
            top = XMath.Max(top, XMath.Max(XMath.Max(four.X, four.Y), XMath.Max(four.Z, four.W)));
        }

        tops[Group.IdxX] = top;
        Group.Barrier();
        for (var half = GroupSize / 2; half > 0; half /= 2)
        {
            if (Group.IdxX < half) tops[Group.IdxX] = XMath.Max(tops[Group.IdxX], tops[Group.IdxX + half]);
            Group.Barrier();
        }

        return tops[0];
    }

    /// <summary>The sum of what the threads before this one gave, and that of all. Behind it stands a barrier for the sums alone.</summary>
    /// <param name="values">What each thread gave.</param>
    /// <param name="sums">Working memory, [<see cref="Runs"/>].</param>
    /// <param name="total">Receives the sum of all.</param>
    public static long StartOf(ArrayView<long> values, ArrayView<long> sums, out long total)
    {
        Group.Barrier();
        if (Group.IdxX < Runs)
        {
            var sum = 0L;
            for (var i = 0; i < GroupSize / Runs; i++) sum += values[(Group.IdxX * (GroupSize / Runs)) + i];
            sums[Group.IdxX] = sum;
        }

        Group.Barrier();
        var run = Group.IdxX / (GroupSize / Runs);
        var start = 0L;
        total = 0L;
        for (var i = 0; i < Runs; i++)
        {
            start += Utilities.Select(i < run, sums[i], 0L);
            total += sums[i];
        }

        for (var i = 0; i < GroupSize / Runs; i++)
        {
            var at = (run * (GroupSize / Runs)) + i;
            start += Utilities.Select(at < Group.IdxX, values[at], 0L);
        }

        return start;
    }

    /// <summary>What becomes of a row's logits.</summary>
    private readonly struct ScoreRule(ClusterSizes size, RowRequest request, ArrayView<int> masks, ArrayView<float> clusters, RowArguments arguments, int row, float logSumExp)
    {
        public float Of(float logit, int column)
        {
            var score = logit - logSumExp + request.LogProb;
            if (column >= size.TokenRows)
            {
                if (column < size.Rows) clusters[((long)row * arguments.Clusters) + column - size.TokenRows] = logit - logSumExp;
                score = Forbidden;
            }

            if (request.Mask >= 0 && column < size.TokenRows)
            {
                var slot = size.Start + column;
                var word = masks[((long)request.Mask * arguments.MaskWords) + (slot >> 5)];
                score = Utilities.Select((word >> (slot & 31) & 1) != 0, score, Forbidden);
            }

            return score;
        }

        public int Faults(Float4 four, int column) =>
            Fault(four.X, column) + Fault(four.Y, column + 1) + Fault(four.Z, column + 2) + Fault(four.W, column + 3);

        private int Fault(float logit, int column) => Utilities.Select((column < size.Rows) & !FloatBits.IsFinite(logit), 1, 0);
    }
}
