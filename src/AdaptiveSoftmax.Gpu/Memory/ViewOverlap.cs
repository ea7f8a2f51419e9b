using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>Refuses results in memory that a call still reads from.</summary>
internal static class ViewOverlap
{
    /// <summary>Checks that two views have no byte in common.</summary>
    /// <param name="first">What is read.</param>
    /// <param name="second">What is written.</param>
    /// <param name="firstName">What the first holds, with its article.</param>
    /// <param name="secondName">What the second holds, with its article.</param>
    /// <param name="parameter">The argument of the second.</param>
    /// <exception cref="ArgumentException">They overlap.</exception>
    public static void Refuse<TFirst, TSecond>(ArrayView<TFirst> first, ArrayView<TSecond> second, string firstName, string secondName, string parameter)
        where TFirst : unmanaged
        where TSecond : unmanaged
    {
        // Not by addresses: OpenCL has none on the host.
        if (first.Length == 0 || second.Length == 0 || BufferOf(first) != BufferOf(second)) return;
        var (start, end) = Bytes(first);
        var (otherStart, otherEnd) = Bytes(second);
        if (start < otherEnd && otherStart < end)
            throw new ArgumentException($"{char.ToUpperInvariant(firstName[0])}{firstName[1..]} and {secondName} share memory, so one would overwrite values of the other that are still needed; give each memory of its own.", parameter);
    }

    private static (long Start, long End) Bytes<TView>(TView view)
        where TView : IContiguousArrayView => (view.IndexInBytes, view.IndexInBytes + view.LengthInBytes);

    private static MemoryBuffer BufferOf<TView>(TView view)
        where TView : IContiguousArrayView => view.Buffer;
}
