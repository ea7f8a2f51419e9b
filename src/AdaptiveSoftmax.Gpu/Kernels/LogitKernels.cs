using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Util;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>What stored logits of whole rows give: log-probs and, in their place, their gradient.</summary>
internal static class LogitKernels
{
    private const int GroupSize = TileProduct.GroupSize;

    // Of no logit: exp(Empty − logit) is 0, and unlike −∞ it leaves no difference that is no number.
    private const float Empty = float.MinValue;

    /// <summary>
    /// Softmax and loss of each row of a chunk's logits, [tokens, stride of the rows], one row a group: the clusters' share of the
    /// target's log-prob, with label smoothing that of Σ log p(w) over all tokens w, and then the gradient of the logits,
    /// softmax · Σ c − c (c the weights of the loss), in their place.
    /// </summary>
    /// <param name="logits">The logits; what stands behind the rows counts for nothing.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="sizes">The sizes of each cluster.</param>
    /// <param name="headRows">The head's row of each target, in the order by cluster.</param>
    /// <param name="tailRows">The tail's row of each target.</param>
    /// <param name="groupSizes">The tokens of each cluster.</param>
    /// <param name="tokenWeights">What each token's gradient is multiplied by.</param>
    /// <param name="targetLogProbs">Set by the head, and added to by a target's tail.</param>
    /// <param name="smoothing">Set by the head and added to by each tail, where labels are smoothed.</param>
    /// <param name="arguments">The clusters.</param>
    /// <param name="loss">What becomes of the logits.</param>
    public static void Softmax(
        ArrayView<Float4> logits, ArrayView<BatchPlan> plan, ArrayView<ClusterSizes> sizes, ArrayView<int> headRows, ArrayView<int> tailRows, ArrayView<float> groupSizes,
        ArrayView<float> tokenWeights, ArrayView<float> targetLogProbs, ArrayView<float> smoothing, ClusterArguments arguments, LogitArguments loss)
    {
        var tops = SharedMemory.Allocate<float>(GroupSize);
        var totals = SharedMemory.Allocate<float>(GroupSize);
        var weighted = SharedMemory.Allocate<float>(GroupSize);
        var items = new ClusterItems<RowWork>(plan, sizes, arguments);
        for (var found = items.First(); items.Exists(found); found = items.Next(found))
        {
            var index = arguments.First + found.Index;
            var chunk = plan[arguments.First + found.Index];
            var size = sizes[index];
            var row = logits.SubView((chunk.Logits + ((long)found.Item * Sizes.Stride(size.Rows))) / 4, Sizes.Stride(size.Rows) / 4);
            var token = chunk.First + found.Item;
            var target = headRows[token];
            if (index > 0) target = Utilities.Select(target == loss.ShortlistSize + index - 1, tailRows[token], BatchKernels.Ignored);
            SumRow(row, size, groupSizes, loss, tops, totals, weighted);

            var logSumExp = tops[0] + XMath.Log(totals[0]);
            var allRows = index > 0 ? size.Rows : loss.VocabularySize;
            if (Group.IdxX == 0)
            {
                if (index == 0) targetLogProbs[token] = At(row, target) - logSumExp;
                else if (target >= 0) targetLogProbs[token] += At(row, target) - logSumExp;
                if (loss.Weights.Uniform > 0f)
                {
                    var sum = weighted[0] - (allRows * logSumExp);
                    if (index > 0) sum += smoothing[token];
                    smoothing[token] = sum;
                }
            }

            // Nobody overwrites the target's logit before it is read.
            Group.Barrier();
            if (loss.WantsGradient != 0)
            {
                var rule = new LogitRule(loss.Weights, size, groupSizes, target, logSumExp, allRows, tokenWeights[token]);
                var i = Group.IdxX;
                for (; i + (3 * GroupSize) < size.Rows / 4; i += 4 * GroupSize)
                {
                    Float4 first = row[i], second = row[i + GroupSize], third = row[i + (2 * GroupSize)], fourth = row[i + (3 * GroupSize)];
                    row[i] = rule.Gradient(first, 4 * i);
                    row[i + GroupSize] = rule.Gradient(second, 4 * (i + GroupSize));
                    row[i + (2 * GroupSize)] = rule.Gradient(third, 4 * (i + (2 * GroupSize)));
                    row[i + (3 * GroupSize)] = rule.Gradient(fourth, 4 * (i + (3 * GroupSize)));
                }

                for (; i < Sizes.Tiles(size.Rows, 4); i += GroupSize) row[i] = rule.Gradient(row[i], 4 * i);
            }

            Group.Barrier();
        }
    }

    /// <summary>Leaves maximum, sum of exponentials and smoothing's sum of the row in the first places.</summary>
    internal static void SumRow(
        ArrayView<Float4> row, ClusterSizes size, ArrayView<float> groupSizes, LogitArguments loss, ArrayView<float> tops, ArrayView<float> totals, ArrayView<float> weighted)
    {
        var top = Empty;
        var total = 0f;
        var fours = Sizes.Tiles(size.Rows, 4);
        var i = Group.IdxX;
        // Four reads on their way at once, since a chunk of a large tail has few rows for so many multiprocessors.
        for (; i + (3 * GroupSize) < size.Rows / 4; i += 4 * GroupSize)
        {
            Float4 first = row[i], second = row[i + GroupSize], third = row[i + (2 * GroupSize)], fourth = row[i + (3 * GroupSize)];
            var most = XMath.Max(XMath.Max(XMath.Max(Most(first), Most(second)), XMath.Max(Most(third), Most(fourth))), top);
            total = (total * XMath.Exp(top - most)) + Sum(first, most) + Sum(second, most) + Sum(third, most) + Sum(fourth, most);
            top = most;
        }

        for (; i < fours; i += GroupSize)
        {
            var four = row[i];
            var column = 4 * i;
            four.Y = Utilities.Select(column + 1 < size.Rows, four.Y, Empty);
            four.Z = Utilities.Select(column + 2 < size.Rows, four.Z, Empty);
            four.W = Utilities.Select(column + 3 < size.Rows, four.W, Empty);
            var most = XMath.Max(Most(four), top);
            total = (total * XMath.Exp(top - most)) + Sum(four, most);
            top = most;
        }

        var sum = 0f;
        var smoothed = loss.Weights.Uniform > 0f ? fours : 0;
        for (i = Group.IdxX; i < smoothed; i += GroupSize)
        {
            var four = row[i];
            var column = 4 * i;
            // Behind the rows there may be anything, and 0 times that is not always 0.
            four.Y = Utilities.Select(column + 1 < size.Rows, four.Y, 0f);
            four.Z = Utilities.Select(column + 2 < size.Rows, four.Z, 0f);
            four.W = Utilities.Select(column + 3 < size.Rows, four.W, 0f);
            sum += (Share(size, groupSizes, column) * four.X) + (Share(size, groupSizes, column + 1) * four.Y)
                + (Share(size, groupSizes, column + 2) * four.Z) + (Share(size, groupSizes, column + 3) * four.W);
        }

        tops[Group.IdxX] = top;
        totals[Group.IdxX] = total;
        weighted[Group.IdxX] = sum;
        Group.Barrier();
        for (var half = GroupSize / 2; half > 0; half /= 2)
        {
            if (Group.IdxX < half)
            {
                var other = Group.IdxX + half;
                var most = XMath.Max(tops[Group.IdxX], tops[other]);
                totals[Group.IdxX] = (totals[Group.IdxX] * XMath.Exp(tops[Group.IdxX] - most)) + (totals[other] * XMath.Exp(tops[other] - most));
                tops[Group.IdxX] = most;
                weighted[Group.IdxX] += weighted[other];
            }

            Group.Barrier();
        }
    }

    /// <summary>How many tokens a row stands for; 0 behind the rows.</summary>
    public static float Share(ClusterSizes size, ArrayView<float> groupSizes, int row)
    {
        var share = row < size.TokenRows ? 1f : 0f;
        if (row >= size.TokenRows && row < size.Rows) share = groupSizes[row - size.TokenRows];
        return share;
    }

    private static float Most(Float4 four) => XMath.Max(XMath.Max(four.X, four.Y), XMath.Max(four.Z, four.W));

    private static float Sum(Float4 four, float most) => XMath.Exp(four.X - most) + XMath.Exp(four.Y - most) + XMath.Exp(four.Z - most) + XMath.Exp(four.W - most);

    private static float At(ArrayView<Float4> row, int column)
    {
        var four = row[column / 4];
        var i = column & 3;
        return i == 0 ? four.X : i == 1 ? four.Y : i == 2 ? four.Z : four.W;
    }

    /// <summary>A piece is a row.</summary>
    private readonly struct RowWork : IClusterWork
    {
        public int Items(BatchPlan cluster, ClusterSizes sizes, ClusterArguments arguments) => cluster.Count;
    }
}

/// <summary>What becomes of stored logits.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct LogitArguments
{
    /// <summary>What the loss gives each logit.</summary>
    public LossWeights Weights;

    /// <summary>The tokens of the vocabulary.</summary>
    public int VocabularySize;

    /// <summary>The tokens in the head, behind which its rows of clusters begin.</summary>
    public int ShortlistSize;

    /// <summary>Whether their gradient takes their place.</summary>
    public int WantsGradient;
}

/// <summary>How the gradient of a token's logits follows from them.</summary>
/// <param name="loss">What the loss gives each logit.</param>
/// <param name="size">The sizes of the cluster.</param>
/// <param name="groupSizes">The tokens of each cluster.</param>
/// <param name="target">The row of the target, −1 for none.</param>
/// <param name="logSumExp">The log-sum-exp of the logits.</param>
/// <param name="allRows">The tokens that all rows stand for.</param>
/// <param name="tokenWeight">What the gradient is multiplied by.</param>
internal readonly struct LogitRule(LossWeights loss, ClusterSizes size, ArrayView<float> groupSizes, int target, float logSumExp, float allRows, float tokenWeight)
{
    private float Hit => target >= 0 ? loss.Target : 0f;

    /// <summary>The gradients of four logits, 0 behind the rows.</summary>
    /// <param name="logits">The logits.</param>
    /// <param name="row">The weight's row of the first.</param>
    public Float4 Gradient(Float4 logits, int row)
    {
        var total = (Hit + (loss.Uniform * allRows)) * tokenWeight;
        Float4 result = default;
        result.X = One(total, logits.X, row);
        result.Y = One(total, logits.Y, row + 1);
        result.Z = One(total, logits.Z, row + 2);
        result.W = One(total, logits.W, row + 3);
        return result;
    }

    private float One(float total, float logit, int row)
    {
        var weight = row == target ? Hit : 0f;
        if (loss.Uniform > 0f) weight += loss.Uniform * LogitKernels.Share(size, groupSizes, row);
        var gradient = (XMath.Exp(logit - logSumExp) * total) - (weight * tokenWeight);
        return row < size.Rows ? gradient : 0f;
    }
}
