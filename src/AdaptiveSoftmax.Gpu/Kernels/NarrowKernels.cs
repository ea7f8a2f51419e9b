using ILGPU;
using ILGPU.Algorithms;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>Around the products on tensor cores: to bfloat16 and back, and a cluster's tokens from row 0 on.</summary>
internal static class NarrowKernels
{
    /// <summary>The tokens of a split sum of a bias's gradient.</summary>
    public const int BiasTokens = 256;

    private const int GroupSize = TileProduct.GroupSize;

    /// <summary>Values in bfloat16, rounded to the nearest, ties to even.</summary>
    public static void Narrow(ArrayView<Float4> values, ArrayView<ulong> narrow)
    {
        for (long i = Grid.GlobalLinearIndex; i < values.Length; i += (long)Grid.DimX * Group.DimX) narrow[i] = Round(values[i]);
    }

    /// <summary>A chunk's vectors and target rows from row 0 on, the vectors in bfloat16.</summary>
    public static void NarrowChunk(ArrayView<Float4> vectors, ArrayView<int> targetRows, ArrayView<BatchPlan> plan, ArrayView<ulong> narrow, ArrayView<int> targets, int stride, int place)
    {
        var first = plan[place].First;
        var count = plan[place].Count;
        var fours = (long)count * (stride / 4);
        for (long i = Grid.GlobalLinearIndex; i < fours; i += (long)Grid.DimX * Group.DimX) narrow[i] = Round(vectors[((long)first * (stride / 4)) + i]);
        for (var i = Grid.GlobalIndex.X; i < count; i += Grid.DimX * Group.DimX) targets[i] = targetRows[first + i];
    }

    /// <summary>
    /// Adds split sums [splits, rows, stride] of a weight's gradient in their order: to what is there, or sets it where there
    /// is none.
    /// </summary>
    public static void AddSplits(ArrayView<float> splitSums, ArrayView<BatchPlan> plan, ArrayView<float> gradient, ArrayView<int> state, int place, int splits)
    {
        if (plan[place].Count == 0) return;
        var isAdded = state[ParameterState.HasGradient] != 0;
        for (long i = Grid.GlobalLinearIndex; i < gradient.Length; i += (long)Grid.DimX * Group.DimX)
        {
            var sum = 0f;
            if (isAdded) sum = gradient[i];
            for (var split = 0; split < splits; split++) sum += splitSums[(split * gradient.Length) + i];
            gradient[i] = sum;
        }
    }

    /// <summary>
    /// The log-sum-exp of a chunk's tokens from pairs (maximum, sum) a strip, and the cluster's share of the target's log-prob. The
    /// threads of a group are 16 tokens × 16 groups of strips.
    /// </summary>
    public static void FinishPairs(
        ArrayView<BatchPlan> plan, ArrayView<float> pairs, ArrayView<int> targets, ArrayView<float> targetLogits,
        ArrayView<float> logSumExp, ArrayView<float> targetLogProbs, int place, int isHead, int strips, int capacity)
    {
        var tops = SharedMemory.Allocate<float>(GroupSize);
        var totals = SharedMemory.Allocate<float>(GroupSize);
        var (start, count) = (plan[place].First, plan[place].Count);
        int lane = Group.IdxX & 15, share = Group.IdxX >> 4;
        for (var first = Grid.IdxX * 16; first < count; first += Grid.DimX * 16)
        {
            var top = float.NegativeInfinity;
            var total = 0f;
            var row = first + lane;
            if (row < count)
            {
                for (var strip = share; strip < strips; strip += 16)
                {
                    var at = 2 * (((long)strip * capacity) + row);
                    RowMath.Combine(ref top, ref total, pairs[at], pairs[at + 1]);
                }
            }

            tops[Group.IdxX] = top;
            totals[Group.IdxX] = total;
            Group.Barrier();
            if (share == 0 && row < count)
            {
                for (var i = 1; i < 16; i++) RowMath.Combine(ref top, ref total, tops[(i * 16) + lane], totals[(i * 16) + lane]);
                var result = top + XMath.Log(total);
                logSumExp[row] = result;
                if (isHead != 0) targetLogProbs[start + row] = targetLogits[row] - result;
                else if (targets[row] >= 0) targetLogProbs[start + row] += targetLogits[row] - result;
            }

            Group.Barrier();
        }
    }

    /// <summary>
    /// The gradient of the bias from a chunk of the logits' gradient, in sums over <see cref="BiasTokens"/> tokens, [splits, rows
    /// in whole tiles]. A group takes 64 columns, two a lane, and splits the tokens among its eight slices.
    /// </summary>
    public static void SplitBias(ArrayView<uint> gradient, ArrayView<BatchPlan> plan, ArrayView<float> splitSums, int place, int rows)
    {
        const int slices = GroupSize / 32;
        var lows = SharedMemory.Allocate<float>(GroupSize);
        var highs = SharedMemory.Allocate<float>(GroupSize);
        var (count, stride) = (plan[place].Count, plan[place].ChunkRows);
        var pairs = Sizes.Tiles(rows, 2);
        var blocks = Sizes.Tiles(pairs, 32);
        int lane = Group.IdxX % 32, slice = Group.IdxX / 32;
        for (var item = Grid.IdxX; item < blocks * Sizes.Tiles(count, BiasTokens); item += Grid.DimX)
        {
            var pair = (item % blocks * 32) + lane;
            var split = item / blocks;
            float low = 0, high = 0;
            if (pair < pairs)
            {
                var end = XMath.Min(count, (split + 1) * BiasTokens);
                for (var token = (split * BiasTokens) + slice; token < end; token += slices)
                {
                    var two = gradient[((long)token * (stride / 2)) + pair];
                    low += Interop.IntAsFloat(two << 16);
                    high += Interop.IntAsFloat(two & 0xFFFF0000);
                }
            }

            lows[Group.IdxX] = low;
            highs[Group.IdxX] = high;
            Group.Barrier();
            if (slice == 0 && pair < pairs)
            {
                for (var i = 1; i < slices; i++)
                {
                    low += lows[(i * 32) + lane];
                    high += highs[(i * 32) + lane];
                }

                var at = ((long)split * stride) + (2 * pair);
                splitSums[at] = low;
                splitSums[at + 1] = high;
            }

            Group.Barrier();
        }
    }

    /// <summary>Adds the sums of <see cref="SplitBias"/> in their order: to what is there, or sets it where there is none.</summary>
    public static void Bias(ArrayView<float> splitSums, ArrayView<BatchPlan> plan, ArrayView<float> biasGradient, ArrayView<int> state, int place, int rows)
    {
        var (count, stride) = (plan[place].Count, plan[place].ChunkRows);
        if (count == 0) return;
        for (var row = Grid.GlobalIndex.X; row < rows; row += Grid.DimX * Group.DimX)
        {
            var sum = 0f;
            if (state[ParameterState.HasGradient] != 0) sum = biasGradient[row];
            for (var split = 0; split < Sizes.Tiles(count, BiasTokens); split++) sum += splitSums[((long)split * stride) + row];
            biasGradient[row] = sum;
        }
    }

    private static ulong Round(Float4 values) =>
        Round(values.X) | ((ulong)Round(values.Y) << 16) | ((ulong)Round(values.Z) << 32) | ((ulong)Round(values.W) << 48);

    private static ushort Round(float value)
    {
        var bits = Interop.FloatAsInt(value);
        var rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
        // What is no number stays none, however large its payload.
        if ((bits & 0x7FFFFFFF) > 0x7F800000) rounded = (bits >> 16) | 0x40;
        return (ushort)rounded;
    }
}
