namespace AdaptiveSoftmax.Gpu.Tests.Emulation;

/// <summary>The groups of a launch, one after the other, each warp's turn going from barrier to barrier.</summary>
internal sealed class ThreadGroup
{
    private readonly Warp[] _warps;
    private readonly HashSet<long> _seen = [];
    private int _index;
    private int _epoch;

    public ThreadGroup(EmulatedLaunch launch, PtxProgram program, byte[] arguments)
    {
        Launch = launch;
        Arguments = arguments;
        Shared = new(launch.SharedOffset(program) + launch.SharedBytes);
        FirstOfLaunch = launch.Memory.NextGroup();
        Number = FirstOfLaunch - 1;
        _warps = [.. Enumerable.Range(0, (launch.Group.Count + Warp.Size - 1) / Warp.Size).Select(warp => new Warp(this, program, warp))];
    }

    public EmulatedLaunch Launch { get; }

    public byte[] Arguments { get; }

    public SharedMemory Shared { get; }

    /// <summary>The group's number among all groups that the device has run.</summary>
    public long Number { get; private set; }

    /// <summary>The number of the launch's first group.</summary>
    public long FirstOfLaunch { get; }

    /// <summary>Whether the group has passed a fence, behind which atomic operations publish what it wrote.</summary>
    public bool HasFenced { get; private set; }

    /// <summary>Runs one group to its end.</summary>
    public void Run(int index)
    {
        (_index, _epoch, HasFenced) = (index, 0, false);
        Number = index == 0 ? FirstOfLaunch : Launch.Memory.NextGroup();
        _seen.Clear();
        foreach (var warp in _warps) warp.Begin();
        while (!Array.TrueForAll(_warps, warp => warp.IsDone))
        {
            foreach (var warp in _warps) warp.Run();
            if (Array.Exists(_warps, warp => warp.IsWaiting) && !Array.TrueForAll(_warps, warp => warp.IsWaiting))
                throw new PtxException($"Some warps wait at a barrier that others never reach, in group {index}.");
            _epoch++;
        }
    }

    /// <summary>What stands for a thread in the logs of accesses.</summary>
    public ulong Entry(int thread) => AccessLog.Entry(Number, _epoch, thread);

    /// <summary>The group passes a fence.</summary>
    public void Fence() => HasFenced = true;

    /// <summary>Whether what another group wrote was published before an atomic operation of this one.</summary>
    public bool HasSeen(long group) => _seen.Contains(group);

    /// <summary>Sees what other groups have published.</summary>
    public void See(HashSet<long> groups)
    {
        if (groups.Count > 0) _seen.UnionWith(groups);
    }

    /// <summary>Whether there is a register of the hardware of that name.</summary>
    public static bool IsSpecial(string name) => name is
        "%tid.x" or "%tid.y" or "%tid.z" or "%ntid.x" or "%ntid.y" or "%ntid.z" or "%ctaid.x" or "%ctaid.y" or "%ctaid.z"
        or "%nctaid.x" or "%nctaid.y" or "%nctaid.z" or "%laneid" or "%dynamic_smem_size";

    /// <summary>The value of a register of the hardware.</summary>
    public int Special(string name, int thread)
    {
        var (group, groups) = (Launch.Group, Launch.Groups);
        return name switch
        {
            "%tid.x" => thread % group.X,
            "%tid.y" => thread / group.X % group.Y,
            "%tid.z" => thread / (group.X * group.Y),
            "%ntid.x" => group.X,
            "%ntid.y" => group.Y,
            "%ntid.z" => group.Z,
            "%ctaid.x" => _index % groups.X,
            "%ctaid.y" => _index / groups.X % groups.Y,
            "%ctaid.z" => _index / (groups.X * groups.Y),
            "%nctaid.x" => groups.X,
            "%nctaid.y" => groups.Y,
            "%nctaid.z" => groups.Z,
            "%laneid" => thread % Warp.Size,
            "%dynamic_smem_size" => Launch.SharedBytes,
            _ => throw new PtxException($"Unknown register {name}."),
        };
    }
}
