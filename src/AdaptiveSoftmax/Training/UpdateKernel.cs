using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>
/// The pass over memory that every optimizer shares: read value, gradient and state, apply the rule, write value and
/// state, and write zeros to the gradient.
/// </summary>
internal static unsafe class UpdateKernel
{
    /// <summary>Updates <paramref name="count"/> values. State pointers that the rule does not use may be null.</summary>
    /// <returns>Whether all that was written is finite.</returns>
    public static bool Run<TRule>(TRule rule, float* values, float* gradient, float* first, float* second, long count)
        where TRule : struct, IUpdateRule
    {
        var width = Vector<float>.Count;
        var i = 0L;

        // 0 · x is 0, or NaN where x is not finite, and a sum keeps it.
        var trace = Vector<float>.Zero;
        for (; i <= count - width; i += width)
        {
            var value = Vector.Load(values + i);
            var firstState = TRule.StateCount > 0 ? Vector.Load(first + i) : default;
            var secondState = TRule.StateCount > 1 ? Vector.Load(second + i) : default;
            rule.Update(ref value, Vector.Load(gradient + i), ref firstState, ref secondState);
            value.Store(values + i);
            trace = Vector.MultiplyAddEstimate(value, Vector<float>.Zero, trace);
            if (TRule.StateCount > 0)
            {
                firstState.Store(first + i);
                trace = Vector.MultiplyAddEstimate(firstState, Vector<float>.Zero, trace);
            }

            if (TRule.StateCount > 1)
            {
                secondState.Store(second + i);
                trace = Vector.MultiplyAddEstimate(secondState, Vector<float>.Zero, trace);
            }

            Vector<float>.Zero.Store(gradient + i);
        }

        var isFinite = Vector.EqualsAll(trace, Vector<float>.Zero);
        return i == count ? isFinite : RunRest(rule, values + i, gradient + i, first + i, second + i, (int)(count - i)) && isFinite;
    }

    // The last values go through the same vector arithmetic as all others, padded to a whole vector.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool RunRest<TRule>(TRule rule, float* values, float* gradient, float* first, float* second, int count)
        where TRule : struct, IUpdateRule
    {
        var width = Vector<float>.Count;
        var buffer = stackalloc float[4 * width];
        Copy(values, buffer, count);
        Copy(gradient, buffer + width, count);
        if (TRule.StateCount > 0) Copy(first, buffer + (2 * width), count);
        if (TRule.StateCount > 1) Copy(second, buffer + (3 * width), count);
        Run(rule, buffer, buffer + width, buffer + (2 * width), buffer + (3 * width), width);
        Copy(buffer, values, count);
        Copy(buffer + width, gradient, count);
        if (TRule.StateCount > 0) Copy(buffer + (2 * width), first, count);
        if (TRule.StateCount > 1) Copy(buffer + (3 * width), second, count);
        return AreFinite(buffer, count)
            && (TRule.StateCount < 1 || AreFinite(buffer + (2 * width), count))
            && (TRule.StateCount < 2 || AreFinite(buffer + (3 * width), count));
    }

    private static void Copy(float* source, float* destination, int count)
    {
        for (var i = 0; i < count; i++) destination[i] = source[i];
    }

    // Without the padding, on which a formula may do what it likes.
    private static bool AreFinite(float* values, int count) => FiniteValues.IndexOfOther(new ReadOnlySpan<float>(values, count)) < 0;
}
