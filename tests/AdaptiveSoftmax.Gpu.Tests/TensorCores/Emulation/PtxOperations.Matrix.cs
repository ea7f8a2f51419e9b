using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Gpu.Tests.TensorCores.Emulation;

// What a warp does as a whole.
internal static partial class PtxOperations
{
    private static PtxOperation? Matrix(string opcode, PtxOperand[] operands) => opcode switch
    {
        "shfl.sync.bfly.b32" => Exchange(operands),
        "vote.sync.any.pred" => Any(operands),
        "ldmatrix.sync.aligned.m8n8.x4.shared.b16" => LoadMatrices(operands, isTransposed: false),
        "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16" => LoadMatrices(operands, isTransposed: true),
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32" => MultiplyAdd(operands),
        _ => null,
    };

    private static PtxOperation Exchange(PtxOperand[] operands)
    {
        var result = Result(operands[0]);
        if (operands[3].Bits != 31 || operands[4].Bits != uint.MaxValue) throw new PtxException("Only exchanges within a whole warp are known.");
        return (warp, lanes) =>
        {
            Warp.RequireAll(lanes, "exchange values");
            var values = new ulong[Warp.Size];
            for (var lane = 0; lane < Warp.Size; lane++) values[lane] = Value(warp, lane, operands[1]);
            for (var lane = 0; lane < Warp.Size; lane++) warp.Register(result)[lane] = values[lane ^ (int)operands[2].Bits];
        };
    }

    private static PtxOperation Any(PtxOperand[] operands)
    {
        var result = Result(operands[0]);
        if (operands[2].Bits != uint.MaxValue) throw new PtxException("Only votes of a whole warp are known.");
        return (warp, lanes) =>
        {
            Warp.RequireAll(lanes, "vote");
            var any = 0UL;
            for (var lane = 0; lane < Warp.Size; lane++) any |= Value(warp, lane, operands[1]);
            warp.Register(result).Fill(any);
        };
    }

    // Lanes 8 i to 8 i + 7 name the rows of the i-th matrix of 8 × 8. Lane t gets two neighbours of row t / 4, or of
    // column t / 4 where the matrix is transposed on the way.
    private static PtxOperation LoadMatrices(PtxOperand[] operands, bool isTransposed)
    {
        var results = Items(operands[0], 4).Select(Result).ToArray();
        return (warp, lanes) =>
        {
            Warp.RequireAll(lanes, "load matrices");
            CountConflicts(warp, lanes, operands[1], 16);
            Span<ushort> matrix = stackalloc ushort[64];
            for (var index = 0; index < 4; index++)
            {
                for (var row = 0; row < 8; row++)
                {
                    var lane = (index * 8) + row;
                    var bytes = warp.Group.Shared.Load((uint)Address(warp, lane, operands[1]), 16, warp.Thread(lane));
                    MemoryMarshal.Cast<byte, ushort>(bytes).CopyTo(matrix[(row * 8)..]);
                }

                var register = warp.Register(results[index]);
                for (var lane = 0; lane < Warp.Size; lane++)
                {
                    var (line, first) = (lane / 4, lane % 4 * 2);
                    var (low, high) = isTransposed
                        ? (matrix[(first * 8) + line], matrix[((first + 1) * 8) + line])
                        : (matrix[(line * 8) + first], matrix[(line * 8) + first + 1]);
                    register[lane] = ((uint)high << 16) | low;
                }
            }
        };
    }

    // D [16, 8] = A [16, 16] B [16, 8] + C [16, 8]. Sixteen products are exact in double precision, the sum is rounded once.
    private static PtxOperation MultiplyAdd(PtxOperand[] operands)
    {
        var results = Items(operands[0], 4).Select(Result).ToArray();
        var left = Items(operands[1], 4).Select(Result).ToArray();
        var right = Items(operands[2], 2).Select(Result).ToArray();
        var addends = Items(operands[3], 4).Select(Result).ToArray();
        return (warp, lanes) =>
        {
            Warp.RequireAll(lanes, "multiply matrices");
            Span<float> a = stackalloc float[16 * 16];
            Span<float> b = stackalloc float[8 * 16];
            for (var lane = 0; lane < Warp.Size; lane++)
            {
                var (line, pair) = (lane / 4, lane % 4 * 2);
                for (var index = 0; index < 4; index++)
                    Unpack(warp.Register(left[index])[lane], a[((line + (index % 2 * 8)) * 16 + (index / 2 * 8) + pair)..]);
                for (var index = 0; index < 2; index++) Unpack(warp.Register(right[index])[lane], b[((line * 16) + (index * 8) + pair)..]);
            }

            for (var lane = 0; lane < Warp.Size; lane++)
            {
                for (var index = 0; index < 4; index++)
                {
                    var row = (lane / 4) + (index / 2 * 8);
                    var column = (lane % 4 * 2) + (index % 2);
                    double sum = Float(warp.Register(addends[index])[lane]);
                    for (var k = 0; k < 16; k++) sum += (double)a[(row * 16) + k] * b[(column * 16) + k];
                    warp.Register(results[index])[lane] = Bits((float)sum);
                }
            }
        };
    }

    private static void Unpack(ulong pair, Span<float> values)
    {
        values[0] = BFloat16.Widen((ushort)pair);
        values[1] = BFloat16.Widen((ushort)(pair >> 16));
    }
}
