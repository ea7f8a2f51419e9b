namespace AdaptiveSoftmax.Gpu.Tests.TensorCores.Emulation;

/// <summary>One group of a launch, its warps run one after the other from barrier to barrier.</summary>
internal sealed class ThreadGroup
{
    private readonly Warp[] _warps;
    private readonly IReadOnlyDictionary<string, ulong> _arguments;

    public ThreadGroup(EmulatedLaunch launch, PtxProgram program, PtxOperation[] operations, IReadOnlyDictionary<string, ulong> arguments, int index)
    {
        Launch = launch;
        Index = index;
        _arguments = arguments;
        Shared = new(launch.SharedBytes);
        _warps = [.. Enumerable.Range(0, launch.Threads / Warp.Size).Select(warp => new Warp(this, program, operations, warp))];
    }

    public EmulatedLaunch Launch { get; }

    public int Index { get; }

    public SharedMemory Shared { get; }

    /// <summary>Runs the group to its end.</summary>
    public void Run()
    {
        while (!Array.TrueForAll(_warps, warp => warp.IsDone))
        {
            foreach (var warp in _warps) warp.Run();
            if (Array.Exists(_warps, warp => warp.IsWaiting) && !Array.TrueForAll(_warps, warp => warp.IsWaiting))
                throw new PtxException("Some warps wait at a barrier that others never reach.");
            Shared.Barrier();
        }
    }

    /// <summary>The value of a parameter.</summary>
    public ulong Argument(string name) =>
        _arguments.TryGetValue(name, out var value) ? value : throw new PtxException($"There is no parameter {name}.");

    /// <summary>The value of a register of the hardware.</summary>
    public ulong Special(string name, int thread) => name switch
    {
        "%tid.x" => (ulong)thread,
        "%ntid.x" => (ulong)Launch.Threads,
        "%ctaid.x" => (ulong)Index,
        "%nctaid.x" => (ulong)Launch.Groups,
        "%dynamic_smem_size" => (ulong)Launch.SharedBytes,
        _ => throw new PtxException($"Unknown register {name}."),
    };
}
