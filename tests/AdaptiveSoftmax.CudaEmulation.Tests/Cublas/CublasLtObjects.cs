using AdaptiveSoftmax.CudaEmulation.Tests.Driver;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Cublas;

/// <summary>A handle of the library, of one context.</summary>
/// <param name="Context">The context that was the current one.</param>
internal sealed record LtHandle(CudaContext Context);

/// <summary>What is computed.</summary>
internal sealed record LtOperation
{
    /// <summary>Whether the first matrix is transposed.</summary>
    public bool TransposeA { get; set; }

    /// <summary>Whether the second one is.</summary>
    public bool TransposeB { get; set; }

    /// <summary>Whether a vector is added to each column.</summary>
    public bool HasBias { get; set; }

    /// <summary>That vector.</summary>
    public ulong Bias { get; set; }
}

/// <summary>A float32 matrix, column by column.</summary>
/// <param name="Rows">The rows.</param>
/// <param name="Columns">The columns.</param>
/// <param name="Stride">The values from one column to the next.</param>
internal sealed record LtLayout(int Rows, int Columns, int Stride)
{
    /// <summary>The bytes from the first value to the end of the last.</summary>
    public long Bytes => sizeof(float) * (((Columns - 1L) * Stride) + Rows);
}

/// <summary>What an algorithm may use and rely on.</summary>
internal sealed class LtPreference
{
    /// <summary>The bytes of workspace.</summary>
    public ulong WorkspaceBytes { get; set; }

    /// <summary>What A, B, C and D are aligned to, in bytes.</summary>
    public uint[] Alignments { get; } = [256, 256, 256, 256];
}

/// <summary>An algorithm, and all that it was proposed for.</summary>
/// <param name="Context">The context.</param>
/// <param name="Operation">The operation, whatever its bias.</param>
/// <param name="A">The first matrix.</param>
/// <param name="B">The second one.</param>
/// <param name="Result">The result.</param>
/// <param name="Alignments">What was promised of the addresses.</param>
/// <param name="WorkspaceBytes">The bytes that it writes to.</param>
internal sealed record LtProposal(CudaContext Context, LtOperation Operation, LtLayout A, LtLayout B, LtLayout Result, uint[] Alignments, long WorkspaceBytes);

/// <summary>The results of the library's functions that are given, with the numbers of <c>cublas_api.h</c>.</summary>
internal enum LtStatus
{
    Success = 0,
    AllocFailed = 3,
    InvalidValue = 7,
    ExecutionFailed = 13,
    InternalError = 14,
    NotSupported = 15,
}

/// <summary>What makes a function fail, and in more words than the library has.</summary>
internal sealed class LtFailure(LtStatus status, string message) : Exception(message)
{
    /// <summary>The result.</summary>
    public LtStatus Status { get; } = status;
}
