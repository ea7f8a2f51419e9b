using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Runtime;

namespace LanguageModelSample;

/// <summary>
/// What the body computes besides matrix products. Every value is summed by one thread, or by one group in a fixed order,
/// so that the same batch gives the same bits.
/// </summary>
internal sealed class BodyKernels(Accelerator accelerator)
{
    private const int GroupSize = 256;
    private const float Epsilon = 1e-5f;

    // How the gradient of the norm's factors is summed: 32 of them a group, their tokens in 8 slices.
    private const int Lanes = 32;
    private const int Slices = GroupSize / Lanes;

    private readonly Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<int>, ArrayView<float>, RowSizes> _gather =
        accelerator.LoadKernel<ArrayView<float>, ArrayView<int>, ArrayView<float>, RowSizes>(GatherRows);

    private readonly Action<AcceleratorStream, KernelConfig, ArrayView<float>> _rectify =
        accelerator.LoadKernel<ArrayView<float>>(RectifyValues);

    private readonly Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int> _normalize =
        accelerator.LoadKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int>(NormalizeTokens);

    private readonly Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int> _normalizeBackward =
        accelerator.LoadKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int>(NormalizeTokensBackward);

    private readonly Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int> _addScaleGradient =
        accelerator.LoadKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int>(SumScaleGradient);

    private readonly Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<float>> _rectifyBackward =
        accelerator.LoadKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>>(RectifySumBackward);

    private readonly Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<float>, RowSizes> _scatter =
        accelerator.LoadKernel<ArrayView<float>, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<float>, RowSizes>(ScatterRows);

    private AcceleratorStream Stream => accelerator.DefaultStream;

    /// <summary>Puts the embeddings of each window side by side.</summary>
    /// <param name="table">The embeddings, [rows, stride].</param>
    /// <param name="rows">The rows in each window, [tokens, window].</param>
    /// <param name="embedded">Receives [tokens, window embeddings and zeros up to the stride].</param>
    /// <param name="sizes">Sizes.</param>
    public void Gather(ArrayView<float> table, ArrayView<int> rows, ArrayView<float> embedded, RowSizes sizes) =>
        _gather(Stream, Threads(embedded.Length), table, rows, embedded, sizes);

    /// <summary>values = max(values, 0).</summary>
    public void Rectify(ArrayView<float> values) => _rectify(Stream, Threads(values.Length), values);

    /// <summary>z = max(z, 0); y = x + z; hidden = y / rms(y) · scale, and 1 / rms(y).</summary>
    public void Normalize(ArrayView<float> x, ArrayView<float> z, ArrayView<float> scale, ArrayView<float> y, ArrayView<float> inverse, ArrayView<float> hidden) =>
        _normalize(Stream, Groups(inverse.Length), x, z, scale, y, inverse, hidden, (int)scale.Length);

    /// <summary>The gradients of y and, where z is positive, of z.</summary>
    public void NormalizeBackward(ArrayView<float> hiddenGradient, ArrayView<float> scale, ArrayView<float> y, ArrayView<float> inverse, ArrayView<float> z, ArrayView<float> yGradient, ArrayView<float> zGradient) =>
        _normalizeBackward(Stream, Groups(inverse.Length), hiddenGradient, scale, y, inverse, z, yGradient, zGradient, (int)scale.Length);

    /// <summary>Adds to the gradient of the norm's factors.</summary>
    public void AddScaleGradient(ArrayView<float> hiddenGradient, ArrayView<float> y, ArrayView<float> inverse, ArrayView<float> scaleGradient) =>
        _addScaleGradient(Stream, Groups((scaleGradient.Length + Lanes - 1) / Lanes), hiddenGradient, y, inverse, scaleGradient, (int)inverse.Length);

    /// <summary>xGradient = xGradient + yGradient where x is positive, else 0.</summary>
    public void RectifyBackward(ArrayView<float> x, ArrayView<float> yGradient, ArrayView<float> xGradient) =>
        _rectifyBackward(Stream, Threads(x.Length), x, yGradient, xGradient);

    /// <summary>Adds the gradients of embedded windows to those of their rows, each row's in the order of the batch.</summary>
    /// <param name="embeddedGradient">[tokens, stride].</param>
    /// <param name="rows">The row of each place in a window.</param>
    /// <param name="firsts">The places that are the first of their row.</param>
    /// <param name="next">The next place of the same row, or −1.</param>
    /// <param name="gradient">The table's gradient.</param>
    /// <param name="sizes">Sizes.</param>
    public void Scatter(ArrayView<float> embeddedGradient, ArrayView<int> rows, ArrayView<int> firsts, ArrayView<int> next, ArrayView<float> gradient, RowSizes sizes) =>
        _scatter(Stream, Threads(firsts.Length * sizes.Columns), embeddedGradient, rows, firsts, next, gradient, sizes);

    private static void GatherRows(ArrayView<float> table, ArrayView<int> rows, ArrayView<float> embedded, RowSizes sizes)
    {
        for (long i = Grid.GlobalLinearIndex; i < embedded.Length; i += (long)Grid.DimX * Group.DimX)
        {
            var token = i / sizes.TokenStride;
            var at = (int)(i % sizes.TokenStride);
            var value = 0f;
            if (at < sizes.Window * sizes.Columns)
                value = table[((long)rows[(token * sizes.Window) + (at / sizes.Columns)] * sizes.TableStride) + (at % sizes.Columns)];
            embedded[i] = value;
        }
    }

    private static void RectifyValues(ArrayView<float> values)
    {
        for (long i = Grid.GlobalLinearIndex; i < values.Length; i += (long)Grid.DimX * Group.DimX) values[i] = XMath.Max(values[i], 0f);
    }

    private static void NormalizeTokens(ArrayView<float> x, ArrayView<float> z, ArrayView<float> scale, ArrayView<float> y, ArrayView<float> inverse, ArrayView<float> hidden, int size)
    {
        var sums = SharedMemory.Allocate<float>(GroupSize);
        for (long token = Grid.IdxX; token < inverse.Length; token += Grid.DimX)
        {
            var start = token * size;
            var squares = 0f;
            for (var i = Group.IdxX; i < size; i += GroupSize)
            {
                var rectified = XMath.Max(z[start + i], 0f);
                var sum = x[start + i] + rectified;
                z[start + i] = rectified;
                y[start + i] = sum;
                squares += sum * sum;
            }

            var factor = 1f / XMath.Sqrt((SumOfGroup(sums, squares) / size) + Epsilon);
            if (Group.IdxX == 0) inverse[token] = factor;
            for (var i = Group.IdxX; i < size; i += GroupSize) hidden[start + i] = y[start + i] * factor * scale[i];
        }
    }

    private static void NormalizeTokensBackward(
        ArrayView<float> hiddenGradient, ArrayView<float> scale, ArrayView<float> y, ArrayView<float> inverse, ArrayView<float> z,
        ArrayView<float> yGradient, ArrayView<float> zGradient, int size)
    {
        var sums = SharedMemory.Allocate<float>(GroupSize);
        for (long token = Grid.IdxX; token < inverse.Length; token += Grid.DimX)
        {
            var start = token * size;
            var product = 0f;
            for (var i = Group.IdxX; i < size; i += GroupSize) product += hiddenGradient[start + i] * scale[i] * y[start + i];
            var factor = inverse[token];
            var along = SumOfGroup(sums, product) * factor * factor / size;
            for (var i = Group.IdxX; i < size; i += GroupSize)
            {
                var gradient = factor * ((hiddenGradient[start + i] * scale[i]) - (along * y[start + i]));
                yGradient[start + i] = gradient;
                zGradient[start + i] = z[start + i] > 0f ? gradient : 0f;
            }
        }
    }

    private static void SumScaleGradient(ArrayView<float> hiddenGradient, ArrayView<float> y, ArrayView<float> inverse, ArrayView<float> scaleGradient, int tokens)
    {
        var sums = SharedMemory.Allocate<float>(GroupSize);
        var size = (int)scaleGradient.Length;
        int lane = Group.IdxX % Lanes, slice = Group.IdxX / Lanes;
        for (var first = Grid.IdxX * Lanes; first < size; first += Grid.DimX * Lanes)
        {
            var column = first + lane;
            var sum = 0f;
            if (column < size)
            {
                for (var token = slice; token < tokens; token += Slices)
                {
                    var at = ((long)token * size) + column;
                    sum += hiddenGradient[at] * y[at] * inverse[token];
                }
            }

            sums[Group.IdxX] = sum;
            Group.Barrier();
            if (slice == 0 && column < size)
            {
                var total = scaleGradient[column];
                for (var i = 0; i < Slices; i++) total += sums[(i * Lanes) + lane];
                scaleGradient[column] = total;
            }

            Group.Barrier();
        }
    }

    private static void RectifySumBackward(ArrayView<float> x, ArrayView<float> yGradient, ArrayView<float> xGradient)
    {
        for (long i = Grid.GlobalLinearIndex; i < x.Length; i += (long)Grid.DimX * Group.DimX)
            xGradient[i] = x[i] > 0f ? xGradient[i] + yGradient[i] : 0f;
    }

    private static void ScatterRows(ArrayView<float> embeddedGradient, ArrayView<int> rows, ArrayView<int> firsts, ArrayView<int> next, ArrayView<float> gradient, RowSizes sizes)
    {
        for (long i = Grid.GlobalLinearIndex; i < firsts.Length * sizes.Columns; i += (long)Grid.DimX * Group.DimX)
        {
            var place = firsts[i / sizes.Columns];
            var column = (int)(i % sizes.Columns);
            var to = ((long)rows[place] * sizes.TableStride) + column;
            var sum = gradient[to];
            while (place >= 0)
            {
                sum += embeddedGradient[((long)(place / sizes.Window) * sizes.TokenStride) + (place % sizes.Window * sizes.Columns) + column];
                place = next[place];
            }

            gradient[to] = sum;
        }
    }

    // Halves until one value is left: the same order whatever the device's warps.
    private static float SumOfGroup(ArrayView<float> sums, float value)
    {
        sums[Group.IdxX] = value;
        Group.Barrier();
        for (var half = GroupSize / 2; half > 0; half /= 2)
        {
            if (Group.IdxX < half) sums[Group.IdxX] += sums[Group.IdxX + half];
            Group.Barrier();
        }

        var sum = sums[0];
        // Before the next sum is written over it.
        Group.Barrier();
        return sum;
    }

    private KernelConfig Threads(long items) => Groups((items + GroupSize - 1) / GroupSize);

    // No more groups than run at once; the kernels loop over the rest.
    private KernelConfig Groups(long most) => ((int)Math.Clamp(most, 1, Math.Max(1, accelerator.NumMultiprocessors) * 8), GroupSize);
}
