using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// A view of each cluster that a launch works on, as one argument of its kernel. Weights lie in buffers of their own, since
/// many devices give at most a quarter of their memory at once.
/// </summary>
internal struct ViewGroup<T>
    where T : unmanaged
{
    /// <summary>The most clusters of a launch.</summary>
    public const int Capacity = 4;

    public ArrayView<T> First;
    public ArrayView<T> Second;
    public ArrayView<T> Third;
    public ArrayView<T> Fourth;

    /// <summary>The view of a cluster alone.</summary>
    public static ViewGroup<T> Of(ArrayView<T> view) => new() { First = view, Second = view, Third = view, Fourth = view };

    /// <summary>The view of a cluster.</summary>
    /// <param name="index">The cluster's place in the group, from 0.</param>
    public readonly ArrayView<T> At(int index)
    {
        var view = First;
        if (index == 1) view = Second;
        if (index == 2) view = Third;
        if (index == 3) view = Fourth;
        return view;
    }
}

/// <summary>Views whose alignment ILGPU does not see.</summary>
internal static class AlignedViews
{
    /// <summary>
    /// The view of a cluster. ILGPU knows the alignment of a kernel's own views alone, and not of one that is picked from
    /// several: it would read value by value.
    /// </summary>
    public static ArrayView<T> BlocksAt<T>(this ViewGroup<T> group, int index)
        where T : unmanaged => group.At(index).AsAligned16();
}
