namespace AdaptiveSoftmax.Gpu.Tests.Emulation;

/// <summary>What an instruction works on.</summary>
internal enum PtxOperandKind
{
    /// <summary>A register, by its place.</summary>
    Register,

    /// <summary>A number, as bits.</summary>
    Constant,

    /// <summary>A parameter or a label, by its name.</summary>
    Name,

    /// <summary>A place in memory: an item and a distance in bytes.</summary>
    Address,

    /// <summary>Several items.</summary>
    Vector,
}

/// <summary>An operand of an instruction.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Register">The register.</param>
/// <param name="Bits">The number, or an address's distance.</param>
/// <param name="Name">The name.</param>
/// <param name="Items">The items of a vector, or an address's one item.</param>
internal sealed record PtxOperand(PtxOperandKind Kind, PtxRegister Register = default, ulong Bits = 0, string Name = "", params PtxOperand[] Items);

/// <summary>An instruction.</summary>
/// <param name="Text">As it was written.</param>
/// <param name="Opcode">The instruction with its types.</param>
/// <param name="Guard">The predicate, or null.</param>
/// <param name="GuardValue">The value of the predicate for which a thread takes part.</param>
/// <param name="Operands">The operands, the result first.</param>
internal sealed record PtxInstruction(string Text, string Opcode, PtxRegister? Guard, bool GuardValue, PtxOperand[] Operands);

/// <summary>A parameter of a kernel.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Offset">Where it starts among all parameters' bytes.</param>
/// <param name="Size">Its bytes.</param>
internal sealed record PtxParameter(string Name, int Offset, int Size);

/// <summary>A kernel, ready to run.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Parameters">The parameters in order.</param>
/// <param name="Registers">Where its registers are.</param>
/// <param name="Instructions">The instructions.</param>
/// <param name="Operations">What carries each instruction out.</param>
/// <param name="StaticSharedBytes">The shared memory that it declares itself.</param>
/// <param name="MaximumThreads">The threads that a group may have at most.</param>
/// <param name="MustNotPart">Whether branches must not part a warp: the promise of kernels that multiply matrices.</param>
internal sealed record PtxProgram(
    string Name, PtxParameter[] Parameters, RegisterLayout Registers, PtxInstruction[] Instructions, Operation[] Operations,
    int StaticSharedBytes, int MaximumThreads, bool MustNotPart)
{
    /// <summary>The bytes of all parameters.</summary>
    public int ParameterBytes => Parameters.Length == 0 ? 0 : Parameters[^1].Offset + Parameters[^1].Size;
}

/// <summary>Something that the emulator does not know, or that a kernel must not do.</summary>
internal sealed class PtxException(string message) : Exception(message);
