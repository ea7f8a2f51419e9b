using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax.Gpu.Tests.Emulation;

/// <summary>A place in memory that an instruction names.</summary>
/// <param name="Register">The place of the register or constant that it counts from.</param>
/// <param name="IsWide">Whether that has 64 bits.</param>
/// <param name="Distance">The bytes from there.</param>
internal readonly unsafe record struct PtxPlace(int Register, bool IsWide, ulong Distance)
{
    /// <summary>A lane's address.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Address(Warp warp, int lane) =>
        IsWide ? warp.Row<ulong>(Register)[lane] + Distance : (uint)(warp.Row<uint>(Register)[lane] + Distance);
}

/// <summary>A load from global memory, or a store.</summary>
internal sealed unsafe class GlobalOperation(PtxPlace place, int[] values, int size, bool isStore) : Operation
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint lanes)
    {
        var group = warp.Group;
        var memory = group.Launch.Memory;
        var (width, entry) = (size * values.Length, warp.Entry);
        for (var rest = lanes; rest != 0; rest &= rest - 1)
        {
            var lane = Lanes.First(rest);
            var address = place.Address(warp, lane);
            if (isStore) LaneValues.Write(memory.Store(address, width, entry + (uint)lane, group), warp, lane, values, size);
            else LaneValues.Read(memory.Load(address, width, entry + (uint)lane, group), warp, lane, values, size);
        }
    }
}

/// <summary>A load from shared memory, or a store.</summary>
internal sealed unsafe class SharedOperation(PtxPlace place, int[] values, int size, bool isStore) : Operation
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint lanes)
    {
        var shared = warp.Group.Shared;
        var (width, entry) = (size * values.Length, warp.Entry);
        CountConflicts(warp, lanes, place, width);
        for (var rest = lanes; rest != 0; rest &= rest - 1)
        {
            var lane = Lanes.First(rest);
            var address = (uint)place.Address(warp, lane);
            if (isStore) LaneValues.Write(shared.Store(address, width, entry + (uint)lane), warp, lane, values, size);
            else LaneValues.Read(shared.Load(address, width, entry + (uint)lane), warp, lane, values, size);
        }
    }

    /// <summary>Counts the conflicts of an access, where the launch wants to know.</summary>
    public static void CountConflicts(Warp warp, uint lanes, PtxPlace place, int width)
    {
        if (!warp.Group.Launch.CountsConflicts) return;
        Span<uint> addresses = stackalloc uint[Warp.Size];
        var count = 0;
        for (var rest = lanes; rest != 0; rest &= rest - 1) addresses[count++] = (uint)place.Address(warp, Lanes.First(rest));
        warp.Group.Shared.CountConflicts(addresses[..count], width);
    }
}

/// <summary>Moves values between memory and the registers of a lane.</summary>
internal static unsafe class LaneValues
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Read(byte* source, Warp warp, int lane, int[] registers, int size)
    {
        foreach (var register in registers)
        {
            var target = warp.Registers + register;
            switch (size)
            {
                case 4:
                    ((uint*)target)[lane] = *(uint*)source;
                    break;
                case 8:
                    ((ulong*)target)[lane] = *(ulong*)source;
                    break;
                case 2:
                    ((uint*)target)[lane] = *(ushort*)source;
                    break;
                default:
                    ((uint*)target)[lane] = *source;
                    break;
            }

            source += size;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(byte* target, Warp warp, int lane, int[] registers, int size)
    {
        foreach (var register in registers)
        {
            var source = warp.Registers + register;
            switch (size)
            {
                case 4:
                    *(uint*)target = ((uint*)source)[lane];
                    break;
                case 8:
                    *(ulong*)target = ((ulong*)source)[lane];
                    break;
                case 2:
                    *(ushort*)target = (ushort)((uint*)source)[lane];
                    break;
                default:
                    *target = (byte)((uint*)source)[lane];
                    break;
            }

            target += size;
        }
    }
}
