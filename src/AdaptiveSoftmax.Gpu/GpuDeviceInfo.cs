namespace AdaptiveSoftmax.Gpu;

/// <summary>A device that layers can run on.</summary>
/// <param name="Id">What a command line calls it: <c>cuda</c>, <c>opencl</c>, and further ones of a kind <c>cuda:1</c>.</param>
/// <param name="Name">What its driver calls it.</param>
/// <param name="MemoryBytes">Its memory.</param>
public sealed record GpuDeviceInfo(string Id, string Name, long MemoryBytes);
