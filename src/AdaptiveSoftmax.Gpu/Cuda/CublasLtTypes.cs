using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Gpu.Cuda;

/// <summary>How a product is computed: <c>cublasLtMatmulAlgo_t</c>, whose values mean something to the library alone.</summary>
[InlineArray(8)]
internal struct CublasLtAlgorithm
{
    private ulong _first;
}

/// <summary>What the library proposes for a product: <c>cublasLtMatmulHeuristicResult_t</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CublasLtProposal
{
    /// <summary>The algorithm.</summary>
    public CublasLtAlgorithm Algorithm;

    /// <summary>The bytes of the workspace that it uses.</summary>
    public nuint WorkspaceBytes;

    /// <summary>Whether it can be used: the rest holds only where this is 0.</summary>
    public int Status;

    /// <summary>How often it fills the device.</summary>
    public float Waves;

    private long _reserved;
    private long _alsoReserved;
}

/// <summary>A float32 matrix as the library sees it, column by column.</summary>
/// <param name="Rows">The rows.</param>
/// <param name="Columns">The columns.</param>
/// <param name="Stride">The values from one column to the next.</param>
internal readonly record struct CublasLtMatrix(int Rows, int Columns, int Stride);
