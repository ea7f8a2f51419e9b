using System.Runtime.InteropServices;
using AdaptiveSoftmax.Gpu.Tests.Emulation;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Driver;

// Memory and copies.
internal static unsafe partial class CudaExports
{
    [UnmanagedCallersOnly]
    private static CudaStatus cuMemGetInfo_v2(nint* free, nint* total) => Call(() =>
    {
        _ = CudaDevice.Current;
        *free = (nint)(CudaAttributes.MemoryBytes - Device.Memory.AllocatedBytes);
        *total = (nint)CudaAttributes.MemoryBytes;
    });

    [UnmanagedCallersOnly]
    private static CudaStatus cuMemAlloc_v2(ulong* address, nint size) => Call(() =>
    {
        var context = CudaDevice.CurrentForWaiting("cuMemAlloc");
        if (size <= 0) throw new CudaFailure(CudaStatus.InvalidValue, "A buffer of no bytes was asked for.");
        if (Device.AllocationsLeft-- <= 0) throw new CudaFailure(CudaStatus.OutOfMemory, "The device was told to have no room for another buffer.");
        if (size > CudaAttributes.MemoryBytes - Device.Memory.AllocatedBytes) throw new CudaFailure(CudaStatus.OutOfMemory, $"The device has no {size} bytes left.");
        *address = Device.Memory.Allocate(size);
        context.Buffers.Add(*address);
    });

    // Buffers belong to their context, whoever's is current; and what may still use one is done before.
    [UnmanagedCallersOnly]
    private static CudaStatus cuMemFree_v2(ulong address) => Call(() =>
    {
        if (address == 0) return;
        var context = CudaDevice.CurrentForWaiting("cuMemFree");
        context.FinishAll();
        if (!context.Buffers.Remove(address) || !Device.Memory.Free(address)) throw new CudaFailure(CudaStatus.InvalidValue, $"{address:x} is no buffer of the context.");
    });

    // Memory of the host that is not pinned is read at once; where it is written, the call waits.
    [UnmanagedCallersOnly]
    private static CudaStatus cuMemcpyAsync(ulong target, ulong source, nint length, nint stream) => Call(() =>
    {
        var on = Device.Stream(stream);
        if (length == 0) return;
        var (toDevice, fromDevice) = (EmulatedMemory.IsDevice(target), EmulatedMemory.IsDevice(source));
        if (!toDevice && !fromDevice) throw new CudaFailure(CudaStatus.InvalidValue, "Neither address is the device's.");
        if (toDevice && fromDevice)
        {
            RequireInside(target, length);
            RequireInside(source, length);
            on.Add(() => Span(source, length).CopyTo(Span(target, length)));
            return;
        }

        if (on.Capture is { } capture)
        {
            capture.IsInvalidated = true;
            throw new CudaFailure(CudaStatus.StreamCaptureUnsupported, "Copies of memory that is not pinned are not recorded.");
        }

        if (toDevice)
        {
            RequireInside(target, length);
            var bytes = new ReadOnlySpan<byte>((void*)source, checked((int)length)).ToArray();
            on.Add(() => bytes.CopyTo(Span(target, length)));
            return;
        }

        RequireInside(source, length);
        on.Context.Order(on);
        on.Context.Finish(on);
        Span(source, length).CopyTo(new Span<byte>((void*)target, checked((int)length)));
    });

    // From one context to another, which may be those of one device.
    [UnmanagedCallersOnly]
    private static CudaStatus cuMemcpyPeerAsync(ulong target, nint targetContext, ulong source, nint sourceContext, nint length, nint stream) => Call(() =>
    {
        var on = Device.Stream(stream);
        RequireOf(Device.Get<CudaContext>(targetContext), target);
        RequireOf(Device.Get<CudaContext>(sourceContext), source);
        RequireInside(target, length);
        RequireInside(source, length);
        on.Add(() => Span(source, length).CopyTo(Span(target, length)));
    });

    private static void RequireOf(CudaContext context, ulong address)
    {
        if (!context.Has(address)) throw new CudaFailure(CudaStatus.InvalidValue, $"{address:x} is no memory of the context.");
    }

    [UnmanagedCallersOnly]
    private static CudaStatus cuMemsetD8Async(ulong target, byte value, nint length, nint stream) => Call(() =>
    {
        var on = Device.Stream(stream);
        if (length == 0) return;
        RequireInside(target, length);
        on.Add(() => Span(target, length).Fill(value));
    });

    private static void RequireInside(ulong address, nint length)
    {
        try
        {
            Device.Memory.Span(address, length);
        }
        catch (PtxException exception)
        {
            throw new CudaFailure(CudaStatus.InvalidValue, exception.Message);
        }
    }

    private static Span<byte> Span(ulong address, nint length)
    {
        try
        {
            return Device.Memory.Span(address, length);
        }
        catch (PtxException exception)
        {
            throw new CudaFailure(CudaStatus.LaunchFailed, exception.Message);
        }
    }
}
