using ILGPU;

namespace AdaptiveSoftmax.Gpu.Tests.Ptx;

/// <summary>
/// Kernels whose PTX is known in advance: dot products of a matrix's rows with a vector, once as it should be and once
/// with each fault that the checks are there to find.
/// </summary>
internal sealed class SmallKernels : IKernelCases
{
    public const int GroupSize = 128;

    /// <inheritdoc/>
    public IEnumerable<KernelCase> Cases =>
    [
        new("-", nameof(WideDot), typeof(SmallKernels).GetMethod(nameof(WideDot))!, GroupSize, 40, WideReads: 2),
        new("-", nameof(SharedSum), typeof(SmallKernels).GetMethod(nameof(SharedSum))!, GroupSize, 32, WideReads: 0),
    ];

    /// <summary>Four floats, which one instruction loads.</summary>
    public record struct Four(float A, float B, float C, float D);

    /// <summary>Two loads of 16 bytes a step: weights and vector.</summary>
    public static void WideDot(ArrayView<float> rows, ArrayView<float> vector, ArrayView<float> sums, int quarter)
    {
        var wideRows = rows.Cast<Four>();
        var wideVector = vector.Cast<Four>();
        var sum = 0f;
        for (var i = Group.IdxX; i < quarter; i += GroupSize)
        {
            var w = wideRows[Grid.IdxX * quarter + i];
            var v = wideVector[i];
            sum += w.A * v.A + w.B * v.B + w.C * v.C + w.D * v.D;
        }

        sums[Grid.IdxX * GroupSize + Group.IdxX] = sum;
    }

    /// <summary>The same with a load for each float.</summary>
    public static void ScalarDot(ArrayView<float> rows, ArrayView<float> vector, ArrayView<float> sums, int length)
    {
        var sum = 0f;
        for (var i = Group.IdxX; i < length; i += GroupSize) sum += rows[Grid.IdxX * length + i] * vector[i];
        sums[Grid.IdxX * GroupSize + Group.IdxX] = sum;
    }

    /// <summary>A load for each float, times one of 16 bytes before the loop.</summary>
    public static void WideOnce(ArrayView<float> rows, ArrayView<Four> scale, ArrayView<float> sums, int length)
    {
        var four = scale[Group.IdxX];
        var sum = 0f;
        for (var i = Group.IdxX; i < length; i += GroupSize) sum += rows[i] * four.A + four.B;
        sums[Group.IdxX] = sum * four.C + four.D;
    }

    /// <summary>Adds a float of each thread, which takes 512 bytes of shared memory.</summary>
    public static void SharedSum(ArrayView<float> values, ArrayView<float> sums)
    {
        var shared = SharedMemory.Allocate<float>(GroupSize);
        shared[Group.IdxX] = values[Grid.IdxX * GroupSize + Group.IdxX];
        Group.Barrier();
        for (var half = GroupSize / 2; half > 0; half /= 2)
        {
            if (Group.IdxX < half) shared[Group.IdxX] += shared[Group.IdxX + half];
            Group.Barrier();
        }

        if (Group.IdxX == 0) sums[Grid.IdxX] = shared[0];
    }

    /// <summary>Sums in a local array of 8 floats, which is indexed and so has to lie in memory.</summary>
    public static void LocalArray(ArrayView<float> rows, ArrayView<float> sums, int count)
    {
        var sum = LocalMemory.Allocate<float>(8);
        for (var j = 0; j < 8; j++) sum[j] = 0;
        for (var i = 0; i < count; i++)
        {
            for (var j = 0; j < 8; j++) sum[j] += rows[(i * 8 + j) * GroupSize + Group.IdxX];
        }

        for (var j = 0; j < 8; j++) sums[j * GroupSize + Group.IdxX] = sum[j];
    }

    /// <summary>ILGPU has no managed objects on a device.</summary>
    public static void Uncompilable(ArrayView<int> lengths) => lengths[0] = new List<int>(lengths[0]).Count;
}
