namespace AdaptiveSoftmax.Gpu.Tests.TensorCores.Emulation;

/// <summary>What an instruction works on.</summary>
internal enum PtxOperandKind
{
    /// <summary>A register, by its number.</summary>
    Register,

    /// <summary>A number, as bits.</summary>
    Constant,

    /// <summary>A register of the hardware, by its name.</summary>
    Special,

    /// <summary>A parameter or a label, by its name.</summary>
    Name,

    /// <summary>A place in memory: an item and a distance in bytes.</summary>
    Address,

    /// <summary>Several items.</summary>
    Vector,
}

/// <summary>An operand of an instruction.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Register">The register's number.</param>
/// <param name="Bits">The number, or an address's distance.</param>
/// <param name="Name">The name.</param>
/// <param name="Items">The items of a vector, or an address's one item.</param>
internal sealed record PtxOperand(PtxOperandKind Kind, int Register = -1, ulong Bits = 0, string Name = "", params PtxOperand[] Items);

/// <summary>An instruction.</summary>
/// <param name="Text">As it was written.</param>
/// <param name="Opcode">The instruction with its types.</param>
/// <param name="Guard">The predicate's register, or -1.</param>
/// <param name="GuardValue">The value of the predicate for which a thread takes part.</param>
/// <param name="Operands">The operands, the result first.</param>
internal sealed record PtxInstruction(string Text, string Opcode, int Guard, bool GuardValue, PtxOperand[] Operands);

/// <summary>A kernel's text, read.</summary>
/// <param name="Parameters">The parameters' names and sizes in bytes, in order.</param>
/// <param name="RegisterCount">The number of registers.</param>
/// <param name="Labels">The instruction that a label stands before.</param>
/// <param name="Instructions">The instructions.</param>
internal sealed record PtxProgram(
    (string Name, int Size)[] Parameters, int RegisterCount, IReadOnlyDictionary<string, int> Labels, PtxInstruction[] Instructions);

/// <summary>Something that the emulator does not know, or that a kernel must not do.</summary>
internal sealed class PtxException(string message) : Exception(message);
