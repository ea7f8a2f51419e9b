using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Gpu.Tests.TensorCores.Emulation;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.TensorCores;

/// <summary>
/// The products of one weight by their definition, in float64 on the host: they stand in for the kernels, which only a
/// CUDA device runs, so that what is around the kernels can be tested on any device.
/// </summary>
internal sealed class HostProducts(GpuLinear linear) : ITensorProducts
{
    public void Logits(
        AcceleratorStream stream, int tokens, ArrayView<ushort> inputs, ArrayView<ushort> weights, GpuParameter? bias, ArrayView<PartPlan> plan, int part,
        ArrayView<float> pairs, ArrayView<int> targets, ArrayView<float> targetLogits)
    {
        var count = Count(plan, part);
        var (pairsOut, targetsIn, logitsOut) = (Read(pairs), Read(targets), Read(targetLogits));
        var logits = Products(inputs, weights, bias, count);
        for (var row = 0; row < count; row++)
        {
            for (var tile = 0; tile * 128 < linear.Rows; tile++)
            {
                var values = logits[row][(tile * 128)..Math.Min((tile + 1) * 128, linear.Rows)];
                var top = values.Max();
                var at = 2 * ((tile * tokens) + row);
                pairsOut[at] = (float)top;
                pairsOut[at + 1] = (float)values.Sum(value => Math.Exp(value - (float)top));
            }

            if (targetsIn[row] >= 0) logitsOut[row] = (float)logits[row][targetsIn[row]];
        }

        pairs.CopyFromCPU(stream, pairsOut);
        targetLogits.CopyFromCPU(stream, logitsOut);
    }

    public void Gradient(
        AcceleratorStream stream, int tokens, ArrayView<ushort> inputs, ArrayView<ushort> weights, GpuParameter? bias, ArrayView<PartPlan> plan, int part,
        int first, int count, ArrayView<float> logSumExp, ArrayView<int> targets, ArrayView<float> tokenWeight, ArrayView<ushort> gradient, int stride)
    {
        var logits = Products(inputs, weights, bias, Count(plan, part));
        var (lse, targetsIn, weight, result) = (Read(logSumExp), Read(targets), Read(tokenWeight)[0], Read(gradient));
        for (var row = 0; row < logits.Length; row++)
        {
            for (var column = 0; column < Sizes.Stride(count); column++)
            {
                var value = column >= count ? 0 : weight * (Math.Exp(logits[row][first + column] - lse[row]) - (targetsIn[row] == first + column ? 1 : 0));
                result[(row * stride) + column] = BFloat16.Round((float)value);
            }
        }

        gradient.CopyFromCPU(stream, result);
    }

    public void InputGradient(
        AcceleratorStream stream, int tokens, ArrayView<ushort> gradient, int stride, ArrayView<ushort> weights, ArrayView<PartPlan> plan, int part,
        int first, int count, ArrayView<float> output, bool accumulate)
    {
        var (g, w, result) = (Read(gradient), Read(weights), Read(output));
        var width = linear.Weight.Stride;

        // The kernels leave what is behind the columns as it was: nobody may count on it.
        for (var i = 0; i < result.Length; i++)
        {
            if (i % width >= linear.Columns) result[i] = float.NaN;
        }

        for (var row = 0; row < Count(plan, part); row++)
        {
            for (var k = 0; k < linear.Columns; k++)
            {
                double sum = accumulate ? result[(row * width) + k] : 0;
                for (var column = 0; column < count; column++)
                    sum += (double)BFloat16.Widen(g[(row * stride) + column]) * BFloat16.Widen(w[((first + column) * width) + k]);
                result[(row * width) + k] = (float)sum;
            }
        }

        output.CopyFromCPU(stream, result);
    }

    public void WeightGradient(
        AcceleratorStream stream, ArrayView<ushort> gradient, int stride, ArrayView<ushort> inputs, ArrayView<PartPlan> plan, int part,
        int first, int count, ArrayView<float> output)
    {
        var (g, x, result) = (Read(gradient), Read(inputs), Read(output));
        var width = linear.Weight.Stride;
        for (var column = 0; column < count; column++)
        {
            for (var k = 0; k < linear.Columns; k++)
            {
                double sum = result[((first + column) * width) + k];
                for (var row = 0; row < Count(plan, part); row++)
                    sum += (double)BFloat16.Widen(g[(row * stride) + column]) * BFloat16.Widen(x[(row * width) + k]);
                result[((first + column) * width) + k] = (float)sum;
            }
        }

        output.CopyFromCPU(stream, result);
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

    private int Count(ArrayView<PartPlan> plan, int part) => Read(plan)[part].Count;

    private T[] Read<T>(ArrayView<T> view)
        where T : unmanaged
    {
        var values = new T[view.Length];
        view.CopyToCPU(linear.Weight.Accelerator.DefaultStream, values);
        return values;
    }
}
