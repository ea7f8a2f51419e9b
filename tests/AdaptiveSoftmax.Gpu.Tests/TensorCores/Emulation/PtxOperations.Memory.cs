using System.Buffers.Binary;

namespace AdaptiveSoftmax.Gpu.Tests.TensorCores.Emulation;

// Loads, stores and asynchronous copies.
internal static partial class PtxOperations
{
    private static PtxOperation? Memory(string opcode, PtxOperand[] operands) => opcode switch
    {
        "ld.param.b32" or "ld.param.b64" => LoadParameter(operands),
        "ld.global.b32" or "ld.global.f32" or "ld.global.nc.f32" => LoadGlobal(operands, 4, 1),
        "ld.global.v2.f32" => LoadGlobal(operands, 4, 2),
        "st.global.f32" => StoreGlobal(operands, 4, 1),
        "st.global.v2.f32" => StoreGlobal(operands, 4, 2),
        "st.global.v4.b32" => StoreGlobal(operands, 4, 4),
        "ld.shared.b64" => LoadShared(operands, 8, 1),
        "ld.shared.v2.f32" => LoadShared(operands, 4, 2),
        "ld.shared.v4.b32" => LoadShared(operands, 4, 4),
        "st.shared.b32" => StoreShared(operands, 4, 1),
        "st.shared.b64" => StoreShared(operands, 8, 1),
        "st.shared.v2.f32" => StoreShared(operands, 4, 2),
        "cp.async.cg.shared.global.L2::128B" => CopyAsync(operands),
        "cp.async.commit_group" => (warp, lanes) =>
        {
            foreach (var lane in Warp.Lanes(lanes)) warp.CommitCopies(lane);
        }
        ,
        "cp.async.wait_group" => (warp, lanes) =>
        {
            foreach (var lane in Warp.Lanes(lanes)) warp.WaitForCopies(lane, (int)operands[0].Bits);
        }
        ,
        _ => null,
    };

    private static ulong Address(Warp warp, int lane, PtxOperand operand) => operand.Kind == PtxOperandKind.Address
        ? Value(warp, lane, operand.Items[0]) + operand.Bits
        : throw new PtxException("An address was expected.");

    private static PtxOperation LoadParameter(PtxOperand[] operands)
    {
        var result = Result(operands[0]);
        var name = operands[1].Items[0].Name;
        return (warp, lanes) =>
        {
            foreach (var lane in Warp.Lanes(lanes)) warp.Register(result)[lane] = warp.Group.Argument(name);
        };
    }

    private static PtxOperation LoadGlobal(PtxOperand[] operands, int size, int count)
    {
        var items = Items(operands[0], count);
        return (warp, lanes) =>
        {
            foreach (var lane in Warp.Lanes(lanes))
                Read(warp, lane, warp.Group.Launch.Memory.Load(Address(warp, lane, operands[1]), size * count), items, size);
        };
    }

    private static PtxOperation StoreGlobal(PtxOperand[] operands, int size, int count)
    {
        var items = Items(operands[1], count);
        return (warp, lanes) =>
        {
            foreach (var lane in Warp.Lanes(lanes))
                Write(warp, lane, warp.Group.Launch.Memory.Store(Address(warp, lane, operands[0]), size * count), items, size);
        };
    }

    private static PtxOperation LoadShared(PtxOperand[] operands, int size, int count)
    {
        var items = Items(operands[0], count);
        return (warp, lanes) =>
        {
            CountConflicts(warp, lanes, operands[1], size * count);
            foreach (var lane in Warp.Lanes(lanes))
                Read(warp, lane, warp.Group.Shared.Load((uint)Address(warp, lane, operands[1]), size * count, warp.Thread(lane)), items, size);
        };
    }

    private static PtxOperation StoreShared(PtxOperand[] operands, int size, int count)
    {
        var items = Items(operands[1], count);
        return (warp, lanes) =>
        {
            CountConflicts(warp, lanes, operands[0], size * count);
            foreach (var lane in Warp.Lanes(lanes))
                Write(warp, lane, warp.Group.Shared.Store((uint)Address(warp, lane, operands[0]), size * count, warp.Thread(lane)), items, size);
        };
    }

    // Sixteen bytes, of which only the first so many are read; the others become zeros.
    private static PtxOperation CopyAsync(PtxOperand[] operands) => (warp, lanes) =>
    {
        if (operands[2].Bits != 16) throw new PtxException("Only copies of 16 bytes are known.");
        CountConflicts(warp, lanes, operands[0], 16);
        foreach (var lane in Warp.Lanes(lanes))
        {
            var count = (uint)Value(warp, lane, operands[3]);
            if (count > 16) throw new PtxException($"A copy of 16 bytes reads {count}.");
            var bytes = new byte[16];
            var source = Address(warp, lane, operands[1]);
            if (source % 16 != 0) throw new PtxException($"The source of a copy, {source:x}, is not aligned.");
            for (var i = 0U; i < count; i++) bytes[i] = warp.Group.Launch.Memory.Load(source + i, 1)[0];
            warp.BeginCopy(lane, (uint)Address(warp, lane, operands[0]), bytes);
        }
    };

    private static void CountConflicts(Warp warp, uint lanes, PtxOperand address, int width)
    {
        Span<uint> addresses = stackalloc uint[Warp.Size];
        var count = 0;
        foreach (var lane in Warp.Lanes(lanes)) addresses[count++] = (uint)Address(warp, lane, address);
        warp.Group.Shared.CountConflicts(addresses[..count], width);
    }

    private static void Read(Warp warp, int lane, ReadOnlySpan<byte> bytes, PtxOperand[] items, int size)
    {
        for (var i = 0; i < items.Length; i++)
        {
            var item = bytes.Slice(i * size, size);
            warp.Register(Result(items[i]))[lane] = size == 8 ? BinaryPrimitives.ReadUInt64LittleEndian(item) : BinaryPrimitives.ReadUInt32LittleEndian(item);
        }
    }

    private static void Write(Warp warp, int lane, Span<byte> bytes, PtxOperand[] items, int size)
    {
        for (var i = 0; i < items.Length; i++)
        {
            var item = bytes.Slice(i * size, size);
            var value = Value(warp, lane, items[i]);
            if (size == 8) BinaryPrimitives.WriteUInt64LittleEndian(item, value);
            else BinaryPrimitives.WriteUInt32LittleEndian(item, (uint)value);
        }
    }
}
