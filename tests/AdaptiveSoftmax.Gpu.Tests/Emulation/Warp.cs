using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax.Gpu.Tests.Emulation;

/// <summary>
/// Thirty-two threads that run in step. Where a branch parts them, one side after the other goes on to where all paths
/// meet again, as the assembler arranges it for a device.
/// </summary>
internal sealed unsafe class Warp
{
    public const int Size = 32;

    private readonly PtxProgram _program;
    private readonly Operation[] _operations;
    private readonly byte[] _registers;
    private readonly (PtxRegister Register, string Name)[] _specials;
    private readonly List<Copy>[] _open = CreateLists<Copy>();
    private readonly List<List<Copy>>[] _groups = CreateLists<List<Copy>>();

    // Lanes whose turn comes after the active ones have reached the place where they meet.
    private readonly Stack<(int At, uint Lanes, int Meeting)> _waiting = [];
    private readonly uint _lanes;
    private uint _active;
    private uint _alive;
    private int _next;
    private int _meeting;

    public Warp(ThreadGroup group, PtxProgram program, int index)
    {
        Group = group;
        Index = index;
        _program = program;
        _operations = program.Operations;
        var threads = Math.Min(Size, group.Launch.Group.Count - (index * Size));
        _lanes = threads == Size ? Lanes.All : (1u << threads) - 1;
        _registers = GC.AllocateUninitializedArray<byte>(program.Registers.Bytes + 64, pinned: true);
        Registers = (byte*)(((nint)Unsafe.AsPointer(ref _registers[0]) + 63) & ~63);
        Predicates = new uint[program.Registers.Predicates];
        // What nobody has written must not pass for a zero.
        new Span<uint>(Registers, program.Registers.Bytes / 4).Fill(0x7FFF_FFFF);
        Array.Fill(Predicates, 0x5555_5555u);
        foreach (var ((bits, value), register) in program.Registers.Constants)
        {
            if (bits == 32) new Span<uint>(Registers + register.Place, Size).Fill((uint)value);
            else new Span<ulong>(Registers + register.Place, Size).Fill(value);
        }

        _specials = [.. program.Registers.Specials.Select(special => (special.Register, special.Name))];
    }

    private readonly record struct Copy(uint Address, byte[] Bytes);

    public ThreadGroup Group { get; }

    public int Index { get; }

    /// <summary>The registers, at the places of <see cref="RegisterLayout"/>.</summary>
    public byte* Registers { get; }

    /// <summary>The predicates, a bit for each lane.</summary>
    public uint[] Predicates { get; }

    /// <summary>Whether the warp waits for the other ones.</summary>
    public bool IsWaiting { get; private set; }

    public bool IsDone => _alive == 0;

    /// <summary>The thread's number in the group.</summary>
    public int Thread(int lane) => (Index * Size) + lane;

    /// <summary>What stands for lane 0 in the logs of accesses; for others their number is added.</summary>
    public ulong Entry => Group.Entry(Thread(0));

    /// <summary>A register's lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T* Row<T>(int place)
        where T : unmanaged => (T*)(Registers + place);

    /// <summary>Starts anew for the next group.</summary>
    public void Begin()
    {
        _active = _alive = _lanes;
        (_next, _meeting) = (0, ControlFlow.Nowhere);
        IsWaiting = false;
        foreach (var (register, name) in _specials)
        {
            for (var lane = 0; lane < Size; lane++) ((int*)(Registers + register.Place))[lane] = Group.Special(name, Thread(lane));
        }
    }

    /// <summary>Runs to the next barrier or to the end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run()
    {
        IsWaiting = false;
        var count = 0L;
        try
        {
            while (!IsWaiting && _alive != 0)
            {
                if (_next >= _operations.Length) throw new PtxException("A warp runs past the end.");
                var operation = _operations[_next++];
                var lanes = _active;
                if (operation.Guard >= 0) lanes &= operation.GuardValue ? Predicates[operation.Guard] : ~Predicates[operation.Guard];
                count++;
                if (lanes != 0) operation.Execute(this, lanes);
                while (_next == _meeting) Turn();
            }
        }
        catch (PtxException exception)
        {
            throw new PtxException($"{exception.Message} At '{_program.Instructions[_next - 1].Text}' (instruction {_next - 1}), warp {Index} of group {Group.Number - Group.FirstOfLaunch}.");
        }

        Group.Launch.Instructions += count;
    }

    /// <summary>Sets a predicate for some lanes.</summary>
    public void SetPredicate(int predicate, uint value, uint lanes) => Predicates[predicate] = (Predicates[predicate] & ~lanes) | (value & lanes);

    /// <summary>Some of the lanes go on elsewhere.</summary>
    /// <param name="lanes">The lanes that branch.</param>
    /// <param name="target">Where to.</param>
    /// <param name="meeting">Where they meet those that do not branch.</param>
    /// <param name="isUniform">Whether the instruction promises that all do the same.</param>
    public void Branch(uint lanes, int target, int meeting, bool isUniform)
    {
        var others = _active & ~lanes;
        if (others != 0)
        {
            if (_program.MustNotPart || isUniform) throw new PtxException($"Only lanes {lanes:x8} of a warp branch.");
            // Lanes that leave one loop at different times wait at the same place, once.
            if (meeting != _meeting) _waiting.Push((meeting, _active, _meeting));
            if (_next != meeting) _waiting.Push((_next, others, meeting));
            _active = lanes;
            _meeting = meeting;
        }

        _next = target;
    }

    public void Exit(uint lanes)
    {
        if (_program.MustNotPart) RequireAll(lanes, "end");
        for (var lane = 0; lane < Size; lane++)
            if (_open[lane].Count > 0 || _groups[lane].Exists(group => group.Count > 0)) throw new PtxException("A thread ends while it copies.");
        _alive &= ~lanes;
        _active &= ~lanes;
        if (_active == 0 && _alive != 0) Turn();
    }

    public void Wait(uint lanes)
    {
        if (lanes != _alive) throw new PtxException($"Only lanes {lanes:x8} of a warp meet at a barrier, of {_alive:x8}.");
        IsWaiting = true;
    }

    /// <summary>Throws unless the whole warp takes part, as instructions of a warp demand.</summary>
    public static void RequireAll(uint lanes, string what)
    {
        if (lanes != Lanes.All) throw new PtxException($"Only lanes {lanes:x8} of a warp {what}.");
    }

    public void BeginCopy(int lane, uint address, byte[] bytes)
    {
        Group.Shared.BeginCopy(address, bytes.Length, Entry + (uint)lane);
        _open[lane].Add(new(address, bytes));
    }

    public void CommitCopies(int lane)
    {
        _groups[lane].Add([.. _open[lane]]);
        _open[lane].Clear();
    }

    /// <summary>Copies arrive as late as they may: when their thread waits for them.</summary>
    public void WaitForCopies(int lane, int pending)
    {
        while (_groups[lane].Count > pending)
        {
            foreach (var copy in _groups[lane][0]) Group.Shared.EndCopy(copy.Address, copy.Bytes, Entry + (uint)lane);
            _groups[lane].RemoveAt(0);
        }
    }

    // The next lanes take their turn.
    private void Turn()
    {
        do
        {
            (_next, _active, _meeting) = _waiting.Pop();
            _active &= _alive;
        }
        while (_active == 0);
    }

    private static List<T>[] CreateLists<T>() => [.. Enumerable.Range(0, Size).Select(_ => new List<T>())];
}
