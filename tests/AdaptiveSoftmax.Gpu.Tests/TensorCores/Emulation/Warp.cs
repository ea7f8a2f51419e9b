using System.Numerics;
using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Gpu.Tests.TensorCores.Emulation;

/// <summary>
/// Thirty-two threads that run in step. Branches must not part them: the kernels promise that, since instructions of a
/// whole warp, and barriers, are only defined where all of its threads come along.
/// </summary>
internal sealed class Warp
{
    public const int Size = 32;

    private const uint All = uint.MaxValue;

    private readonly PtxProgram _program;
    private readonly PtxOperation[] _operations;
    private readonly ulong[] _registers;
    private readonly List<Copy>[] _open = CreateLists<Copy>();
    private readonly List<List<Copy>>[] _groups = CreateLists<List<Copy>>();
    private int _next;

    public Warp(ThreadGroup group, PtxProgram program, PtxOperation[] operations, int index)
    {
        Group = group;
        _program = program;
        _operations = operations;
        Index = index;
        _registers = new ulong[program.RegisterCount * Size];
        // What nobody has written must not pass for a zero.
        Array.Fill(_registers, 0x7FFF_FFFF_7FFF_FFFFUL);
    }

    private readonly record struct Copy(uint Address, byte[] Bytes);

    public ThreadGroup Group { get; }

    public int Index { get; }

    /// <summary>Whether the warp waits for the other ones.</summary>
    public bool IsWaiting { get; private set; }

    public bool IsDone { get; private set; }

    /// <summary>A register's values, lane by lane.</summary>
    public Span<ulong> Register(int register) => _registers.AsSpan(register * Size, Size);

    /// <summary>The thread's number in the group.</summary>
    public int Thread(int lane) => (Index * Size) + lane;

    /// <summary>Runs to the next barrier or to the end.</summary>
    public void Run()
    {
        IsWaiting = false;
        while (!IsWaiting && !IsDone) Step();
    }

    /// <summary>Goes on at a label.</summary>
    public void Branch(uint lanes, string label)
    {
        RequireAll(lanes, "branch");
        if (!_program.Labels.TryGetValue(label, out _next)) throw new PtxException($"There is no label {label}.");
    }

    public void Exit(uint lanes)
    {
        RequireAll(lanes, "end");
        for (var lane = 0; lane < Size; lane++)
            if (_open[lane].Count > 0 || _groups[lane].Exists(group => group.Count > 0)) throw new PtxException("A thread ends while it copies.");
        IsDone = true;
    }

    public void Wait(uint lanes)
    {
        RequireAll(lanes, "meet at a barrier");
        IsWaiting = true;
    }

    /// <summary>Throws unless the whole warp takes part, as instructions of a warp demand.</summary>
    public static void RequireAll(uint lanes, string what)
    {
        if (lanes != All) throw new PtxException($"Only lanes {lanes:x8} of a warp {what}.");
    }

    public void BeginCopy(int lane, uint address, byte[] bytes)
    {
        Group.Shared.BeginCopy(address, bytes.Length, Thread(lane));
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
            foreach (var copy in _groups[lane][0]) Group.Shared.EndCopy(copy.Address, copy.Bytes, Thread(lane));
            _groups[lane].RemoveAt(0);
        }
    }

    /// <summary>The lanes of a mask.</summary>
    public static LaneEnumerator Lanes(uint mask) => new(mask);

    private void Step()
    {
        var at = _next++;
        if (at >= _operations.Length) throw new PtxException("A warp runs past the end.");
        var instruction = _program.Instructions[at];
        var active = All;
        if (instruction.Guard >= 0)
        {
            var guard = Register(instruction.Guard);
            for (var lane = 0; lane < Size; lane++)
                if (guard[lane] != (instruction.GuardValue ? 1UL : 0UL)) active &= ~(1u << lane);
        }

        if (active == 0) return;
        try
        {
            _operations[at](this, active);
        }
        catch (PtxException exception)
        {
            throw new PtxException($"{exception.Message} At '{instruction.Text}' (instruction {at}), warp {Index} of group {Group.Index}.");
        }
    }

    private static List<T>[] CreateLists<T>() => [.. Enumerable.Range(0, Size).Select(_ => new List<T>())];

    /// <summary>Goes over the lanes of a mask.</summary>
    [StructLayout(LayoutKind.Auto)]
    internal struct LaneEnumerator(uint mask)
    {
        private uint _rest = mask;

        public int Current { get; private set; }

        public readonly LaneEnumerator GetEnumerator() => this;

        public bool MoveNext()
        {
            if (_rest == 0) return false;
            Current = BitOperations.TrailingZeroCount(_rest);
            _rest &= _rest - 1;
            return true;
        }
    }
}
