using AdaptiveSoftmax.Gpu.Tests.Emulation;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Driver;

/// <summary>A kernel of a loaded module.</summary>
internal sealed class CudaFunction(PtxProgram program)
{
    private const int SharedWithoutAsking = 48 * 1024;

    private int? _maximumDynamicShared;

    /// <summary>The kernel.</summary>
    public PtxProgram Program { get; } = program;

    /// <summary>The dynamic shared memory that a launch may ask for.</summary>
    public int MaximumDynamicShared
    {
        get => _maximumDynamicShared ?? (SharedWithoutAsking - Program.StaticSharedBytes);
        set
        {
            if (value < 0 || value + Program.StaticSharedBytes > CudaAttributes.MaximumSharedPerGroup)
                throw new CudaFailure(CudaStatus.InvalidValue, $"A group cannot have {value} bytes of dynamic shared memory.");
            _maximumDynamicShared = value;
        }
    }

    /// <summary>Checks a launch as the driver does.</summary>
    /// <returns>The launch; its arguments are a copy.</returns>
    public Action Prepare(EmulatedMemory memory, Extent groups, Extent group, int sharedBytes, byte[] arguments)
    {
        Require(groups is { X: > 0, Y: > 0 and <= 65_535, Z: > 0 and <= 65_535 }, $"A grid of {groups} is none.");
        Require(group is { X: > 0 and <= 1024, Y: > 0 and <= 1024, Z: > 0 and <= 64 } && (long)group.X * group.Y * group.Z <= 1024, $"A group of {group} is none.");
        Require(group.Count <= Program.MaximumThreads, $"The kernel is made for {Program.MaximumThreads} threads a group, not {group.Count}.");
        Require(sharedBytes >= 0 && sharedBytes <= MaximumDynamicShared, $"{sharedBytes} bytes of dynamic shared memory are more than {MaximumDynamicShared}.");
        Require(arguments.Length == Program.ParameterBytes, $"The kernel takes {Program.ParameterBytes} bytes of arguments, not {arguments.Length}.");
        return () =>
        {
            try
            {
                new EmulatedLaunch(memory, groups, group, sharedBytes).Run(Program, arguments);
            }
            catch (PtxException exception)
            {
                throw new CudaFailure(CudaStatus.LaunchFailed, exception.Message);
            }
        };
    }

    private void Require(bool condition, string message)
    {
        if (!condition) throw new CudaFailure(CudaStatus.InvalidValue, $"{Program.Name}: {message}");
    }
}
