using System.Globalization;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

namespace AdaptiveSoftmax.Gpu;

/// <summary>A device has too little memory; the message says how much was needed for what, and what to do.</summary>
public sealed class GpuMemoryException : Exception
{
    internal GpuMemoryException(string device, string purpose, long bytes, long deviceBytes, Exception inner)
        : base(
            string.Create(
                CultureInfo.InvariantCulture,
                $"The device '{device}' with {deviceBytes / 1e9:F1} GB of memory has no room for {bytes / 1e6:F1} MB for {purpose}. Lower GpuOptions.LogitBytes or the tokens of a batch, free other buffers, or take a larger device.{Words(inner)}"),
            inner)
    {
        Purpose = purpose;
        RequiredBytes = bytes;
    }

    /// <summary>What the memory was needed for.</summary>
    public string Purpose { get; }

    /// <summary>The bytes that were asked for.</summary>
    public long RequiredBytes { get; }

    // Drivers use some of their errors for more than one thing, so the error is named.
    private static string Words(Exception inner) => inner switch
    {
        CudaException cuda => $" The driver says {cuda.Error}.",
        CLException openCl => $" The driver says {openCl.Error}.",
        _ => "",
    };
}
