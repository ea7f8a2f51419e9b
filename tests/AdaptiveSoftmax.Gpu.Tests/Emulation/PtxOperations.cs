namespace AdaptiveSoftmax.Gpu.Tests.Emulation;

/// <summary>The instructions that are known: those that this library's kernels have, and no others.</summary>
internal sealed partial class PtxOperations
{
    private readonly RegisterLayout _registers;
    private readonly IReadOnlyDictionary<string, int> _labels;
    private readonly IReadOnlyDictionary<string, PtxParameter> _parameters;

    private PtxOperations(IReadOnlyDictionary<string, int> labels, RegisterLayout registers, IReadOnlyDictionary<string, PtxParameter> parameters)
    {
        _registers = registers;
        _labels = labels;
        _parameters = parameters;
    }

    /// <summary>Prepares the instructions of a kernel.</summary>
    /// <exception cref="PtxException">An instruction is unknown.</exception>
    public static Operation[] Create(
        IReadOnlyList<PtxInstruction> instructions, IReadOnlyDictionary<string, int> labels, RegisterLayout registers, IReadOnlyDictionary<string, PtxParameter> parameters)
    {
        var operations = new PtxOperations(labels, registers, parameters);
        var meetingPoints = ControlFlow.MeetingPoints(instructions, labels);
        return [.. instructions.Select((instruction, index) =>
        {
            try
            {
                var operation = operations.Create(instruction, meetingPoints[index]);
                if (instruction.Guard is not { } guard) return operation;
                operation.Guard = guard.Bits == 1 ? guard.Place : throw new PtxException("The guard is no predicate.");
                operation.GuardValue = instruction.GuardValue;
                return operation;
            }
            catch (PtxException exception)
            {
                throw new PtxException($"{exception.Message} In '{instruction.Text}'.");
            }
        })];
    }

    private Operation Create(PtxInstruction instruction, int meeting)
    {
        var operands = instruction.Operands;
        var parts = instruction.Opcode.Split('.');
        return Control(instruction.Opcode, operands, meeting) ?? Matrix(instruction.Opcode, operands) ?? Memory(parts, operands)
            ?? Comparison(parts, operands) ?? Numbers(instruction.Opcode, operands) ?? Conversion(instruction.Opcode, operands)
            ?? throw new PtxException($"Unknown instruction {instruction.Opcode}.");
    }

    private OtherOperation? Control(string opcode, PtxOperand[] operands, int meeting)
    {
        switch (opcode)
        {
            case "bra" or "bra.uni":
                var target = _labels.TryGetValue(operands[0].Name, out var at) ? at : throw new PtxException($"There is no label {operands[0].Name}.");
                var isUniform = opcode == "bra.uni";
                return new OtherOperation((warp, lanes) => warp.Branch(lanes, target, meeting, isUniform));
            case "ret" or "exit":
                return new OtherOperation((warp, lanes) => warp.Exit(lanes));
            case "bar.sync":
                return new OtherOperation((warp, lanes) => warp.Wait(lanes));
            case "membar.gl" or "membar.sys":
                return new OtherOperation((warp, _) => warp.Group.Fence());
            case "membar.cta":
                return new OtherOperation((_, _) => { });
            default:
                return null;
        }
    }

    // The place of a value of so many bits.
    private int Source(PtxOperand operand, int bits) => operand.Kind switch
    {
        PtxOperandKind.Register when operand.Register.Bits == bits => operand.Register.Place,
        PtxOperandKind.Register => throw new PtxException($"A register of {operand.Register.Bits} bits stands where {bits} are needed."),
        PtxOperandKind.Constant when bits > 1 => _registers.Constant(bits, operand.Bits).Place,
        _ => throw new PtxException($"A value was expected, not '{operand.Name}'."),
    };

    private static int Result(PtxOperand operand, int bits) => operand.Kind == PtxOperandKind.Register && operand.Register.Bits == bits
        ? operand.Register.Place
        : throw new PtxException($"A register of {bits} bits was expected for the result.");

    // A vector's items, or the operand itself where an instruction takes one value.
    private static PtxOperand[] Items(PtxOperand operand, int count)
    {
        var items = operand.Kind == PtxOperandKind.Vector ? operand.Items : [operand];
        return items.Length == count ? items : throw new PtxException($"{count} registers were expected, not {items.Length}.");
    }

    private static PtxOperand[] Require(PtxOperand[] operands, int count) =>
        operands.Length == count ? operands : throw new PtxException($"{count} operands were expected, not {operands.Length}.");
}
