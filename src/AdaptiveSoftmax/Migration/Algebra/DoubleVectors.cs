using System.Numerics;

namespace AdaptiveSoftmax;

/// <summary>Sums over vectors in double precision.</summary>
internal static class DoubleVectors
{
    /// <summary>Σ left · right.</summary>
    public static double Dot(ReadOnlySpan<double> left, ReadOnlySpan<double> right)
    {
        var width = Vector<double>.Count;
        Vector<double> first = default, second = default;
        var i = 0;
        for (; i + (2 * width) <= left.Length; i += 2 * width)
        {
            first += new Vector<double>(left[i..]) * new Vector<double>(right[i..]);
            second += new Vector<double>(left[(i + width)..]) * new Vector<double>(right[(i + width)..]);
        }

        var sum = Vector.Sum(first + second);
        for (; i < left.Length; i++) sum += left[i] * right[i];
        return sum;
    }

    /// <summary>Σ left · right, of single precision values.</summary>
    public static double Dot(ReadOnlySpan<double> left, ReadOnlySpan<float> right)
    {
        var width = Vector<double>.Count;
        Vector<double> first = default, second = default;
        var i = 0;
        for (; i + (2 * width) <= left.Length; i += 2 * width)
        {
            Vector.Widen(new Vector<float>(right[i..]), out var low, out var high);
            first += new Vector<double>(left[i..]) * low;
            second += new Vector<double>(left[(i + width)..]) * high;
        }

        var sum = Vector.Sum(first + second);
        for (; i < left.Length; i++) sum += left[i] * right[i];
        return sum;
    }

    /// <summary>target += factor · values.</summary>
    public static void Add(Span<double> target, double factor, ReadOnlySpan<double> values)
    {
        var width = Vector<double>.Count;
        var wide = new Vector<double>(factor);
        var i = 0;
        for (; i + width <= target.Length; i += width) (new Vector<double>(target[i..]) + (wide * new Vector<double>(values[i..]))).CopyTo(target[i..]);
        for (; i < target.Length; i++) target[i] += factor * values[i];
    }

    /// <summary>target += factor · values, of single precision.</summary>
    public static void Add(Span<double> target, double factor, ReadOnlySpan<float> values)
    {
        var width = Vector<double>.Count;
        var wide = new Vector<double>(factor);
        var i = 0;
        for (; i + (2 * width) <= target.Length; i += 2 * width)
        {
            Vector.Widen(new Vector<float>(values[i..]), out var low, out var high);
            (new Vector<double>(target[i..]) + (wide * low)).CopyTo(target[i..]);
            (new Vector<double>(target[(i + width)..]) + (wide * high)).CopyTo(target[(i + width)..]);
        }

        for (; i < target.Length; i++) target[i] += factor * values[i];
    }

    /// <summary>log(exp a + exp b).</summary>
    public static double AddLogs(double a, double b)
    {
        var (more, less) = a > b ? (a, b) : (b, a);
        return more + Math.Log(1 + Math.Exp(less - more));
    }
}
