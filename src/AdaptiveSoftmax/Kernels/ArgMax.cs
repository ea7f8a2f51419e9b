using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>Where the largest value stands; of equal ones the first.</summary>
internal static unsafe class ArgMax
{
    /// <summary>The index of the first largest of <paramref name="count"/> values, of which there is at least one.</summary>
    public static int IndexOfFirst(float* values, int count)
    {
        var top = values[0];
        var i = 0;
        if (count >= Vector256<float>.Count)
        {
            var tops = Vector256.Load(values);
            for (i = Vector256<float>.Count; i + Vector256<float>.Count <= count; i += Vector256<float>.Count)
                tops = Vector256.Max(tops, Vector256.Load(values + i));
            for (var lane = 0; lane < Vector256<float>.Count; lane++) top = MathF.Max(top, tops[lane]);
        }

        for (; i < count; i++) top = MathF.Max(top, values[i]);
        // NaN is found nowhere; it makes the first value the answer.
        return Math.Max(0, new ReadOnlySpan<float>(values, count).IndexOf(top));
    }

    /// <summary>The largest value of each lane of [rows, lanes] and the first row where it stands.</summary>
    public static void OfRows(float* values, int lanes, int rows, float* top, int* topRow)
    {
        for (var lane = 0; lane < lanes; lane++) (top[lane], topRow[lane]) = (values[lane], 0);
        for (var row = 1; row < rows; row++)
        {
            values += lanes;
            for (var lane = 0; lane < lanes; lane++)
            {
                if (values[lane] > top[lane]) (top[lane], topRow[lane]) = (values[lane], row);
            }
        }
    }
}
