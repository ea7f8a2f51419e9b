using System.Numerics;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax.Gpu.Tests.Emulation;

// The functions that instructions apply to each lane, by the names of PTX.
internal readonly struct Move<T> : IUnary<T>
{
    public static Vector512<T> Apply(Vector512<T> a) => a;
}

internal readonly struct Negate<T> : IUnary<T>
{
    public static Vector512<T> Apply(Vector512<T> a) => -a;
}

internal readonly struct Not<T> : IUnary<T>
{
    public static Vector512<T> Apply(Vector512<T> a) => ~a;
}

internal readonly struct Absolute<T> : IUnary<T>
{
    public static Vector512<T> Apply(Vector512<T> a) => Vector512.Abs(a);
}

internal readonly struct SquareRoot : IUnary<float>
{
    public static Vector512<float> Apply(Vector512<float> a) => Vector512.Sqrt(a);
}

internal readonly struct Reciprocal : IUnary<float>
{
    public static Vector512<float> Apply(Vector512<float> a) => Vector512<float>.One / a;
}

internal readonly struct Add<T> : IBinary<T>
{
    public static Vector512<T> Apply(Vector512<T> a, Vector512<T> b) => a + b;
}

internal readonly struct Subtract<T> : IBinary<T>
{
    public static Vector512<T> Apply(Vector512<T> a, Vector512<T> b) => a - b;
}

internal readonly struct Multiply<T> : IBinary<T>
{
    public static Vector512<T> Apply(Vector512<T> a, Vector512<T> b) => a * b;
}

internal readonly struct DivideFloats : IBinary<float>
{
    public static Vector512<float> Apply(Vector512<float> a, Vector512<float> b) => a / b;
}

internal readonly struct And<T> : IBinary<T>
{
    public static Vector512<T> Apply(Vector512<T> a, Vector512<T> b) => a & b;
}

internal readonly struct Or<T> : IBinary<T>
{
    public static Vector512<T> Apply(Vector512<T> a, Vector512<T> b) => a | b;
}

internal readonly struct ExclusiveOr<T> : IBinary<T>
{
    public static Vector512<T> Apply(Vector512<T> a, Vector512<T> b) => a ^ b;
}

internal readonly struct Minimum<T> : IBinary<T>
{
    public static Vector512<T> Apply(Vector512<T> a, Vector512<T> b) => Vector512.Min(a, b);
}

internal readonly struct Maximum<T> : IBinary<T>
{
    public static Vector512<T> Apply(Vector512<T> a, Vector512<T> b) => Vector512.Max(a, b);
}

internal readonly struct ShiftLeft<T> : IShift<T>
{
    public static Vector512<T> Apply(Vector512<T> a, int distance) => a << distance;
}

/// <summary>With the sign of signed numbers.</summary>
internal readonly struct ShiftRight<T> : IShift<T>
{
    public static Vector512<T> Apply(Vector512<T> a, int distance) => a >> distance;
}

/// <summary>The smaller one that is a number.</summary>
internal readonly struct MinimumNumber : IBinary<float>
{
    public static Vector512<float> Apply(Vector512<float> a, Vector512<float> b) => Vector512.MinNumber(a, b);
}

/// <summary>The larger one that is a number.</summary>
internal readonly struct MaximumNumber : IBinary<float>
{
    public static Vector512<float> Apply(Vector512<float> a, Vector512<float> b) => Vector512.MaxNumber(a, b);
}

internal readonly struct MultiplyAdd<T> : ITernary<T>
{
    public static Vector512<T> Apply(Vector512<T> a, Vector512<T> b, Vector512<T> c) => (a * b) + c;
}

/// <summary>Rounded once.</summary>
internal readonly struct FusedMultiplyAdd : ITernary<float>
{
    public static Vector512<float> Apply(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Vector512.FusedMultiplyAdd(a, b, c);
}

internal readonly struct EqualTo<T> : IComparison<T>
{
    public static Vector512<T> Apply(Vector512<T> a, Vector512<T> b) => Vector512.Equals(a, b);
}

internal readonly struct LessThan<T> : IComparison<T>
{
    public static Vector512<T> Apply(Vector512<T> a, Vector512<T> b) => Vector512.LessThan(a, b);
}

internal readonly struct LessThanOrEqual<T> : IComparison<T>
{
    public static Vector512<T> Apply(Vector512<T> a, Vector512<T> b) => Vector512.LessThanOrEqual(a, b);
}

/// <summary>Not equal, and both are numbers.</summary>
internal readonly struct OrderedNotEqual<T> : IComparison<T>
    where T : IFloatingPointIeee754<T>
{
    public static Vector512<T> Apply(Vector512<T> a, Vector512<T> b) =>
        Vector512.Equals(a, a) & Vector512.Equals(b, b) & ~Vector512.Equals(a, b);
}

/// <summary>At least one is not a number.</summary>
internal readonly struct Unordered<T> : IComparison<T>
    where T : IFloatingPointIeee754<T>
{
    public static Vector512<T> Apply(Vector512<T> a, Vector512<T> b) => ~(Vector512.Equals(a, a) & Vector512.Equals(b, b));
}
