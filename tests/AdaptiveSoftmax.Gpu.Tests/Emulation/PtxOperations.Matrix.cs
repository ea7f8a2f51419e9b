namespace AdaptiveSoftmax.Gpu.Tests.Emulation;

// What a warp does as a whole.
internal sealed partial class PtxOperations
{
    private OtherOperation? Matrix(string opcode, PtxOperand[] operands) => opcode switch
    {
        "shfl.sync.bfly.b32" => Exchange(operands, (lane, other) => lane ^ other),
        "vote.sync.any.pred" => Any(operands),
        "ldmatrix.sync.aligned.m8n8.x4.shared.b16" => LoadMatrices(operands, isTransposed: false),
        "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16" => LoadMatrices(operands, isTransposed: true),
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32" => MultiplyAdd(operands),
        _ => null,
    };

    private unsafe OtherOperation Exchange(PtxOperand[] operands, Func<int, int, int> from)
    {
        if (Require(operands, 5)[3].Bits != 31 || operands[4].Bits != uint.MaxValue) throw new PtxException("Only exchanges within a whole warp are known.");
        var (result, source, distance) = (Result(operands[0], 32), Source(operands[1], 32), Source(operands[2], 32));
        return new((warp, lanes) =>
        {
            Warp.RequireAll(lanes, "exchange values");
            var distances = warp.Row<int>(distance);
            Span<uint> values = stackalloc uint[Warp.Size];
            new ReadOnlySpan<uint>(warp.Registers + source, Warp.Size).CopyTo(values);
            for (var lane = 0; lane < Warp.Size; lane++) warp.Row<uint>(result)[lane] = values[from(lane, distances[lane])];
        });
    }

    private OtherOperation Any(PtxOperand[] operands)
    {
        if (Require(operands, 3)[2].Bits != uint.MaxValue) throw new PtxException("Only votes of a whole warp are known.");
        var (result, source) = (Result(operands[0], 1), Source(operands[1], 1));
        return new((warp, lanes) =>
        {
            Warp.RequireAll(lanes, "vote");
            warp.Predicates[result] = warp.Predicates[source] == 0 ? 0 : Lanes.All;
        });
    }

    // Lanes 8 i to 8 i + 7 name the rows of the i-th matrix of 8 × 8. Lane t gets two neighbours of row t / 4, or of
    // column t / 4 where the matrix is transposed on the way.
    private unsafe OtherOperation LoadMatrices(PtxOperand[] operands, bool isTransposed)
    {
        var results = Items(operands[0], 4).Select(item => Result(item, 32)).ToArray();
        var place = Place(operands[1]);
        return new((warp, lanes) =>
        {
            Warp.RequireAll(lanes, "load matrices");
            SharedOperation.CountConflicts(warp, lanes, place, 16);
            Span<ushort> matrix = stackalloc ushort[64];
            for (var index = 0; index < 4; index++)
            {
                for (var row = 0; row < 8; row++)
                {
                    var lane = (index * 8) + row;
                    var bytes = warp.Group.Shared.Load((uint)place.Address(warp, lane), 16, warp.Entry + (uint)lane);
                    new ReadOnlySpan<ushort>(bytes, 8).CopyTo(matrix[(row * 8)..]);
                }

                var register = warp.Row<uint>(results[index]);
                for (var lane = 0; lane < Warp.Size; lane++)
                {
                    var (line, first) = (lane / 4, lane % 4 * 2);
                    var (low, high) = isTransposed
                        ? (matrix[(first * 8) + line], matrix[((first + 1) * 8) + line])
                        : (matrix[(line * 8) + first], matrix[(line * 8) + first + 1]);
                    register[lane] = ((uint)high << 16) | low;
                }
            }
        });
    }

    // D [16, 8] = A [16, 16] B [16, 8] + C [16, 8]. Sixteen products are exact in double precision, the sum is rounded once.
    private unsafe OtherOperation MultiplyAdd(PtxOperand[] operands)
    {
        var results = Items(operands[0], 4).Select(item => Result(item, 32)).ToArray();
        var left = Items(operands[1], 4).Select(item => Source(item, 32)).ToArray();
        var right = Items(operands[2], 2).Select(item => Source(item, 32)).ToArray();
        var addends = Items(operands[3], 4).Select(item => Source(item, 32)).ToArray();
        return new((warp, lanes) =>
        {
            Warp.RequireAll(lanes, "multiply matrices");
            Span<float> a = stackalloc float[16 * 16];
            Span<float> b = stackalloc float[8 * 16];
            for (var lane = 0; lane < Warp.Size; lane++)
            {
                var (line, pair) = (lane / 4, lane % 4 * 2);
                for (var index = 0; index < 4; index++)
                    Unpack(warp.Row<uint>(left[index])[lane], a[((line + (index % 2 * 8)) * 16 + (index / 2 * 8) + pair)..]);
                for (var index = 0; index < 2; index++) Unpack(warp.Row<uint>(right[index])[lane], b[((line * 16) + (index * 8) + pair)..]);
            }

            for (var lane = 0; lane < Warp.Size; lane++)
            {
                for (var index = 0; index < 4; index++)
                {
                    var row = (lane / 4) + (index / 2 * 8);
                    var column = (lane % 4 * 2) + (index % 2);
                    double sum = warp.Row<float>(addends[index])[lane];
                    for (var k = 0; k < 16; k++) sum += (double)a[(row * 16) + k] * b[(column * 16) + k];
                    warp.Row<float>(results[index])[lane] = (float)sum;
                }
            }
        });
    }

    private static void Unpack(uint pair, Span<float> values)
    {
        values[0] = BFloat16.Widen((ushort)pair);
        values[1] = BFloat16.Widen((ushort)(pair >> 16));
    }
}
