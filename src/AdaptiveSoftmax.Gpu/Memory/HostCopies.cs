using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>Copies to the host, of nothing too.</summary>
internal static class HostCopies
{
    /// <summary>Waits for the device and copies all of a view.</summary>
    public static void CopyToHost<T>(this ArrayView<T> view, AcceleratorStream stream, Span<T> destination)
        where T : unmanaged
    {
        if (view.Length > 0) view.CopyToCPU(stream, destination);
    }
}
