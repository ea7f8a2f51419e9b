using ILGPU;
using ILGPU.Algorithms;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>Around the products on tensor cores: to bfloat16 and back, and a part's tokens from row 0 on.</summary>
internal static class NarrowKernels
{
    private const int GroupSize = TileProduct.GroupSize;

    /// <summary>Values in bfloat16, rounded to the nearest, ties to even.</summary>
    public static void Narrow(ArrayView<float> values, ArrayView<ushort> narrow)
    {
        for (long i = Grid.GlobalLinearIndex; i < values.Length; i += (long)Grid.DimX * Group.DimX) narrow[i] = Round(values[i]);
    }

    /// <summary>A part's vectors and target rows from row 0 on, the vectors in bfloat16.</summary>
    public static void NarrowPart(ArrayView<float> vectors, ArrayView<int> targetRows, ArrayView<PartPlan> plan, ArrayView<ushort> narrow, ArrayView<int> targets, int stride, int part)
    {
        var first = plan[part].First;
        var count = plan[part].Count;
        var values = (long)count * stride;
        for (long i = Grid.GlobalLinearIndex; i < values; i += (long)Grid.DimX * Group.DimX) narrow[i] = Round(vectors[((long)first * stride) + i]);
        for (var i = Grid.GlobalIndex.X; i < count; i += Grid.DimX * Group.DimX) targets[i] = targetRows[first + i];
    }

    /// <summary>Vectors from row 0 on back to a part's place, with zeros behind the columns, which the products leave as they were.</summary>
    public static void Place(ArrayView<float> vectors, ArrayView<PartPlan> plan, ArrayView<float> placed, int columns, int part)
    {
        var stride = Sizes.Stride(columns);
        var first = (long)plan[part].First * stride;
        var values = (long)plan[part].Count * stride;
        for (long i = Grid.GlobalLinearIndex; i < values; i += (long)Grid.DimX * Group.DimX)
        {
            var value = 0f;
            if (i % stride < columns) value = vectors[i];
            placed[first + i] = value;
        }
    }

    /// <summary>Sets a gradient to 0 where there is none to add to, and the part has tokens.</summary>
    public static void ClearAbsent(ArrayView<float> gradient, ArrayView<int> state, ArrayView<PartPlan> plan, int part)
    {
        if (state[ParameterState.HasGradient] != 0 || plan[part].Count == 0) return;
        for (long i = Grid.GlobalLinearIndex; i < gradient.Length; i += (long)Grid.DimX * Group.DimX) gradient[i] = 0;
    }

    /// <summary>As <see cref="BatchKernels.FinishReduce"/>, of pairs (maximum, sum) with the part's tokens from row 0 on.</summary>
    public static void FinishPairs(
        ArrayView<PartPlan> plan, ArrayView<float> pairs, ArrayView<int> targets, ArrayView<float> targetLogits,
        ArrayView<float> logSumExp, ArrayView<float> targetLogProbs, int part, int tiles, int capacity)
    {
        var tops = SharedMemory.Allocate<float>(GroupSize);
        var totals = SharedMemory.Allocate<float>(GroupSize);
        var (start, count) = (plan[part].First, plan[part].Count);
        int lane = Group.IdxX & 15, share = Group.IdxX >> 4;
        for (var first = Grid.IdxX * 16; first < count; first += Grid.DimX * 16)
        {
            var top = float.NegativeInfinity;
            var total = 0f;
            var row = first + lane;
            if (row < count)
            {
                for (var tile = share; tile < tiles; tile += 16)
                {
                    var at = 2 * (((long)tile * capacity) + row);
                    LogitKernels.Combine(ref top, ref total, pairs[at], pairs[at + 1]);
                }
            }

            tops[Group.IdxX] = top;
            totals[Group.IdxX] = total;
            Group.Barrier();
            if (share == 0 && row < count)
            {
                for (var i = 1; i < 16; i++) LogitKernels.Combine(ref top, ref total, tops[(i * 16) + lane], totals[(i * 16) + lane]);
                var result = top + XMath.Log(total);
                logSumExp[row] = result;
                if (part == 0) targetLogProbs[start + row] = targetLogits[row] - result;
                else if (targets[row] >= 0) targetLogProbs[start + row] += targetLogits[row] - result;
            }

            Group.Barrier();
        }
    }

    /// <summary>The gradient of the bias from a chunk of the logits' gradient: added to what is there.</summary>
    public static void Bias(ArrayView<ushort> gradient, ArrayView<PartPlan> plan, ArrayView<float> biasGradient, int part, int first, int count, int stride)
    {
        for (var column = Grid.GlobalIndex.X; column < count; column += Grid.DimX * Group.DimX)
        {
            var sum = 0f;
            for (var token = 0; token < plan[part].Count; token++) sum += Widen(gradient[((long)token * stride) + column]);
            biasGradient[first + column] += sum;
        }
    }

    private static float Widen(ushort value) => Interop.IntAsFloat((uint)value << 16);

    private static ushort Round(float value)
    {
        var bits = Interop.FloatAsInt(value);
        var rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
        // What is no number stays none, however large its payload.
        if ((bits & 0x7FFFFFFF) > 0x7F800000) rounded = (bits >> 16) | 0x40;
        return (ushort)rounded;
    }
}
