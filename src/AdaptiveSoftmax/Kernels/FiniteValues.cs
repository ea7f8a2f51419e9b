using System.Numerics;

namespace AdaptiveSoftmax;

/// <summary>Looks for NaN and infinities.</summary>
internal static class FiniteValues
{
    /// <summary>The first value that is NaN or an infinity; −1 where all are finite.</summary>
    public static int IndexOfOther(ReadOnlySpan<float> values)
    {
        var largest = new Vector<float>(float.MaxValue);
        var i = 0;
        while (i + Vector<float>.Count <= values.Length && Vector.LessThanOrEqualAll(Vector.Abs(new Vector<float>(values[i..])), largest)) i += Vector<float>.Count;
        for (; i < values.Length; i++)
        {
            if (!float.IsFinite(values[i])) return i;
        }

        return -1;
    }
}
