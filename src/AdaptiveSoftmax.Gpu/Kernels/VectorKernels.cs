using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Algorithms;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>Sizes and switches of a product with one vector.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct VectorArguments
{
    /// <summary>The cluster: 0 for the head, i + 1 for tail i.</summary>
    public int Cluster;

    /// <summary>The first slot of the cluster.</summary>
    public int Start;

    /// <summary>Whether there is a bias.</summary>
    public int HasBias;

    /// <summary>The rows that stand for tokens, not for tails.</summary>
    public int TokenRows;

    /// <summary>The rows that one group takes, and reduces to one maximum, sum and best row.</summary>
    public int RowsPerStrip;

    /// <summary>Whether no cluster follows.</summary>
    public int IsLast;
}

/// <summary>
/// Greedy decoding of one token. All time goes into reading weights, so every thread has eight reads of 16 bytes to
/// make at once, and the group that ends last decides in the same launch which tail is needed next.
/// </summary>
/// <remarks>The threads that share a row meet in shared memory instead of by warp shuffles, which not every device has.</remarks>
internal static class VectorKernels
{
    /// <summary>The longest vector that fits the shared memory set aside for it.</summary>
    public const int MaximumColumns = 8192;

    /// <summary>The most strips, so that the group that ends last has few partial results to combine.</summary>
    public const int MaximumStrips = 1024;

    /// <summary>The fewest rows of a strip: what the threads of a group take at a time.</summary>
    public const int LeastRowsPerStrip = 64;

    private const int GroupSize = TileProduct.GroupSize;
    private const int RowsPerTeam = 8;

    // One word more than the rows of a team spreads its sums over the banks.
    private const int SumStride = RowsPerTeam + 1;

    /// <summary>The threads that share a row: no more than it has blocks of 16 bytes.</summary>
    public static int Lanes(int blocks) => blocks >= 32 ? 32 : blocks >= 16 ? 16 : 8;

    /// <summary>
    /// The best token of head or tail, and after it what is known so far: score and slot of the best token, log-probs of
    /// the clusters. A tail that cannot win is not read.
    /// </summary>
    /// <param name="shape">[rows, columns] of the weight.</param>
    /// <param name="input">The vector, [columns].</param>
    /// <param name="weights">The weight, [rows, stride].</param>
    /// <param name="bias">[rows], if there is one.</param>
    /// <param name="clusters">The log-probs of the clusters, [clusters]; the head sets them.</param>
    /// <param name="partial">Maximum, sum of exponentials and best logit of each strip, [3, strips].</param>
    /// <param name="bestRow">The row of the best logit of each strip, [strips].</param>
    /// <param name="score">The best log-prob so far.</param>
    /// <param name="state">The slot of the best token so far, and the count of groups that have ended.</param>
    /// <param name="ids">The token id of each slot.</param>
    /// <param name="token">Receives the token's id after the last cluster.</param>
    /// <param name="arguments">Sizes.</param>
    public static void Best<TShape, TBlock>(
        TShape shape, ArrayView<float> input, ArrayView<TBlock> weights, ArrayView<float> bias, ArrayView<float> clusters, ArrayView<float> partial,
        ArrayView<int> bestRow, ArrayView<float> score, ArrayView<int> state, ArrayView<int> ids, ArrayView<int> token, VectorArguments arguments)
        where TShape : unmanaged, IMatrixShape
        where TBlock : unmanaged, IWeightBlock<TBlock>
    {
        var vector = SharedMemory.Allocate<Float4>(MaximumColumns / 4);
        var sums = SharedMemory.Allocate<float>(GroupSize * SumStride);
        var rows = SharedMemory.Allocate<int>(GroupSize);
        var stride = Sizes.Stride(shape.Columns);
        var lanes = Lanes(stride / default(TBlock).Values);
        var strips = Sizes.Tiles(shape.Rows, arguments.RowsPerStrip);

        // No early return: PoCL crashes on one in front of these barriers.
        if (arguments.Cluster > 0 && !(clusters[arguments.Cluster - 1] > score[0])) strips = 0;
        Stage(vector.Cast<float>(), input, shape.Columns, stride);
        for (var strip = Grid.IdxX; strip < strips; strip += Grid.DimX)
        {
            var best = new Candidate { Top = float.NegativeInfinity, Value = float.NegativeInfinity, Row = int.MaxValue };
            var end = XMath.Min((strip + 1) * arguments.RowsPerStrip, shape.Rows);
            for (var first = strip * arguments.RowsPerStrip; first < end; first += GroupSize / lanes * RowsPerTeam)
            {
                Multiply(weights, vector, sums, first, shape.Rows, stride, lanes);
                Group.Barrier();
                var row = first + Group.IdxX;
                if (Group.IdxX < GroupSize / lanes * RowsPerTeam && row < end)
                {
                    var logit = SumOf(sums, lanes);
                    if (arguments.HasBias != 0) logit += bias[row];
                    logit = FloatBits.OrInfinity(logit);
                    if (row >= arguments.TokenRows) clusters[row - arguments.TokenRows] = logit;
                    best.Add(logit, row < arguments.TokenRows ? row : int.MaxValue);
                }

                Group.Barrier();
            }

            best = Combine(best, sums, rows);
            if (Group.IdxX == 0)
            {
                partial[strip] = best.Top;
                partial[strips + strip] = best.Total;
                partial[(2 * strips) + strip] = best.Value;
                bestRow[strip] = best.Row;
            }
        }

        // Every group goes through the same barriers, and only that which ends last has something to combine.
        var isLast = IsLastGroup(state);
        Finish(clusters, partial, bestRow, score, state, ids, token, arguments, isLast, strips, sums, rows);
    }

    /// <summary>weight · vector, [rows], for the projection of a tail that can still win.</summary>
    public static void Project<TShape, TBlock>(
        TShape shape, ArrayView<float> input, ArrayView<TBlock> weights, ArrayView<float> clusters, ArrayView<float> score, ArrayView<float> output, int cluster)
        where TShape : unmanaged, IMatrixShape
        where TBlock : unmanaged, IWeightBlock<TBlock>
    {
        var sums = SharedMemory.Allocate<float>(GroupSize);
        const int lanes = 32;
        var rows = clusters[cluster - 1] > score[0] ? shape.Rows : 0;
        var stride = Sizes.Stride(shape.Columns);
        for (var first = Grid.IdxX * (GroupSize / lanes); first < rows; first += Grid.DimX * (GroupSize / lanes))
        {
            // Few rows: more groups with a row a team beat wide reads.
            var row = first + (Group.IdxX / lanes);
            var sum = 0f;
            if (row < rows)
            {
                for (var column = Group.IdxX % lanes; column < shape.Columns; column += lanes)
                    sum += default(TBlock).Value(weights, ((long)row * stride) + column) * input[column];
            }

            sums[Group.IdxX] = sum;
            Group.Barrier();
            if (Group.IdxX < GroupSize / lanes && first + Group.IdxX < rows)
            {
                var total = 0f;
                for (var lane = 0; lane < lanes; lane++) total += sums[(Group.IdxX * lanes) + lane];
                output[first + Group.IdxX] = total;
            }

            Group.Barrier();
        }
    }

    private static void Stage(ArrayView<float> vector, ArrayView<float> input, int columns, int stride)
    {
        for (var i = Group.IdxX; i < stride; i += GroupSize)
        {
            var value = 0f;
            if (i < columns) value = input[i];
            vector[i] = value;
        }

        Group.Barrier();
    }

    // Each thread's share of eight rows. Rows past the end are read as the last one; nobody looks at their sums.
    private static void Multiply<TBlock>(ArrayView<TBlock> weights, ArrayView<Float4> vector, ArrayView<float> sums, int first, int rows, int stride, int lanes)
        where TBlock : unmanaged, IWeightBlock<TBlock>
    {
        var lane = Group.IdxX % lanes;
        var row = first + (Group.IdxX / lanes * RowsPerTeam);
        long blocks = stride / default(TBlock).Values;
        var r0 = XMath.Min(row, rows - 1) * blocks;
        var r1 = XMath.Min(row + 1, rows - 1) * blocks;
        var r2 = XMath.Min(row + 2, rows - 1) * blocks;
        var r3 = XMath.Min(row + 3, rows - 1) * blocks;
        var r4 = XMath.Min(row + 4, rows - 1) * blocks;
        var r5 = XMath.Min(row + 5, rows - 1) * blocks;
        var r6 = XMath.Min(row + 6, rows - 1) * blocks;
        var r7 = XMath.Min(row + 7, rows - 1) * blocks;
        float s0 = 0f, s1 = 0f, s2 = 0f, s3 = 0f, s4 = 0f, s5 = 0f, s6 = 0f, s7 = 0f;
        for (var at = lane; at < blocks; at += lanes)
        {
            var w0 = weights[r0 + at];
            var w1 = weights[r1 + at];
            var w2 = weights[r2 + at];
            var w3 = weights[r3 + at];
            var w4 = weights[r4 + at];
            var w5 = weights[r5 + at];
            var w6 = weights[r6 + at];
            var w7 = weights[r7 + at];
            var v = default(TBlock).Beside(vector, at);
            s0 += w0.Dot(v);
            s1 += w1.Dot(v);
            s2 += w2.Dot(v);
            s3 += w3.Dot(v);
            s4 += w4.Dot(v);
            s5 += w5.Dot(v);
            s6 += w6.Dot(v);
            s7 += w7.Dot(v);
        }

        var start = Group.IdxX * SumStride;
        sums[start] = s0;
        sums[start + 1] = s1;
        sums[start + 2] = s2;
        sums[start + 3] = s3;
        sums[start + 4] = s4;
        sums[start + 5] = s5;
        sums[start + 6] = s6;
        sums[start + 7] = s7;
    }

    // The thread's row of the group's rows: summed over its team's lanes in their order.
    private static float SumOf(ArrayView<float> sums, int lanes)
    {
        var start = (Group.IdxX / RowsPerTeam * lanes * SumStride) + (Group.IdxX % RowsPerTeam);
        var sum = 0f;
        for (var lane = 0; lane < lanes; lane++) sum += sums[start + (lane * SumStride)];
        return sum;
    }

    // Whether all other groups have written their partial results; the count is ready for the next launch afterwards.
    private static bool IsLastGroup(ArrayView<int> state)
    {
        // Shared memory of its own: ILGPU moves the read to where the value is used, behind barriers that follow it.
        var before = SharedMemory.Allocate<int>(1);
        MemoryFence.DeviceLevel();
        Group.Barrier();
        if (Group.IdxX == 0) before[0] = Atomic.Add(ref state[1], 1);
        Group.Barrier();
        var isLast = before[0] == Grid.DimX - 1;
        if (isLast && Group.IdxX == 0) state[1] = 0;
        MemoryFence.DeviceLevel();
        return isLast;
    }

    private static void Finish(
        ArrayView<float> clusters, ArrayView<float> partial, ArrayView<int> bestRow, ArrayView<float> score, ArrayView<int> state, ArrayView<int> ids,
        ArrayView<int> token, VectorArguments arguments, bool isLast, int strips, ArrayView<float> sums, ArrayView<int> rows)
    {
        var best = new Candidate { Top = float.NegativeInfinity, Value = float.NegativeInfinity, Row = int.MaxValue };
        var end = isLast ? strips : 0;
        for (var strip = Group.IdxX; strip < end; strip += GroupSize)
        {
            var other = new Candidate { Top = partial[strip], Total = partial[strips + strip], Value = partial[(2 * strips) + strip], Row = bestRow[strip] };
            best.Merge(other);
        }

        best = Combine(best, sums, rows);
        if (Group.IdxX > 0 || !isLast) return;
        if (strips > 0) Decide(best, clusters, score, state, arguments);
        if (arguments.IsLast != 0) token[0] = DecodeKernels.IdOf(state[0], ids);
    }

    private static void Decide(Candidate best, ArrayView<float> clusters, ArrayView<float> score, ArrayView<int> state, VectorArguments arguments)
    {
        var logSumExp = best.Top + XMath.Log(best.Total);
        if (!FloatBits.IsFinite(logSumExp))
        {
            score[0] = DecodeKernels.Unbeaten;
            state[0] = DecodeKernels.Fault(arguments.Cluster);
            if (arguments.Cluster > 0) return;
            for (var i = 0; i < clusters.IntLength; i++) clusters[i] = -DecodeKernels.Unbeaten;
        }
        else if (arguments.Cluster == 0)
        {
            score[0] = best.Value - logSumExp;
            state[0] = best.Row;
            for (var i = 0; i < clusters.IntLength; i++) clusters[i] -= logSumExp;
        }
        else
        {
            var candidate = best.Value - logSumExp + clusters[arguments.Cluster - 1];
            if (candidate > score[0])
            {
                score[0] = candidate;
                state[0] = arguments.Start + best.Row;
            }
        }
    }

    // A tree over the threads of the group, the same for every run; the result is the first thread's.
    private static Candidate Combine(Candidate mine, ArrayView<float> sums, ArrayView<int> rows)
    {
        for (var half = GroupSize / 2; half > 0; half /= 2)
        {
            sums[Group.IdxX] = mine.Top;
            sums[GroupSize + Group.IdxX] = mine.Total;
            sums[(2 * GroupSize) + Group.IdxX] = mine.Value;
            rows[Group.IdxX] = mine.Row;
            Group.Barrier();
            if (Group.IdxX < half)
            {
                var at = Group.IdxX + half;
                mine.Merge(new Candidate { Top = sums[at], Total = sums[GroupSize + at], Value = sums[(2 * GroupSize) + at], Row = rows[at] });
            }

            Group.Barrier();
        }

        return mine;
    }

    /// <summary>Maximum and sum of exponentials of some logits, and the best token's among them.</summary>
    private struct Candidate
    {
        public float Top;
        public float Total;
        public float Value;
        public int Row;

        public void Add(float logit, int row)
        {
            RowMath.Combine(ref Top, ref Total, logit, 1f);
            if (row != int.MaxValue) Improve(logit, row);
        }

        public void Merge(Candidate other)
        {
            RowMath.Combine(ref Top, ref Total, other.Top, other.Total);
            Improve(other.Value, other.Row);
        }

        private void Improve(float value, int row)
        {
            if (value > Value || (value == Value && row < Row))
            {
                Value = value;
                Row = row;
            }
        }
    }
}
