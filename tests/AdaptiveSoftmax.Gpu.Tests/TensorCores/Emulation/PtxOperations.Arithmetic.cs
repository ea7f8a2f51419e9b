namespace AdaptiveSoftmax.Gpu.Tests.TensorCores.Emulation;

// Numbers. Registers hold 64 bits, of which narrower instructions see the lower ones.
internal static partial class PtxOperations
{
    private static PtxOperation? Arithmetic(string opcode, PtxOperand[] operands) => opcode switch
    {
        "mov.b32" or "mov.u32" or "mov.f32" => Unary(operands, a => (uint)a),
        "mov.b64" or "mov.u64" => Unary(operands, a => a),
        "cvt.s32.s64" => Unary(operands, a => (uint)a),
        "cvt.s64.s32" => Unary(operands, a => (ulong)(int)a),
        "ex2.approx.ftz.f32" => Unary(operands, a => Bits(Flush(MathF.Pow(2, Flush(Float(a)))))),
        "add.s32" or "add.u32" => Binary(operands, (a, b) => (uint)(a + b)),
        "add.s64" or "add.u64" => Binary(operands, (a, b) => a + b),
        "sub.s32" => Binary(operands, (a, b) => (uint)(a - b)),
        "mul.lo.s32" => Binary(operands, (a, b) => (uint)((uint)a * (uint)b)),
        "mul.lo.s64" => Binary(operands, (a, b) => a * b),
        "mul.wide.u32" => Binary(operands, (a, b) => (ulong)(uint)a * (uint)b),
        "div.u32" => Binary(operands, (a, b) => (uint)a / (uint)b),
        "div.s32" => Binary(operands, (a, b) => (uint)((int)a / (int)b)),
        "rem.s32" => Binary(operands, (a, b) => (uint)((int)a % (int)b)),
        "and.b32" or "and.pred" => Binary(operands, (a, b) => (uint)(a & b)),
        "xor.b32" => Binary(operands, (a, b) => (uint)(a ^ b)),
        // Shifts by more than a register's width move everything out.
        "shl.b32" => Binary(operands, (a, b) => (uint)b > 31 ? 0 : (uint)a << (int)b),
        "shl.b64" => Binary(operands, (a, b) => (uint)b > 63 ? 0 : a << (int)b),
        "shr.s32" => Binary(operands, (a, b) => (uint)((int)a >> (int)Math.Min((uint)b, 31))),
        "min.s32" => Binary(operands, (a, b) => (uint)Math.Min((int)a, (int)b)),
        "max.s32" => Binary(operands, (a, b) => (uint)Math.Max((int)a, (int)b)),
        "add.f32" => Binary(operands, (a, b) => Bits(Float(a) + Float(b))),
        "sub.f32" => Binary(operands, (a, b) => Bits(Float(a) - Float(b))),
        "mul.f32" => Binary(operands, (a, b) => Bits(Float(a) * Float(b))),
        // The larger one that is a number.
        "max.f32" => Binary(operands, (a, b) => Bits(float.MaxNumber(Float(a), Float(b)))),
        "cvt.rn.bf16x2.f32" => Binary(operands, (a, b) => ((ulong)BFloat16.Round(Float(a)) << 16) | BFloat16.Round(Float(b))),
        "fma.rn.f32" => Ternary(operands, (a, b, c) => Bits(MathF.FusedMultiplyAdd(Float(a), Float(b), Float(c)))),
        "selp.b32" or "selp.f32" => Ternary(operands, (a, b, c) => (uint)(c == 1 ? a : b)),
        "selp.b64" => Ternary(operands, (a, b, c) => c == 1 ? a : b),
        "setp.eq.s32" => Binary(operands, (a, b) => Truth((int)a == (int)b)),
        "setp.ne.s32" => Binary(operands, (a, b) => Truth((int)a != (int)b)),
        "setp.lt.s32" => Binary(operands, (a, b) => Truth((int)a < (int)b)),
        "setp.le.s32" => Binary(operands, (a, b) => Truth((int)a <= (int)b)),
        "setp.gt.s32" => Binary(operands, (a, b) => Truth((int)a > (int)b)),
        "setp.ge.s32" => Binary(operands, (a, b) => Truth((int)a >= (int)b)),
        "setp.lt.u32" => Binary(operands, (a, b) => Truth((uint)a < (uint)b)),
        "setp.hi.u32" => Binary(operands, (a, b) => Truth((uint)a > (uint)b)),
        "setp.eq.u32" => Binary(operands, (a, b) => Truth((uint)a == (uint)b)),
        "setp.ne.u32" => Binary(operands, (a, b) => Truth((uint)a != (uint)b)),
        "setp.eq.s64" => Binary(operands, (a, b) => Truth(a == b)),
        "setp.lt.s64" => Binary(operands, (a, b) => Truth((long)a < (long)b)),
        "setp.ne.s64" => Binary(operands, (a, b) => Truth(a != b)),
        "setp.gt.and.s32" => Ternary(operands, (a, b, c) => Truth((int)a > (int)b && c == 1)),
        _ => null,
    };

    private static PtxOperation Unary(PtxOperand[] operands, Func<ulong, ulong> function)
    {
        Require(operands, 2);
        var result = Result(operands[0]);
        return (warp, lanes) =>
        {
            foreach (var lane in Warp.Lanes(lanes)) warp.Register(result)[lane] = function(Value(warp, lane, operands[1]));
        };
    }

    private static PtxOperation Binary(PtxOperand[] operands, Func<ulong, ulong, ulong> function)
    {
        Require(operands, 3);
        var result = Result(operands[0]);
        return (warp, lanes) =>
        {
            foreach (var lane in Warp.Lanes(lanes))
                warp.Register(result)[lane] = function(Value(warp, lane, operands[1]), Value(warp, lane, operands[2]));
        };
    }

    private static PtxOperation Ternary(PtxOperand[] operands, Func<ulong, ulong, ulong, ulong> function)
    {
        Require(operands, 4);
        var result = Result(operands[0]);
        return (warp, lanes) =>
        {
            foreach (var lane in Warp.Lanes(lanes))
                warp.Register(result)[lane] = function(Value(warp, lane, operands[1]), Value(warp, lane, operands[2]), Value(warp, lane, operands[3]));
        };
    }

    private static void Require(PtxOperand[] operands, int count)
    {
        if (operands.Length != count) throw new PtxException($"{count} operands were expected, not {operands.Length}.");
    }

    private static float Float(ulong bits) => BitConverter.UInt32BitsToSingle((uint)bits);

    private static ulong Bits(float value) => BitConverter.SingleToUInt32Bits(value);

    private static ulong Truth(bool value) => value ? 1UL : 0UL;

    private static float Flush(float value) => float.IsSubnormal(value) ? MathF.CopySign(0, value) : value;
}
