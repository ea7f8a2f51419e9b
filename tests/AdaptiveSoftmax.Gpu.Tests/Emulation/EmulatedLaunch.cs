using System.Buffers.Binary;

namespace AdaptiveSoftmax.Gpu.Tests.Emulation;

/// <summary>A size in three dimensions.</summary>
internal readonly record struct Extent(int X, int Y = 1, int Z = 1)
{
    /// <summary>All of it.</summary>
    public int Count => checked(X * Y * Z);
}

/// <summary>A launch of a kernel on a device that does not exist.</summary>
/// <param name="Memory">The device's memory.</param>
/// <param name="Groups">The groups.</param>
/// <param name="Group">The threads of a group.</param>
/// <param name="SharedBytes">The dynamic shared memory of a group.</param>
internal sealed record EmulatedLaunch(EmulatedMemory Memory, Extent Groups, Extent Group, int SharedBytes)
{
    /// <summary>Whether bank conflicts are counted, which takes time.</summary>
    public bool CountsConflicts { get; init; }

    /// <summary>The bank conflicts of all groups.</summary>
    public int Conflicts { get; private set; }

    /// <summary>The instructions that warps carried out.</summary>
    public long Instructions { get; set; }

    /// <summary>Runs a kernel.</summary>
    /// <param name="program">The kernel.</param>
    /// <param name="arguments">Its arguments: addresses and 32-bit numbers.</param>
    /// <exception cref="PtxException">The kernel does what it must not.</exception>
    public void Run(PtxProgram program, params object[] arguments)
    {
        if (arguments.Length != program.Parameters.Length)
            throw new PtxException($"The kernel has {program.Parameters.Length} parameters, and there are {arguments.Length} arguments.");
        var bytes = new byte[program.ParameterBytes];
        foreach (var (parameter, argument) in program.Parameters.Zip(arguments))
        {
            var place = bytes.AsSpan(parameter.Offset, parameter.Size);
            switch (argument)
            {
                case ulong address when parameter.Size == 8:
                    BinaryPrimitives.WriteUInt64LittleEndian(place, address);
                    break;
                case int number when parameter.Size == 4:
                    BinaryPrimitives.WriteInt32LittleEndian(place, number);
                    break;
                default:
                    throw new PtxException($"The parameter {parameter.Name} has {parameter.Size} bytes, and its argument is a {argument.GetType().Name}.");
            }
        }

        Run(program, bytes);
    }

    /// <summary>Runs a kernel.</summary>
    /// <param name="program">The kernel.</param>
    /// <param name="arguments">The bytes of its arguments, where its parameters are.</param>
    /// <exception cref="PtxException">The kernel does what it must not.</exception>
    public void Run(PtxProgram program, byte[] arguments)
    {
        if (Group.Count > program.MaximumThreads) throw new PtxException($"The kernel is made for {program.MaximumThreads} threads a group, not {Group.Count}.");
        var group = new ThreadGroup(this, program, arguments);
        try
        {
            for (var index = 0; index < Groups.Count; index++) group.Run(index);
        }
        catch (PtxException exception)
        {
            throw new PtxException($"{program.Name}: {exception.Message}");
        }
        finally
        {
            Conflicts += group.Shared.Conflicts;
            Memory.EndLaunch();
        }
    }

    /// <summary>Where dynamic shared memory begins, behind the kernel's own.</summary>
    public int SharedOffset(PtxProgram program) => SharedBytes == 0 ? program.StaticSharedBytes : (program.StaticSharedBytes + 15) / 16 * 16;
}
