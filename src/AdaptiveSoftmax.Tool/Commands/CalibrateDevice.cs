using System.Globalization;
using AdaptiveSoftmax.Gpu;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>The devices of <c>calibrate</c>. Apart from the rest, so that no other command loads what compiles for them.</summary>
internal static class CalibrateDevice
{
    /// <summary>Measures a device.</summary>
    /// <exception cref="ToolException">There is no such device, or it cannot do it.</exception>
    public static MachineProfile Measure(string device, string? name, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        try
        {
            using var context = GpuContext.Create();
            using var accelerator = GpuContext.CreateAccelerator(context, device);
            return DeviceCalibrator.Measure(accelerator, device, name, progress, cancellationToken);
        }
        catch (Exception exception) when (exception is NotSupportedException or GpuMemoryException or AcceleratorException)
        {
            // Ctrl-C reaches the compiler that a driver has started as well, which then fails.
            cancellationToken.ThrowIfCancellationRequested();
            throw new ToolException(exception.Message);
        }
    }

    /// <summary>What --device can name, for a shell that completes it; none where the devices cannot be asked.</summary>
    public static IReadOnlyList<string> Names()
    {
        try
        {
            using var context = GpuContext.Create();
            return [.. GpuContext.ListDevices(context).Select(device => device.Id)];
        }
        catch (Exception exception) when (exception is NotSupportedException or AcceleratorException)
        {
            return [];
        }
    }

    /// <summary>Shows what --device can name.</summary>
    public static void WriteAll(ToolConsole console, bool asJson)
    {
        using var context = GpuContext.Create();
        var devices = GpuContext.ListDevices(context);
        if (asJson)
        {
            ToolJson.Write(console.Output.Profile.Out.Writer, devices);
            return;
        }

        var table = new ToolTable("--device", "name", "memory");
        foreach (var device in devices) table.AddRow(device.Id, Excerpt.Of(device.Name), string.Create(CultureInfo.InvariantCulture, $"{device.MemoryBytes / 1e9:n1} GB"));
        if (devices.Count == 0) console.WriteLine("There is no CUDA or OpenCL device; calibrate without --device measures the processor.");
        else table.Write(console.Output);
    }
}
