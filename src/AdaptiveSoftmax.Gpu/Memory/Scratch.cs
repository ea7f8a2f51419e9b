using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// Working memory that grows to the largest batch seen and then stays, so that later steps allocate nothing. Its buffers are
/// exchanged together: where one of them finds no room all are released, and the next batch that fits gets them anew.
/// </summary>
internal sealed class Scratch(Accelerator accelerator) : IDisposable
{
    private readonly List<GrowingBuffer> _buffers = [];

    /// <summary>The tokens that there is room for; 0 after an exchange that failed.</summary>
    public int Capacity { get; private set; }

    /// <summary>How often the memory was exchanged, or an exchange was tried: what was recorded before must not be replayed.</summary>
    public int Generation { get; private set; }

    public long Bytes => _buffers.Sum(buffer => buffer.Bytes);

    /// <summary>Adds a buffer, which has no memory yet.</summary>
    public GrowingBuffer<T> Add<T>(string purpose)
        where T : unmanaged
    {
        var buffer = new GrowingBuffer<T>(accelerator, purpose);
        _buffers.Add(buffer);
        return buffer;
    }

    /// <summary>Makes room for a batch, whose tokens are more than there is room for.</summary>
    /// <param name="tokens">The tokens of the batch.</param>
    /// <param name="reserve">Reserves the buffers.</param>
    public void Exchange(int tokens, Action reserve)
    {
        // Said before the first buffer goes, and kept however this ends.
        Generation++;
        var capacity = Math.Max(tokens, Capacity);
        Capacity = 0;
        try
        {
            reserve();
            Capacity = capacity;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Releases the memory.</summary>
    public void Dispose()
    {
        foreach (var buffer in _buffers) buffer.Release();
    }
}
