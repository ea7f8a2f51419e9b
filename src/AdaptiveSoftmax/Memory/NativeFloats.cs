using System.Runtime.InteropServices;

namespace AdaptiveSoftmax;

/// <summary>
/// A block of zeroed floats in native memory, aligned to a cache line and to the widest vector. Large blocks come from
/// the system as pages that cost nothing until they are first written.
/// </summary>
internal sealed unsafe partial class NativeFloats : IDisposable
{
    /// <summary>The alignment of the first value in bytes.</summary>
    public const int Alignment = 64;

    // So that the bytes, alignment included, fit a signed 64-bit number.
    private const long MaxCount = (long.MaxValue - MaxOverhead) / sizeof(float);

    private const int MaxSpan = 1 << 28;

    // Large blocks from the system all start at the same place of a page. A step walks through up to four of them side by
    // side, and would have them compete for the same few cache lines: each block starts nine lines after the one before.
    private const int Stagger = 9 * Alignment;
    private const int MaxOverhead = (7 * Stagger) + Alignment;

    private static int s_blocks;

    private const int PageLength = 1 << 12;
    private const int HugePageThreshold = 1 << 23;
    private const int AdviseHugePages = 14;

    private readonly MappedFile? _map;
    private void* _block;
    private int _isDisposed;

    /// <summary>Allocates <paramref name="count"/> zeros.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The count is negative or past the address space.</exception>
    /// <exception cref="OutOfMemoryException">The memory cannot be had.</exception>
    public NativeFloats(long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, MaxCount);
        Count = count;
        var stagger = (nuint)((Interlocked.Increment(ref s_blocks) & 7) * Stagger);
        var bytes = (nuint)((count * sizeof(float)) + MaxOverhead);
        _block = NativeMemory.AllocZeroed(bytes);
        GC.AddMemoryPressure((long)bytes);
        if (OperatingSystem.IsLinux() && bytes >= HugePageThreshold) AskForHugePages(_block, bytes);
        Pointer = (float*)(((nuint)_block + stagger + (Alignment - 1)) & ~(nuint)(Alignment - 1));
    }

    /// <summary>Stands for floats that somebody else owns: disposing releases nothing.</summary>
    public NativeFloats(float* memory, long count)
    {
        Pointer = memory;
        Count = count;
    }

    /// <summary>Stands for floats in a file that is mapped, which stays so until this is disposed; at any address.</summary>
    public NativeFloats(MappedFile map, byte* memory, long count)
        : this((float*)memory, count)
    {
        map.AddReference();
        _map = map;
    }

    /// <summary>The file that the floats are in; null where they are in memory of their own.</summary>
    public MappedFile? Map => _map;

    /// <summary>The number of floats.</summary>
    public long Count { get; }

    /// <summary>The first value; null once disposed.</summary>
    public float* Pointer { get; private set; }

    /// <summary>Sets every value.</summary>
    public void Fill(float value)
    {
        for (var start = 0L; start < Count; start += MaxSpan)
            new Span<float>(Pointer + start, (int)Math.Min(MaxSpan, Count - start)).Fill(value);
    }

    /// <summary>Releases the memory; a second call does nothing.</summary>
    public void Dispose()
    {
        Pointer = null;
        if (_map is not null && Interlocked.Exchange(ref _isDisposed, 1) == 0) _map.Release();
        if (_block is null) return;
        NativeMemory.Free(_block);
        GC.RemoveMemoryPressure((Count * sizeof(float)) + MaxOverhead);
        _block = null;
    }

    // Weights are read from end to end; large pages spare look-ups of addresses.
    private static void AskForHugePages(void* block, nuint bytes)
    {
        try
        {
            var start = ((nuint)block + PageLength - 1) & ~(nuint)(PageLength - 1);
            _ = Advise((void*)start, bytes - (start - (nuint)block), AdviseHugePages);
        }
        catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException)
        {
            // It is only advice; a system that cannot take it works as well with small pages.
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);
}
