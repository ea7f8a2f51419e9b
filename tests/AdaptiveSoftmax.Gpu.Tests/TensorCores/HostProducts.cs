using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Gpu.Tests.Emulation;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.TensorCores;

/// <summary>
/// The products of one weight by their definition, in float64 on the host: they stand in for the kernels, which only a
/// CUDA device runs, so that what is around the kernels can be tested on any device.
/// </summary>
internal sealed class HostProducts(GpuLinear linear) : ITensorProducts
{
    /// <summary>The most sums over the depth of an input's gradient so far.</summary>
    public int MostInputSplits { get; private set; }

    /// <summary>The most tokens of a chunk so far, and the fewest.</summary>
    public (int Most, int Least) Tokens { get; private set; } = (0, int.MaxValue);

    /// <summary>The most sums over the tokens of the weight's gradient so far.</summary>
    public int MostWeightSplits { get; private set; }

    public void Logits(
        AcceleratorStream stream, int tokens, ArrayView<ushort> inputs, ArrayView<ushort> weights, GpuParameter? bias, ArrayView<BatchPlan> plan, int place,
        int tilesPerStrip, ArrayView<float> pairs, ArrayView<int> targets, ArrayView<float> targetLogits)
    {
        var count = Plan(plan, place).Count;
        var (pairsOut, targetsIn, logitsOut) = (Read(pairs), Read(targets), Read(targetLogits));
        var logits = Products(inputs, weights, bias, count);

        // The memory was another cluster's gradient before: nobody may count on what is behind the strips.
        Array.Fill(pairsOut, float.NaN);
        for (var row = 0; row < count; row++)
        {
            var width = tilesPerStrip * TensorCoreMethods.LogitTileColumns;
            for (var strip = 0; strip * width < linear.Rows; strip++)
            {
                var values = logits[row][(strip * width)..Math.Min((strip + 1) * width, linear.Rows)];
                var top = values.Max();
                var at = 2 * ((strip * tokens) + row);
                pairsOut[at] = (float)top;
                pairsOut[at + 1] = (float)values.Sum(value => Math.Exp(value - (float)top));
            }

            if (targetsIn[row] >= 0) logitsOut[row] = (float)logits[row][targetsIn[row]];
        }

        pairs.CopyFromCPU(stream, pairsOut);
        targetLogits.CopyFromCPU(stream, logitsOut);
    }

    public void Gradient(
        AcceleratorStream stream, int tokens, ArrayView<ushort> inputs, ArrayView<ushort> weights, GpuParameter? bias, ArrayView<BatchPlan> plan, int place,
        ArrayView<float> logSumExp, ArrayView<int> targets, ArrayView<float> scale, ArrayView<ushort> gradient)
    {
        var (_, count, chunk, _) = Plan(plan, place);
        var logits = Products(inputs, weights, bias, count);
        var (lse, targetsIn, weight, result) = (Read(logSumExp), Read(targets), Read(scale)[0], Read(gradient));
        for (var row = 0; row < logits.Length; row++)
        {
            for (var column = 0; column < Sizes.Stride(linear.Rows); column++)
            {
                var value = column >= linear.Rows ? 0 : weight * (Math.Exp(logits[row][column] - lse[row]) - (targetsIn[row] == column ? 1 : 0));
                result[(row * chunk) + column] = BFloat16.Round((float)value);
            }
        }

        gradient.CopyFromCPU(stream, result);
    }

    public void InputGradient(
        AcceleratorStream stream, ArrayView<ushort> gradient, ArrayView<ushort> weights, ArrayView<BatchPlan> plan, int place, ArrayView<float> output, ArrayView<float> splitSums)
    {
        var (start, count, chunk, splits) = Plan(plan, place);
        if (count == 0) return;
        (MostInputSplits, Tokens) = (Math.Max(MostInputSplits, splits), (Math.Max(Tokens.Most, count), Math.Min(Tokens.Least, count)));
        var target = splits == 1 ? output : splitSums;
        var (g, w, result) = (Read(gradient), Read(weights), Read(target));
        Sum(result, splits == 1 ? start : 0, count, linear.Rows, splits, isAdded: false, (row, k, column) =>
            (double)BFloat16.Widen(g[(row * chunk) + k]) * BFloat16.Widen(w[(k * linear.Weight.Stride) + column]));
        target.CopyFromCPU(stream, result);
    }

    public void WeightGradient(
        AcceleratorStream stream, ArrayView<ushort> gradient, ArrayView<ushort> inputs, ArrayView<BatchPlan> plan, int place, ArrayView<int> state, ArrayView<float> splitSums, int splits)
    {
        var (_, count, chunk, _) = Plan(plan, place);
        if (count == 0) return;
        Assert.True(chunk >= linear.Rows, "a chunk has all rows");
        MostWeightSplits = Math.Max(MostWeightSplits, splits);
        var target = splits == 1 ? linear.Weight.Gradient : splitSums;
        var (g, x, result) = (Read(gradient), Read(inputs), Read(target));
        Sum(result, 0, linear.Rows, count, splits, splits == 1 && Read(state)[0] != 0, (row, k, column) =>
            (double)BFloat16.Widen(g[(k * chunk) + row]) * BFloat16.Widen(x[(k * linear.Weight.Stride) + column]));
        target.CopyFromCPU(stream, result);
    }

    // Rows with their padding, from the first one on, and as many again for each part of the depth.
    private void Sum(float[] result, int first, int rows, int depth, int splits, bool isAdded, Func<int, int, int, double> product)
    {
        var stride = linear.Weight.Stride;
        var part = Sizes.Tiles(Sizes.Tiles(depth, splits), 64) * 64;
        for (var row = 0; row < rows * splits; row++)
        {
            for (var column = 0; column < stride; column++)
            {
                var at = ((first + row) * stride) + column;
                double sum = isAdded ? result[at] : 0;
                for (var k = row / rows * part; k < Math.Min(depth, ((row / rows) + 1) * part); k++) sum += product(row % rows, k, column);
                result[at] = (float)sum;
            }
        }
    }

    private double[][] Products(ArrayView<ushort> inputs, ArrayView<ushort> weights, GpuParameter? bias, int count)
    {
        var (x, w) = (Read(inputs), Read(weights));
        var b = new float[linear.Rows];
        bias?.CopyTo(b);
        var width = linear.Weight.Stride;
        return [.. Enumerable.Range(0, count).Select(row => Enumerable.Range(0, linear.Rows).Select(column =>
        {
            double sum = b[column];
            for (var k = 0; k < width; k++) sum += (double)BFloat16.Widen(x[(row * width) + k]) * BFloat16.Widen(w[(column * width) + k]);
            return sum;
        }).ToArray())];
    }

    private (int First, int Count, int ChunkRows, int Splits) Plan(ArrayView<BatchPlan> plan, int place)
    {
        var one = Read(plan)[place];
        return (one.First, one.Count, one.ChunkRows, one.Splits);
    }

    private T[] Read<T>(ArrayView<T> view)
        where T : unmanaged
    {
        var values = new T[view.Length];
        view.CopyToCPU(linear.Weight.Accelerator.DefaultStream, values);
        return values;
    }
}
