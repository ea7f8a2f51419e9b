using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Util;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>The best tokens of rows of scores, or all above a score.</summary>
internal static class RowSelectKernels
{
    private const int GroupSize = TileProduct.GroupSize;
    private const int Digits = 16;
    private const int DigitBits = 4;
    private const int Passes = 32 / DigitBits;

    // A digit's threads, which add up its counts.
    private const int Adders = GroupSize / Digits;

    /// <summary>
    /// The best tokens of each row, one row a group: the lowest score among them is found digit by digit of its bits, from the
    /// highest on, by counting. Of equal scores the lower slots are better.
    /// </summary>
    /// <param name="scores">[rows, stride of the weight's rows].</param>
    /// <param name="sizes">The sizes of each cluster.</param>
    /// <param name="requests">What each row asks, [rows].</param>
    /// <param name="tokens">Receives the tokens, in any order, as many as there is room for.</param>
    /// <param name="found">Receives their number, also of those for which there is no room, [rows].</param>
    /// <param name="arguments">Sizes.</param>
    public static void Select(
        ArrayView<Float4> scores, ArrayView<ClusterSizes> sizes, ArrayView<RowRequest> requests, ArrayView<RowToken> tokens, ArrayView<int> found, RowArguments arguments)
    {
        var counts = SharedMemory.Allocate<int>(Digits * GroupSize);
        var parts = SharedMemory.Allocate<int>(GroupSize);
        var sums = SharedMemory.Allocate<int>(Digits);

        // Places of their own for each pass: what is read must not be written again.
        var bounds = SharedMemory.Allocate<uint>(Passes);
        var left = SharedMemory.Allocate<int>(Passes);
        var both = SharedMemory.Allocate<long>(GroupSize);
        var bothSums = SharedMemory.Allocate<long>(RowScores.Runs);
        var size = sizes[arguments.Cluster];
        var fours = Sizes.Stride(size.Rows) / 4;
        var share = Sizes.Tiles(fours, GroupSize);
        var first = XMath.Min(Group.IdxX * share, fours);
        var end = XMath.Min(first + share, fours);
        for (var row = Grid.IdxX; row < arguments.Rows; row += Grid.DimX)
        {
            var values = scores.SubView((long)row * fours, fours);
            var request = requests[row];
            var least = Key(request.Least);
            var bound = 0u;
            var wanted = request.Wanted;
            // All that reach the lowest score need no search, nor does a row that asks for none.
            var last = Utilities.Select((wanted == 0) | (wanted == int.MaxValue), Passes, 0);
            for (var pass = Passes - 1; pass >= last; pass--)
            {
                for (var digit = 0; digit < Digits; digit++) counts[(digit * GroupSize) + Group.IdxX] = 0;
                var rule = new DigitRule(counts, least, bound, pass * DigitBits);
                for (var i = Group.IdxX; i < fours; i += GroupSize)
                {
                    var four = values[i];
                    rule.Count(four.X);
                    rule.Count(four.Y);
                    rule.Count(four.Z);
                    rule.Count(four.W);
                }

                Group.Barrier();
                var sum = 0;
                for (var i = 0; i < GroupSize / Adders; i++) sum += counts[(Group.IdxX / Adders * GroupSize) + (i * Adders) + (Group.IdxX % Adders)];
                parts[Group.IdxX] = sum;
                Group.Barrier();
                if (Group.IdxX < Digits)
                {
                    var total = 0;
                    for (var i = 0; i < Adders; i++) total += parts[(Group.IdxX * Adders) + i];
                    sums[Group.IdxX] = total;
                }

                Group.Barrier();
                if (Group.IdxX == 0)
                {
                    // The digit behind which the wanted ones are counted; with fewer in all, the lowest.
                    var above = 0;
                    var chosen = -1;
                    var rest = wanted;
                    for (var digit = Digits - 1; digit >= 0; digit--)
                    {
                        var isHere = (chosen < 0) & (above + sums[digit] >= wanted);
                        chosen = Utilities.Select(isHere, digit, chosen);
                        rest = Utilities.Select(isHere, wanted - above, rest);
                        above += sums[digit];
                    }

                    bounds[pass] = bound | ((uint)XMath.Max(chosen, 0) << (pass * DigitBits));
                    // Fewer than wanted, in all: every one of them is taken.
                    left[pass] = Utilities.Select(chosen < 0, int.MaxValue, rest);
                }

                Group.Barrier();
                bound = bounds[pass];
                wanted = left[pass];
            }

            bound = XMath.Max(bound, least);
            if (wanted == int.MaxValue) bound = least;
            var isAsked = request.Wanted > 0;
            var more = 0;
            var equal = 0;
            for (var i = first; i < Utilities.Select(isAsked, end, first); i++)
            {
                var four = values[i];
                Compare(four.X, bound, ref more, ref equal);
                Compare(four.Y, bound, ref more, ref equal);
                Compare(four.Z, bound, ref more, ref equal);
                Compare(four.W, bound, ref more, ref equal);
            }

            // Both in one number.
            both[Group.IdxX] = ((long)more << 32) + equal;
            var starts = RowScores.StartOf(both, bothSums, out var totals);
            var aboveStart = (int)(starts >> 32);
            var aboveTotal = (int)(totals >> 32);
            var equalStart = (int)starts;
            var equalTotal = (int)totals;
            var taken = new TakeRule(tokens, request, bound, wanted, aboveTotal, size.Start);
            for (var i = first; i < Utilities.Select(isAsked, end, first); i++)
            {
                var four = values[i];
                taken.Take(four.X, 4 * i, ref aboveStart, ref equalStart);
                taken.Take(four.Y, (4 * i) + 1, ref aboveStart, ref equalStart);
                taken.Take(four.Z, (4 * i) + 2, ref aboveStart, ref equalStart);
                taken.Take(four.W, (4 * i) + 3, ref aboveStart, ref equalStart);
            }

            if (Group.IdxX == 0) found[row] = aboveTotal + XMath.Min(equalTotal, wanted);
            Group.Barrier();
        }
    }

    // Floats in the order of unsigned integers, as ScoreKey has them.
    private static uint Key(float score)
    {
        var bits = Interop.FloatAsInt(score);
        return Utilities.Select((bits & 0x80000000u) != 0u, ~bits, bits | 0x80000000u);
    }

    private static void Compare(float score, uint bound, ref int above, ref int equal)
    {
        var key = Key(score);
        above += Utilities.Select(key > bound, 1, 0);
        equal += Utilities.Select(key == bound, 1, 0);
    }

    /// <summary>Counts the scores that agree with a bound in all higher digits, by the next one.</summary>
    private readonly struct DigitRule(ArrayView<int> counts, uint least, uint bound, int shift)
    {
        public void Count(float score)
        {
            var key = Key(score);

            // A shift by all bits is none.
            var agrees = ((ulong)(key ^ bound) >> (shift + DigitBits)) == 0ul;
            var digit = (int)(key >> shift) & (Digits - 1);
            if (agrees & (key >= least)) counts[(digit * GroupSize) + Group.IdxX] += 1;
        }
    }

    /// <summary>Writes a token that is among the best.</summary>
    private readonly struct TakeRule(ArrayView<RowToken> tokens, RowRequest request, uint bound, int equals, int above, int start)
    {
        public void Take(float score, int column, ref int aboveAt, ref int equalAt)
        {
            var key = Key(score);
            var at = Utilities.Select(key > bound, aboveAt, Utilities.Select((key == bound) & (equalAt < equals), above + equalAt, int.MaxValue));
            aboveAt += Utilities.Select(key > bound, 1, 0);
            equalAt += Utilities.Select(key == bound, 1, 0);
            // ILGPU sees by the column that this differs between threads.
            if ((at < request.Capacity) & (column >= 0))
            {
                RowToken token = default;
                token.Slot = start + column;
                token.Score = score;
                tokens[request.First + at] = token;
            }
        }
    }
}
