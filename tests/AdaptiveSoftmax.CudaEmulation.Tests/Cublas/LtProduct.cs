using System.Runtime.InteropServices;
using AdaptiveSoftmax.CudaEmulation.Tests.Driver;
using AdaptiveSoftmax.Gpu.Tests.Emulation;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Cublas;

/// <summary>One product: result = alpha · op(A) · op(B) (+ bias) + beta · result.</summary>
internal sealed record LtProduct(
    LtOperation Operation, ulong A, LtLayout LayoutOfA, ulong B, LtLayout LayoutOfB, ulong Result, LtLayout LayoutOfResult, float Alpha, float Beta)
{
    // What tensor cores need of a float32 matrix.
    private const int TensorCoreBytes = 16;

    /// <summary>Whether memory is a context's, wholly in one buffer.</summary>
    public static void CheckMemory(CudaContext context, ulong address, long bytes, string what)
    {
        if (!context.Has(address)) throw new LtFailure(LtStatus.InvalidValue, $"{what} is no memory of the handle's context.");
        try
        {
            CudaExports.Device.Memory.Span(address, bytes);
        }
        catch (PtxException exception)
        {
            throw new LtFailure(LtStatus.InvalidValue, $"{what}: {exception.Message}");
        }
    }

    /// <summary>Checks addresses and strides.</summary>
    /// <param name="context">The handle's context.</param>
    /// <param name="alignments">What the algorithm relies on, of A, B, C and D.</param>
    public void Check(CudaContext context, uint[] alignments)
    {
        CheckMatrix(context, A, LayoutOfA, alignments[0], "A");
        CheckMatrix(context, B, LayoutOfB, alignments[1], "B");
        CheckMatrix(context, Result, LayoutOfResult, Math.Max(alignments[2], alignments[3]), "D");
        if (Operation.HasBias) CheckMemory(context, Operation.Bias, sizeof(float) * (long)LayoutOfResult.Rows, "The bias");
        if (Operation.Bias % TensorCoreBytes != 0) throw new LtFailure(LtStatus.InvalidValue, "The bias is not aligned.");
        if (Overlaps(A, LayoutOfA) || Overlaps(B, LayoutOfB)) throw new LtFailure(LtStatus.InvalidValue, "A factor lies where the result is written.");
    }

    /// <summary>Computes it.</summary>
    public void Compute(bool roundsFactors)
    {
        var a = Values(A, LayoutOfA);
        var b = Values(B, LayoutOfB);
        var result = Values(Result, LayoutOfResult);
        var bias = Operation.HasBias ? MemoryMarshal.Cast<byte, float>(CudaExports.Device.Memory.Span(Operation.Bias, sizeof(float) * (long)LayoutOfResult.Rows)) : default;
        var depth = Operation.TransposeA ? LayoutOfA.Rows : LayoutOfA.Columns;
        var (rowOfA, depthOfA) = Operation.TransposeA ? (LayoutOfA.Stride, 1) : (1, LayoutOfA.Stride);
        var (columnOfB, depthOfB) = Operation.TransposeB ? (1, LayoutOfB.Stride) : (LayoutOfB.Stride, 1);
        for (var column = 0; column < LayoutOfResult.Columns; column++)
        {
            for (var row = 0; row < LayoutOfResult.Rows; row++)
            {
                var sum = 0.0;
                for (var i = 0; i < depth; i++)
                {
                    var (left, right) = (a[(row * rowOfA) + (i * depthOfA)], b[(column * columnOfB) + (i * depthOfB)]);
                    sum += roundsFactors ? (double)CublasLtExports.Round(left) * CublasLtExports.Round(right) : (double)left * right;
                }

                ref var value = ref result[(column * LayoutOfResult.Stride) + row];

                // What is multiplied by 0 is not read.
                sum = (Alpha * sum) + (Beta == 0 ? 0 : Beta * value);
                value = (float)(Operation.HasBias ? sum + bias[row] : sum);
            }
        }
    }

    private static void CheckMatrix(CudaContext context, ulong address, LtLayout layout, uint alignment, string name)
    {
        if (address % alignment != 0) throw new LtFailure(LtStatus.InvalidValue, $"{name} is not aligned to {alignment} bytes, as was promised.");
        if (address % TensorCoreBytes != 0 || layout.Stride * sizeof(float) % TensorCoreBytes != 0) throw new LtFailure(LtStatus.InvalidValue, $"Tensor cores do not take {name} at {address:x} with a stride of {layout.Stride}.");
        CheckMemory(context, address, layout.Bytes, name);
    }

    private static Span<float> Values(ulong address, LtLayout layout) => MemoryMarshal.Cast<byte, float>(CudaExports.Device.Memory.Span(address, layout.Bytes));

    private bool Overlaps(ulong address, LtLayout layout) => address < Result + (ulong)LayoutOfResult.Bytes && Result < address + (ulong)layout.Bytes;
}
