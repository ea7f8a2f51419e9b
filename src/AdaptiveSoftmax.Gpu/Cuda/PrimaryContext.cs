using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Cuda;

/// <summary>
/// The primary context of a device, with a stream and memory of its own. NCCL, which is on CUDA's runtime, makes it the thread's
/// current one whatever was current, and takes no stream and no memory of another; ILGPU's accelerators are in contexts of
/// their own. So values are copied between the two.
/// </summary>
internal sealed unsafe partial class PrimaryContext : IDisposable
{
    private const string Library = "nvcuda"; // resolved by CudaDriver
    private const uint NonBlocking = 1; // CU_STREAM_NON_BLOCKING

    private readonly CudaAccelerator _accelerator;
    private readonly nint _context;
    private readonly nint _stream;
    private ulong _memory;
    private long _bytes;
    private bool _isDisposed;

    /// <summary>Takes the primary context of an accelerator's device, which starts where nobody has it yet.</summary>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public PrimaryContext(CudaAccelerator accelerator)
    {
        _accelerator = accelerator;
        _ = CudaDriver.Instance; // finds the library
        CudaDriver.Check(cuDevicePrimaryCtxRetain(out _context, accelerator.DeviceId), nameof(cuDevicePrimaryCtxRetain));
        try
        {
            using var entered = Enter();
            CudaDriver.Check(cuStreamCreate(out _stream, NonBlocking), nameof(cuStreamCreate));
        }
        catch (CudaException)
        {
            _ = cuDevicePrimaryCtxRelease_v2(accelerator.DeviceId);
            throw;
        }
    }

    /// <summary>The stream.</summary>
    public nint Stream => _stream;

    /// <summary>The address of the memory, of as many bytes as <see cref="Reserve"/> was last asked for.</summary>
    public ulong Memory => _memory;

    /// <summary>Whether all that was put into the stream is done.</summary>
    /// <exception cref="CudaException">Something of it failed.</exception>
    public bool IsDone
    {
        get
        {
            var status = cuStreamQuery(_stream);
            if (status == CudaError.CUDA_ERROR_NOT_READY) return false;
            CudaDriver.Check(status, nameof(cuStreamQuery));
            return true;
        }
    }

    /// <summary>Waits for the stream. Not for calls of other ranks: who of them has failed would never come.</summary>
    public void Synchronize() => CudaDriver.Check(cuStreamSynchronize(_stream), nameof(cuStreamSynchronize));

    /// <summary>Makes it the thread's current context, until what is returned is disposed: then the one before is, whatever a library did.</summary>
    public CurrentContext Enter() => new(_context);

    /// <summary>Makes room in the memory; what it held is lost where it grows. The context is entered, and the stream has nothing to do.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <exception cref="CudaException">The device has too little memory.</exception>
    public void Reserve(long bytes)
    {
        if (bytes <= _bytes) return;
        Release();
        var status = cuMemAlloc_v2(out _memory, (nuint)bytes);
        if (status != CudaError.CUDA_SUCCESS)
        {
            _memory = 0;
            throw new CudaException(status);
        }

        _bytes = bytes;
    }

    /// <summary>Copies values of the accelerator's context into the memory, behind what the stream has to do.</summary>
    public void CopyIn(ArrayView<float> source, ulong target) =>
        CudaDriver.Check(cuMemcpyPeerAsync(target, _context, Address(source), _accelerator.NativePtr, (nuint)source.LengthInBytes, _stream), nameof(cuMemcpyPeerAsync));

    /// <summary>Copies values of the memory to the accelerator's context, behind what the stream has to do.</summary>
    public void CopyOut(ulong source, ArrayView<float> target) =>
        CudaDriver.Check(cuMemcpyPeerAsync(Address(target), _accelerator.NativePtr, source, _context, (nuint)target.LengthInBytes, _stream), nameof(cuMemcpyPeerAsync));

    /// <summary>Copies values of the host into the memory. Waits for the stream: only some drivers read pageable memory before they return.</summary>
    public void Upload(ReadOnlySpan<double> source, ulong target)
    {
        fixed (double* pointer = source)
        {
            CudaDriver.Check(cuMemcpyAsync(target, (ulong)pointer, (nuint)(source.Length * sizeof(double)), _stream), nameof(cuMemcpyAsync));
            Synchronize();
        }
    }

    /// <summary>Copies values of the memory to the host. Waits for the stream.</summary>
    public void Download(ulong source, Span<double> target)
    {
        fixed (double* pointer = target)
        {
            CudaDriver.Check(cuMemcpyAsync((ulong)pointer, source, (nuint)(target.Length * sizeof(double)), _stream), nameof(cuMemcpyAsync));
            Synchronize();
        }
    }

    /// <summary>Releases memory, stream and context. What the stream has to do is done before.</summary>
    public void Dispose()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        using (Enter())
        {
            Release();
            CudaDriver.Check(cuStreamDestroy_v2(_stream), nameof(cuStreamDestroy_v2));
        }

        CudaDriver.Check(cuDevicePrimaryCtxRelease_v2(_accelerator.DeviceId), nameof(cuDevicePrimaryCtxRelease_v2));
    }

    private void Release()
    {
        var memory = _memory;
        (_memory, _bytes) = (0, 0);
        if (memory != 0) CudaDriver.Check(cuMemFree_v2(memory), nameof(cuMemFree_v2));
    }

    private static ulong Address(ArrayView<float> view) => (ulong)view.LoadEffectiveAddressAsPtr();

    [LibraryImport(Library)]
    private static partial CudaError cuDevicePrimaryCtxRetain(out nint context, int device);

    [LibraryImport(Library)]
    private static partial CudaError cuDevicePrimaryCtxRelease_v2(int device);

    [LibraryImport(Library)]
    private static partial CudaError cuStreamCreate(out nint stream, uint flags);

    [LibraryImport(Library)]
    private static partial CudaError cuStreamDestroy_v2(nint stream);

    [LibraryImport(Library)]
    private static partial CudaError cuStreamSynchronize(nint stream);

    [LibraryImport(Library)]
    private static partial CudaError cuStreamQuery(nint stream);

    [LibraryImport(Library)]
    private static partial CudaError cuMemAlloc_v2(out ulong address, nuint bytes);

    [LibraryImport(Library)]
    private static partial CudaError cuMemFree_v2(ulong address);

    [LibraryImport(Library)]
    private static partial CudaError cuMemcpyAsync(ulong target, ulong source, nuint bytes, nint stream);

    [LibraryImport(Library)]
    private static partial CudaError cuMemcpyPeerAsync(ulong target, nint targetContext, ulong source, nint sourceContext, nuint bytes, nint stream);
}
