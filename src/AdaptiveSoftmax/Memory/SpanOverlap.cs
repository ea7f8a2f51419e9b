using System.Runtime.InteropServices;

namespace AdaptiveSoftmax;

/// <summary>Refuses results in memory that a call still reads from.</summary>
internal static unsafe class SpanOverlap
{
    /// <summary>Checks that two spans have no byte in common.</summary>
    /// <param name="first">What is read.</param>
    /// <param name="second">What is written.</param>
    /// <param name="firstName">What the first holds, with its article.</param>
    /// <param name="secondName">What the second holds, with its article.</param>
    /// <param name="parameter">The argument of the second.</param>
    /// <exception cref="ArgumentException">They overlap.</exception>
    public static void Refuse<TFirst, TSecond>(ReadOnlySpan<TFirst> first, ReadOnlySpan<TSecond> second, string firstName, string secondName, string parameter)
        where TFirst : struct
        where TSecond : struct
    {
        if (MemoryMarshal.AsBytes(first).Overlaps(MemoryMarshal.AsBytes(second))) throw Fault(firstName, secondName, parameter);
    }

    /// <summary>The same for a parameter's memory, which may be longer than a span; null for none.</summary>
    public static void Refuse(float* first, long count, ReadOnlySpan<float> second, string firstName, string secondName, string parameter)
    {
        fixed (float* start = second)
        {
            if (first is not null && start < first + count && start + second.Length > first) throw Fault(firstName, secondName, parameter);
        }
    }

    private static ArgumentException Fault(string firstName, string secondName, string parameter) =>
        new($"{char.ToUpperInvariant(firstName[0])}{firstName[1..]} and {secondName} share memory, so one would overwrite values of the other that are still needed; give each memory of its own.", parameter);
}
