using System.Globalization;

namespace LanguageModelSample;

/// <summary>What can compute.</summary>
internal enum DeviceKind
{
    /// <summary>The processor, through the runtime's own kernels.</summary>
    Cpu,

    /// <summary>An OpenCL device.</summary>
    OpenCl,

    /// <summary>A CUDA device.</summary>
    Cuda,
}

/// <summary>A device as the command line names it.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="Index">Which of that kind.</param>
internal sealed record DeviceName(DeviceKind Kind, int Index = 0)
{
    /// <summary>Reads a kind, or a kind and an index as in "opencl:1"; null for anything else.</summary>
    public static DeviceName? TryParse(string text)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var index = 0;
        if (colon >= 0 && !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out index)) return null;
        return (colon < 0 ? text : text[..colon]) switch
        {
            "cpu" when colon < 0 => new DeviceName(DeviceKind.Cpu),
            "opencl" => new DeviceName(DeviceKind.OpenCl, index),
            "cuda" => new DeviceName(DeviceKind.Cuda, index),
            _ => null,
        };
    }

    public override string ToString()
    {
        var kind = Kind switch { DeviceKind.OpenCl => "opencl", DeviceKind.Cuda => "cuda", _ => "cpu" };
        return Index == 0 ? kind : string.Create(CultureInfo.InvariantCulture, $"{kind}:{Index}");
    }
}
