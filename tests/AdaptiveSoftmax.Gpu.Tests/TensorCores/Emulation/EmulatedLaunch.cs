namespace AdaptiveSoftmax.Gpu.Tests.TensorCores.Emulation;

/// <summary>A launch of a kernel on a device that does not exist.</summary>
/// <param name="Memory">The device's memory.</param>
/// <param name="Groups">The number of groups.</param>
/// <param name="Threads">The threads of a group.</param>
/// <param name="SharedBytes">The dynamic shared memory of a group.</param>
internal sealed record EmulatedLaunch(EmulatedMemory Memory, int Groups, int Threads, int SharedBytes)
{
    /// <summary>The bank conflicts of all groups.</summary>
    public int Conflicts { get; private set; }

    /// <summary>Runs a kernel.</summary>
    /// <param name="program">The kernel.</param>
    /// <param name="arguments">Its arguments: addresses and 32-bit numbers.</param>
    /// <exception cref="PtxException">The kernel has an unknown instruction or does what it must not.</exception>
    public void Run(PtxProgram program, params object[] arguments)
    {
        if (arguments.Length != program.Parameters.Length)
            throw new PtxException($"The kernel has {program.Parameters.Length} parameters, and there are {arguments.Length} arguments.");
        var values = new Dictionary<string, ulong>(StringComparer.Ordinal);
        foreach (var ((name, size), argument) in program.Parameters.Zip(arguments))
        {
            var (bytes, value) = argument switch
            {
                ulong address => (8, address),
                int number => (4, (ulong)(uint)number),
                _ => throw new PtxException($"Unknown type of the argument for {name}."),
            };
            if (bytes != size) throw new PtxException($"The parameter {name} has {size} bytes, and its argument {bytes}.");
            values.Add(name, value);
        }

        Memory.Forget();
        var operations = PtxOperations.Create(program);
        for (var index = 0; index < Groups; index++)
        {
            var group = new ThreadGroup(this, program, operations, values, index);
            group.Run();
            Conflicts += group.Shared.Conflicts;
        }
    }
}
