using System.ComponentModel;
using System.Runtime.InteropServices;
using ILGPU;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>Four values that move as one: 16 bytes, the widest load of a thread.</summary>
[StructLayout(LayoutKind.Sequential)]
[EditorBrowsable(EditorBrowsableState.Never)]
internal struct Float4 : IWeightBlock<Float4>
{
    public float X;
    public float Y;
    public float Z;
    public float W;

    public readonly int Values => 4;

    public readonly VectorPart Beside(ArrayView<Float4> vector, int index) => new() { Low = vector[index] };

    public readonly float Dot(VectorPart part) => (X * part.Low.X) + (Y * part.Low.Y) + (Z * part.Low.Z) + (W * part.Low.W);

    public readonly Float4 Four(ArrayView<Float4> weights, long index) => weights[index];

    public readonly float Value(ArrayView<Float4> weights, long index) => weights.Cast<float>()[index];
}
