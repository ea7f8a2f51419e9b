using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Gpu.Tests.Emulation;

/// <summary>
/// A device's global memory. Buffers lie far apart and have addresses that the host has not; an access that is not wholly
/// inside one, or not aligned, is an error, and so is one that races with another of the same launch.
/// </summary>
internal sealed unsafe class EmulatedMemory
{
    // Not canonical on x86-64: the host cannot even read there by mistake.
    private const ulong First = 0x7000_0000_0000_0000, Distance = 0x100_0000_0000;

    private readonly List<Buffer?> _buffers = [];
    private readonly Dictionary<ulong, HashSet<long>> _released = [];

    private long _groups;

    /// <summary>Whether a place may be written once in a launch, and not again by anybody.</summary>
    public bool IsWrittenOnce { get; init; }

    /// <summary>The bytes of all buffers.</summary>
    public long AllocatedBytes { get; private set; }

    private sealed class Buffer
    {
        private AccessLog? _log;

        public Buffer(ulong address, long size)
        {
            Address = address;
            Size = (ulong)size;
            Bytes = (byte*)NativeMemory.Alloc((nuint)size);
            GC.AddMemoryPressure(Pressure);
        }

        ~Buffer()
        {
            NativeMemory.Free(Bytes);
            GC.RemoveMemoryPressure(Pressure);
        }

        public ulong Address { get; }

        public ulong Size { get; }

        public byte* Bytes { get; }

        // The collector takes no 0, as of an empty buffer.
        private long Pressure => Math.Max(1, (long)Size);

        public AccessLog Log => _log ??= new(((long)Size + 3) / 4);
    }

    /// <summary>Makes a buffer; what stands in it is not a number.</summary>
    /// <returns>Its address.</returns>
    public ulong Allocate(long size)
    {
        var address = First + ((ulong)_buffers.Count * Distance);
        var buffer = new Buffer(address, size);
        new Span<byte>(buffer.Bytes, checked((int)size)).Fill(0xFF);
        _buffers.Add(buffer);
        AllocatedBytes += size;
        return address;
    }

    /// <summary>Copies values to the device.</summary>
    /// <returns>Their address.</returns>
    public ulong Allocate<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        var bytes = MemoryMarshal.AsBytes(values);
        var address = Allocate(bytes.Length);
        bytes.CopyTo(Span(address, bytes.Length));
        return address;
    }

    /// <summary>Gives a buffer back; its address will not come again.</summary>
    /// <returns>Whether there was one that starts there.</returns>
    public bool Free(ulong address)
    {
        if (Find(address) is not { } buffer || buffer.Address != address) return false;
        _buffers[Index(address)] = null;
        AllocatedBytes -= (long)buffer.Size;
        return true;
    }

    /// <summary>Copies all values of a buffer from the device.</summary>
    public T[] Read<T>(ulong address)
        where T : unmanaged =>
        MemoryMarshal.Cast<byte, T>(Span(address, (long)(Find(address)?.Size ?? 0))).ToArray();

    /// <summary>Whether an address is one of the device.</summary>
    public static bool IsDevice(ulong address) => address >= First;

    /// <summary>Bytes that the host copies.</summary>
    /// <exception cref="PtxException">They are not wholly inside a buffer.</exception>
    public Span<byte> Span(ulong address, long size) => new(Place(address, (ulong)size, "copy", out _), checked((int)size));

    /// <summary>The number of a new group, and of a launch's first.</summary>
    public long NextGroup() => ++_groups;

    /// <summary>A thread reads.</summary>
    public byte* Load(ulong address, int size, ulong entry, ThreadGroup group)
    {
        var bytes = Place(address, (ulong)size, "read", out var buffer);
        CheckAlignment(address, (ulong)size, "read");
        for (var word = address & ~3UL; word < address + (ulong)size; word += 4)
        {
            var other = buffer.Log.Read((long)(word - buffer.Address) >> 2, entry, group);
            if (other != 0) ThrowRace("reads", word, other, "wrote", group);
        }

        return bytes;
    }

    /// <summary>A thread writes.</summary>
    public byte* Store(ulong address, int size, ulong entry, ThreadGroup group)
    {
        var bytes = Place(address, (ulong)size, "write", out var buffer);
        CheckAlignment(address, (ulong)size, "write");
        for (var word = address & ~3UL; word < address + (ulong)size; word += 4)
        {
            var index = (long)(word - buffer.Address) >> 2;
            // Narrower numbers share words, and each is one thread's.
            if (size < 4 && AccessLog.Group(buffer.Log.Writer(index)) >= group.FirstOfLaunch) continue;
            if (IsWrittenOnce && AccessLog.Group(buffer.Log.Writer(index)) >= group.FirstOfLaunch) throw new PtxException($"{size} bytes at {Describe(address)} are written twice.");
            var other = buffer.Log.Write(index, entry, group, out var isRead);
            if (other != 0) ThrowRace("writes", word, other, isRead ? "read" : "wrote", group);
        }

        return bytes;
    }

    /// <summary>
    /// A thread changes a place as no other can at the same time. A group that has passed a fence publishes there what it
    /// wrote before, and sees what the groups before it published.
    /// </summary>
    public byte* Exchange(ulong address, int size, ThreadGroup group)
    {
        var bytes = Place(address, (ulong)size, "change", out _);
        CheckAlignment(address, (ulong)size, "change");
        if (!_released.TryGetValue(address, out var released)) _released.Add(address, released = []);
        group.See(released);
        if (group.HasFenced) released.Add(group.Number);
        return bytes;
    }

    /// <summary>A launch has ended, and the next one sees everything.</summary>
    public void EndLaunch() => _released.Clear();

    private static void CheckAlignment(ulong address, ulong size, string what)
    {
        if (address % size != 0) throw new PtxException($"To {what} {size} bytes at {Describe(address)} is not aligned.");
    }

    private static void ThrowRace(string what, ulong address, ulong other, string did, ThreadGroup group) =>
        throw new PtxException(AccessLog.Group(other) == group.Number
            ? $"A thread {what} {Describe(address)}, which {AccessLog.Describe(other)} of its group {did}, and there was no barrier in between."
            : $"A thread {what} {Describe(address)}, which {AccessLog.Describe(other)} of group {AccessLog.Group(other) - group.FirstOfLaunch} {did} in the same launch.");

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private byte* Place(ulong address, ulong size, string what, out Buffer buffer)
    {
        var found = Find(address);
        if (found is null || address + size > found.Address + found.Size) ThrowOutside(address, size, what);
        buffer = found!;
        return buffer.Bytes + (address - buffer.Address);
    }

    private void ThrowOutside(ulong address, ulong size, string what)
    {
        var index = Index(address);
        var state = index < 0 || index >= _buffers.Count ? "" : _buffers[index] is { } buffer ? $", which has {buffer.Size} bytes" : ", which was freed";
        throw new PtxException($"To {what} {size} bytes at {Describe(address)} is outside of all buffers{state}.");
    }

    private Buffer? Find(ulong address)
    {
        var index = Index(address);
        return index < 0 || index >= _buffers.Count ? null : _buffers[index];
    }

    private static int Index(ulong address) => address < First ? -1 : (int)Math.Min((address - First) / Distance, int.MaxValue);

    private static string Describe(ulong address) => Index(address) < 0 ? $"address {address:x}" : $"byte {(long)((address - First) % Distance)} of buffer {Index(address)} ({address:x})";
}
