namespace AdaptiveSoftmax.Gpu.Tests.TensorCores.Emulation;

/// <summary>Carries an instruction out for some lanes of a warp.</summary>
internal delegate void PtxOperation(Warp warp, uint lanes);

/// <summary>The instructions that are known: those that tensor-core kernels have, and no others.</summary>
internal static partial class PtxOperations
{
    /// <summary>Prepares the instructions of a kernel.</summary>
    /// <exception cref="PtxException">An instruction is unknown.</exception>
    public static PtxOperation[] Create(PtxProgram program) => [.. program.Instructions.Select(Create)];

    private static PtxOperation Create(PtxInstruction instruction)
    {
        var operands = instruction.Operands;
        return instruction.Opcode switch
        {
            "bra" or "bra.uni" => (warp, lanes) => warp.Branch(lanes, operands[0].Name),
            "ret" => (warp, lanes) => warp.Exit(lanes),
            "bar.sync" => (warp, lanes) => warp.Wait(lanes),
            _ => Arithmetic(instruction.Opcode, operands) ?? Memory(instruction.Opcode, operands) ?? Matrix(instruction.Opcode, operands)
                ?? throw new PtxException($"Unknown instruction '{instruction.Text}'."),
        };
    }

    private static ulong Value(Warp warp, int lane, PtxOperand operand) => operand.Kind switch
    {
        PtxOperandKind.Register => warp.Register(operand.Register)[lane],
        PtxOperandKind.Constant => operand.Bits,
        PtxOperandKind.Special => warp.Group.Special(operand.Name, warp.Thread(lane)),
        _ => throw new PtxException($"A value was expected, not '{operand.Name}'."),
    };

    // A vector's items, or the operand itself where an instruction takes one value.
    private static PtxOperand[] Items(PtxOperand operand, int count)
    {
        var items = operand.Kind == PtxOperandKind.Vector ? operand.Items : [operand];
        return items.Length == count ? items : throw new PtxException($"{count} registers were expected, not {items.Length}.");
    }

    private static int Result(PtxOperand operand) =>
        operand.Kind == PtxOperandKind.Register ? operand.Register : throw new PtxException("A register was expected for the result.");
}
