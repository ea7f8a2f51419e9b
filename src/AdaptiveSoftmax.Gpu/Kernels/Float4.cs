using System.ComponentModel;
using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>Four values that move as one: 16 bytes, the widest load of a thread.</summary>
[StructLayout(LayoutKind.Sequential)]
[EditorBrowsable(EditorBrowsableState.Never)]
internal struct Float4
{
    public float X;
    public float Y;
    public float Z;
    public float W;
}
