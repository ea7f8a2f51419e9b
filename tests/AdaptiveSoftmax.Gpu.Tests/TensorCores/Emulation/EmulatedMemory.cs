namespace AdaptiveSoftmax.Gpu.Tests.TensorCores.Emulation;

/// <summary>
/// A device's global memory. Buffers lie far apart, and an access that is not wholly inside one, or not aligned, is an
/// error; so is writing a place twice in one launch, since results would depend on the groups' order.
/// </summary>
internal sealed class EmulatedMemory
{
    private const ulong First = 0x7_0000_0000, Distance = 0x1_0000_0000;

    private readonly List<(byte[] Bytes, bool[] Written)> _buffers = [];

    /// <summary>Copies values to the device.</summary>
    /// <returns>Their address.</returns>
    public ulong Allocate<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        var bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(values).ToArray();
        _buffers.Add((bytes, new bool[bytes.Length]));
        return First + ((ulong)(_buffers.Count - 1) * Distance);
    }

    /// <summary>Copies values from the device.</summary>
    public T[] Read<T>(ulong address)
        where T : unmanaged =>
        System.Runtime.InteropServices.MemoryMarshal.Cast<byte, T>(_buffers[Index(address)].Bytes).ToArray();

    /// <summary>Starts a launch: places may be written again.</summary>
    public void Forget()
    {
        foreach (var (_, written) in _buffers) Array.Clear(written);
    }

    /// <summary>Bytes that are read.</summary>
    public ReadOnlySpan<byte> Load(ulong address, int size) => Access(address, size, "read", out _);

    /// <summary>Bytes that are written.</summary>
    public Span<byte> Store(ulong address, int size)
    {
        var bytes = Access(address, size, "write", out var written);
        if (written.Contains(true)) throw new PtxException($"{size} bytes at {Describe(address)} are written twice.");
        written.Fill(true);
        return bytes;
    }

    private Span<byte> Access(ulong address, int size, string what, out Span<bool> written)
    {
        var index = Index(address);
        var offset = (address - First) % Distance;
        if (index < 0 || index >= _buffers.Count || offset + (ulong)size > (ulong)_buffers[index].Bytes.Length)
            throw new PtxException($"To {what} {size} bytes at {Describe(address)} is outside of all buffers.");
        if (address % (ulong)size != 0) throw new PtxException($"To {what} {size} bytes at {Describe(address)} is not aligned.");
        written = _buffers[index].Written.AsSpan((int)offset, size);
        return _buffers[index].Bytes.AsSpan((int)offset, size);
    }

    private static int Index(ulong address) => address < First ? -1 : (int)Math.Min((address - First) / Distance, int.MaxValue);

    private static string Describe(ulong address) => $"byte {(long)((address - First) % Distance)} of buffer {Index(address)} ({address:x})";
}
