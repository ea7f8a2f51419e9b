using System.Buffers.Binary;

namespace AdaptiveSoftmax.Gpu.Tests.Emulation;

// Loads, stores, atomic operations and asynchronous copies.
internal sealed partial class PtxOperations
{
    private Operation? Memory(string[] parts, PtxOperand[] operands)
    {
        switch (string.Join('.', parts))
        {
            case "cp.async.cg.shared.global.L2::128B":
                return CopyAsync(operands);
            case "cp.async.commit_group":
                return new OtherOperation((warp, lanes) =>
                {
                    for (var rest = lanes; rest != 0; rest &= rest - 1) warp.CommitCopies(Lanes.First(rest));
                });
            case "cp.async.wait_group":
                var pending = (int)operands[0].Bits;
                return new OtherOperation((warp, lanes) =>
                {
                    for (var rest = lanes; rest != 0; rest &= rest - 1) warp.WaitForCopies(Lanes.First(rest), pending);
                });
            case "atom.add.global.u32" or "atom.add.global.s32":
                return Atomic(operands, hasResult: true, (old, value, _) => old + value);
            case "atom.cas.global.b32":
                return Atomic(operands, hasResult: true, (old, expected, value) => old == expected ? value : old);
            case "red.min.global.s32":
                return Atomic(operands, hasResult: false, (old, value, _) => (uint)Math.Min((int)old, (int)value));
            case "red.or.global.b32":
                return Atomic(operands, hasResult: false, (old, value, _) => old | value);
            case "red.add.global.u32" or "red.add.global.s32":
                return Atomic(operands, hasResult: false, (old, value, _) => old + value);
        }

        if (parts[0] is not ("ld" or "st")) return null;
        var size = parts[^1] switch
        {
            "b8" or "u8" => 1,
            "b16" or "u16" => 2,
            "b32" or "u32" or "s32" or "f32" => 4,
            "b64" or "u64" or "s64" or "f64" => 8,
            _ => 0,
        };
        var (count, options) = parts[^2] switch
        {
            "v2" => (2, parts[1..^2]),
            "v4" => (4, parts[1..^2]),
            _ => (1, parts[1..^1]),
        };
        if (size == 0) return null;
        return (parts[0], string.Join('.', options)) switch
        {
            ("ld", "param") => LoadParameter(operands, size),
            ("ld", "global" or "global.nc") => new GlobalOperation(Place(operands[1]), Values(operands[0], size, count), size, isStore: false),
            ("st", "global") => new GlobalOperation(Place(operands[0]), Values(operands[1], size, count), size, isStore: true),
            ("ld", "shared") => new SharedOperation(Place(operands[1]), Values(operands[0], size, count), size, isStore: false),
            ("st", "shared") => new SharedOperation(Place(operands[0]), Values(operands[1], size, count), size, isStore: true),
            _ => null,
        };
    }

    private PtxPlace Place(PtxOperand operand)
    {
        if (operand is not { Kind: PtxOperandKind.Address, Items: [var item] }) throw new PtxException("An address was expected.");
        var bits = item.Kind == PtxOperandKind.Register ? item.Register.Bits : 64;
        return new(Source(item, bits), bits == 64, operand.Bits);
    }

    private int[] Values(PtxOperand operand, int size, int count) => [.. Items(operand, count).Select(item => Source(item, Math.Max(32, size * 8)))];

    private unsafe OtherOperation LoadParameter(PtxOperand[] operands, int size)
    {
        var bits = Math.Max(32, size * 8);
        var result = Result(operands[0], bits);
        var name = operands[1].Items[0].Name;
        if (!_parameters.TryGetValue(name, out var parameter)) throw new PtxException($"There is no parameter {name}.");
        var offset = (int)operands[1].Bits;
        if (offset < 0 || offset + size > parameter.Size) throw new PtxException($"The parameter {name} has {parameter.Size} bytes.");
        offset += parameter.Offset;
        return new((warp, lanes) =>
        {
            var bytes = warp.Group.Arguments.AsSpan(offset, size);
            var value = size switch
            {
                1 => bytes[0],
                2 => BinaryPrimitives.ReadUInt16LittleEndian(bytes),
                4 => BinaryPrimitives.ReadUInt32LittleEndian(bytes),
                _ => BinaryPrimitives.ReadUInt64LittleEndian(bytes),
            };
            for (var rest = lanes; rest != 0; rest &= rest - 1)
            {
                if (bits == 64) warp.Row<ulong>(result)[Lanes.First(rest)] = value;
                else warp.Row<uint>(result)[Lanes.First(rest)] = (uint)value;
            }
        });
    }

    // Lanes take their turns from the first to the last.
    private unsafe OtherOperation Atomic(PtxOperand[] operands, bool hasResult, Func<uint, uint, uint, uint> function)
    {
        var first = hasResult ? 1 : 0;
        var result = hasResult ? Result(operands[0], 32) : -1;
        var place = Place(operands[first]);
        var a = Source(operands[first + 1], 32);
        var b = operands.Length > first + 2 ? Source(operands[first + 2], 32) : a;
        return new((warp, lanes) =>
        {
            for (var rest = lanes; rest != 0; rest &= rest - 1)
            {
                var lane = Lanes.First(rest);
                var at = (uint*)warp.Group.Launch.Memory.Exchange(place.Address(warp, lane), 4, warp.Group);
                var old = *at;
                *at = function(old, warp.Row<uint>(a)[lane], warp.Row<uint>(b)[lane]);
                if (hasResult) warp.Row<uint>(result)[lane] = old;
            }
        });
    }

    // Sixteen bytes, of which only the first so many are read; the others become zeros.
    private unsafe OtherOperation CopyAsync(PtxOperand[] operands)
    {
        if (Require(operands, 4)[2].Bits != 16) throw new PtxException("Only copies of 16 bytes are known.");
        var (target, source, size) = (Place(operands[0]), Place(operands[1]), Source(operands[3], 32));
        return new((warp, lanes) =>
        {
            SharedOperation.CountConflicts(warp, lanes, target, 16);
            for (var rest = lanes; rest != 0; rest &= rest - 1)
            {
                var lane = Lanes.First(rest);
                var count = warp.Row<uint>(size)[lane];
                if (count > 16) throw new PtxException($"A copy of 16 bytes reads {count}.");
                var bytes = new byte[16];
                var from = source.Address(warp, lane);
                if (from % 16 != 0) throw new PtxException($"The source of a copy, {from:x}, is not aligned.");
                for (var i = 0U; i < count; i++) bytes[i] = *warp.Group.Launch.Memory.Load(from + i, 1, warp.Entry + (uint)lane, warp.Group);
                warp.BeginCopy(lane, (uint)target.Address(warp, lane), bytes);
            }
        });
    }
}
