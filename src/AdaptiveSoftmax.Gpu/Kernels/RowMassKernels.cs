using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Util;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>Tempered masses of rows of scores, as integers, and a draw by them.</summary>
internal static class RowMassKernels
{
    private const int GroupSize = TileProduct.GroupSize;

    // As many as have a place for each thread in 32 KiB.
    private const int BucketsAtOnce = 32;

    // A place's threads, which add up its counts.
    private const int Adders = GroupSize / BucketsAtOnce;

    /// <summary>
    /// The best score, the masses and a draw of each row that asks, one row a group. A thread has a run of neighbouring
    /// tokens, so that the one whose run the number falls into finds the token there.
    /// </summary>
    /// <param name="scores">[rows, stride of the weight's rows].</param>
    /// <param name="sizes">The sizes of each cluster.</param>
    /// <param name="requests">What each row asks, [rows].</param>
    /// <param name="results">Receives the masses, [rows].</param>
    /// <param name="arguments">Sizes.</param>
    public static void Weigh(ArrayView<Float4> scores, ArrayView<ClusterSizes> sizes, ArrayView<RowRequest> requests, ArrayView<RowMasses> results, RowArguments arguments)
    {
        var tops = SharedMemory.Allocate<float>(GroupSize);
        var masses = SharedMemory.Allocate<long>(GroupSize);
        var plains = SharedMemory.Allocate<long>(GroupSize);
        var sums = SharedMemory.Allocate<long>(RowScores.Runs);
        var sumsOfPlains = SharedMemory.Allocate<long>(RowScores.Runs);
        var drawn = SharedMemory.Allocate<int>(1);
        var fours = Sizes.Stride(sizes[arguments.Cluster].Rows) / 4;
        var share = Sizes.Tiles(fours, GroupSize);
        var first = XMath.Min(Group.IdxX * share, fours);
        var end = XMath.Min(first + share, fours);
        for (var row = Grid.IdxX; row < arguments.Rows; row += Grid.DimX)
        {
            var values = scores.SubView((long)row * fours, fours);
            var request = requests[row];
            var best = RowScores.Best(values, tops);
            var mass = 0L;
            var plain = 0L;
            for (var i = first; i < end; i++)
            {
                mass += Mass(values[i], best, request.Inverse);
                plain += Mass(values[i], best, 1f);
            }

            masses[Group.IdxX] = mass;
            plains[Group.IdxX] = plain;
            if (Group.IdxX == 0) drawn[0] = 0;
            var start = RowScores.StartOf(masses, sums, out var total);
            RowScores.StartOf(plains, sumsOfPlains, out var totalPlain);

            // Below the total, as the number is below 1.
            var target = Part(total, request) - start;
            var isMine = (target >= 0) & (target < mass);
            var place = -1;
            for (var i = first; i < Utilities.Select(isMine, end, first); i++)
            {
                var four = values[i];
                Pass(ref target, ref place, RowScores.Mass(four.X, best, request.Inverse), 4 * i);
                Pass(ref target, ref place, RowScores.Mass(four.Y, best, request.Inverse), (4 * i) + 1);
                Pass(ref target, ref place, RowScores.Mass(four.Z, best, request.Inverse), (4 * i) + 2);
                Pass(ref target, ref place, RowScores.Mass(four.W, best, request.Inverse), (4 * i) + 3);
            }

            // ILGPU does not see that the choice differs between threads, and would declare the branch the same for all of a warp.
            if (Utilities.Select(isMine, Group.IdxX, -1) >= 0) drawn[0] = XMath.Max(place, 0);
            Group.Barrier();
            if (Group.IdxX == 0)
            {
                RowMasses result = default;
                result.Tempered = total;
                result.Plain = totalPlain;
                result.Best = best;
                result.Drawn = drawn[0];
                result.DrawnScore = values.Cast<float>()[drawn[0]];
                results[row] = result;
            }

            Group.Barrier();
        }
    }

    /// <summary>
    /// The masses by score of each row that asks, in buckets of <see cref="MassHistogram"/>. Rounded down, so that what stands above a
    /// bucket's edge has at least the mass that is said.
    /// </summary>
    /// <param name="scores">[rows, stride of the weight's rows].</param>
    /// <param name="sizes">The sizes of each cluster.</param>
    /// <param name="requests">What each row asks, [rows].</param>
    /// <param name="masses">What <see cref="Weigh"/> found, for the best scores.</param>
    /// <param name="spread">Receives the masses relative to the best score, [rows, buckets].</param>
    /// <param name="arguments">Sizes.</param>
    public static void Spread(
        ArrayView<Float4> scores, ArrayView<ClusterSizes> sizes, ArrayView<RowRequest> requests, ArrayView<RowMasses> masses, ArrayView<long> spread, RowArguments arguments)
    {
        var counts = SharedMemory.Allocate<int>(BucketsAtOnce * GroupSize);
        var sums = SharedMemory.Allocate<long>(GroupSize);
        var fours = Sizes.Stride(sizes[arguments.Cluster].Rows) / 4;
        for (var item = Grid.IdxX; item < arguments.Rows * (MassHistogram.Buckets / BucketsAtOnce); item += Grid.DimX)
        {
            var row = item / (MassHistogram.Buckets / BucketsAtOnce);
            var firstBucket = item % (MassHistogram.Buckets / BucketsAtOnce) * BucketsAtOnce;
            var values = scores.SubView((long)row * fours, fours);
            var request = requests[row];
            var best = masses[row].Best;
            var rule = new BucketRule(request, best, firstBucket, 1 << arguments.MassBits);
            for (var i = 0; i < BucketsAtOnce; i++) counts[(i * GroupSize) + Group.IdxX] = 0;
            for (var i = Group.IdxX; i < fours; i += GroupSize)
            {
                var four = values[i];
                rule.Add(counts, four.X);
                rule.Add(counts, four.Y);
                rule.Add(counts, four.Z);
                rule.Add(counts, four.W);
            }

            Group.Barrier();
            var bucket = Group.IdxX / Adders;
            var part = Group.IdxX % Adders;
            var sum = 0L;
            for (var i = part; i < GroupSize; i += Adders) sum += counts[(bucket * GroupSize) + i];
            sums[Group.IdxX] = sum;
            Group.Barrier();
            if (part == 0)
            {
                var total = 0L;
                for (var i = 0; i < Adders; i++) total += sums[Group.IdxX + i];
                spread[((long)row * MassHistogram.Buckets) + firstBucket + bucket] = total;
            }

            Group.Barrier();
        }
    }

    private static long Mass(Float4 four, float best, float inverse) =>
        RowScores.Mass(four.X, best, inverse) + RowScores.Mass(four.Y, best, inverse) + RowScores.Mass(four.Z, best, inverse) + RowScores.Mass(four.W, best, inverse);

    // The number's part of a mass, rounded down: no float holds so many bits.
    private static long Part(long mass, RowRequest request)
    {
        var high = (ulong)mass >> 32;
        var low = (ulong)mass & uint.MaxValue;
        return (long)((high * request.Uniform) + ((low * request.Uniform) >> 32) + ((high * request.UniformRest) >> 32));
    }

    private static void Pass(ref long target, ref int place, long mass, int column)
    {
        place = Utilities.Select((place < 0) & (target < mass), column, place);
        target -= mass;
    }

    /// <summary>The bucket of a score, and its mass there.</summary>
    private readonly struct BucketRule(RowRequest request, float best, int firstBucket, int unit)
    {
        // Temperatures at which one bucket has all that matters: no product leaves float32.
        private const float SteepestScale = 1e30f;

        public void Add(ArrayView<int> counts, float score)
        {
            var top = Utilities.Select(request.Top > RowScores.Forbidden, request.Top, best);
            var scale = XMath.Min(request.Inverse * MassHistogram.BucketsPerNat, SteepestScale);
            var bucket = (int)XMath.Min(XMath.Max((top - score) * scale, 0f), MassHistogram.Buckets) - firstBucket;
            if (bucket >= 0 && bucket < BucketsAtOnce)
                counts[(bucket * GroupSize) + Group.IdxX] += (int)(RowScores.Weight(score, best, request.Inverse) * unit);
        }
    }
}
