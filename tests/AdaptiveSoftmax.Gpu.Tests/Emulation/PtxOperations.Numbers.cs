using System.Globalization;

namespace AdaptiveSoftmax.Gpu.Tests.Emulation;

// Arithmetic, comparisons and conversions.
internal sealed partial class PtxOperations
{
    private Operation? Numbers(string opcode, PtxOperand[] operands) => opcode switch
    {
        "mov.b32" or "mov.u32" or "mov.s32" or "mov.f32" => Unary<uint, Move<uint>>(operands),
        "mov.b64" or "mov.u64" or "mov.s64" => Unary<ulong, Move<ulong>>(operands),
        "cvta.to.global.u64" => Unary<ulong, Move<ulong>>(operands),
        "mov.pred" => Predicate([.. operands, operands[^1]], (a, _) => a),
        "not.pred" => Predicate([.. operands, operands[^1]], (a, _) => ~a),
        "and.pred" => Predicate(operands, (a, b) => a & b),
        "or.pred" => Predicate(operands, (a, b) => a | b),
        "xor.pred" => Predicate(operands, (a, b) => a ^ b),

        "add.s32" or "add.u32" => Binary<uint, Add<uint>>(operands),
        "add.s64" or "add.u64" => Binary<ulong, Add<ulong>>(operands),
        "sub.s32" or "sub.u32" => Binary<uint, Subtract<uint>>(operands),
        "sub.s64" or "sub.u64" => Binary<ulong, Subtract<ulong>>(operands),
        "mul.lo.s32" or "mul.lo.u32" => Binary<uint, Multiply<uint>>(operands),
        "mul.lo.s64" or "mul.lo.u64" => Binary<ulong, Multiply<ulong>>(operands),
        "mad.lo.s32" or "mad.lo.u32" => Ternary<uint, MultiplyAdd<uint>>(operands),
        "mad.lo.s64" or "mad.lo.u64" => Ternary<ulong, MultiplyAdd<ulong>>(operands),
        "mul.wide.u32" => new WideMultiplyOperation(Result(Require(operands, 3)[0], 64), Source(operands[1], 32), Source(operands[2], 32)),
        "mul.wide.s32" => Scalar<int, long>(operands, 64, (a, b) => (long)a * b),
        "neg.s32" => Unary<int, Negate<int>>(operands),
        "neg.s64" => Unary<long, Negate<long>>(operands),
        "abs.s32" => Unary<int, Absolute<int>>(operands),
        "min.s32" => Binary<int, Minimum<int>>(operands),
        "max.s32" => Binary<int, Maximum<int>>(operands),
        "min.u32" => Binary<uint, Minimum<uint>>(operands),
        "max.u32" => Binary<uint, Maximum<uint>>(operands),
        "min.s64" => Binary<long, Minimum<long>>(operands),
        "max.s64" => Binary<long, Maximum<long>>(operands),

        // What a division by zero gives is not defined; devices set all bits. The lowest number by -1 wraps around.
        "div.u32" => Scalar<uint, uint>(operands, 32, (a, b) => b == 0 ? uint.MaxValue : a / b),
        "div.s32" => Scalar<int, int>(operands, 32, (a, b) => b switch { 0 => -1, -1 => unchecked(-a), _ => a / b }),
        "div.s64" => Scalar<long, long>(operands, 64, (a, b) => b switch { 0 => -1, -1 => unchecked(-a), _ => a / b }),
        "rem.u32" => Scalar<uint, uint>(operands, 32, (a, b) => b == 0 ? uint.MaxValue : a % b),
        "rem.s32" => Scalar<int, int>(operands, 32, (a, b) => b switch { 0 => -1, -1 => 0, _ => a % b }),
        "rem.s64" => Scalar<long, long>(operands, 64, (a, b) => b switch { 0 => -1, -1 => 0, _ => a % b }),

        "and.b32" => Binary<uint, And<uint>>(operands),
        "or.b32" => Binary<uint, Or<uint>>(operands),
        "xor.b32" => Binary<uint, ExclusiveOr<uint>>(operands),
        "not.b32" => Unary<uint, Not<uint>>(operands),
        "and.b64" => Binary<ulong, And<ulong>>(operands),
        "or.b64" => Binary<ulong, Or<ulong>>(operands),
        "xor.b64" => Binary<ulong, ExclusiveOr<ulong>>(operands),
        // Shifts by more than a register's width move everything out.
        "shl.b32" => Shift<uint, ShiftLeft<uint>>(operands, (a, b) => b > 31 ? 0 : a << (int)b),
        "shl.b64" => Shift<ulong, ShiftLeft<ulong>>(operands, (a, b) => b > 63 ? 0 : a << (int)b),
        "shr.u32" => Shift<uint, ShiftRight<uint>>(operands, (a, b) => b > 31 ? 0 : a >> (int)b),
        "shr.u64" => Shift<ulong, ShiftRight<ulong>>(operands, (a, b) => b > 63 ? 0 : a >> (int)b),
        "shr.s32" => Shift<int, ShiftRight<int>>(operands, (a, b) => a >> (int)Math.Min(b, 31)),
        "shr.s64" => Shift<long, ShiftRight<long>>(operands, (a, b) => a >> (int)Math.Min(b, 63)),

        "add.f32" or "add.rn.f32" => Binary<float, Add<float>>(operands),
        "sub.f32" or "sub.rn.f32" => Binary<float, Subtract<float>>(operands),
        "mul.f32" or "mul.rn.f32" => Binary<float, Multiply<float>>(operands),
        "fma.rn.f32" => Ternary<float, FusedMultiplyAdd>(operands),
        "min.f32" => Binary<float, MinimumNumber>(operands),
        "max.f32" => Binary<float, MaximumNumber>(operands),
        "neg.f32" => Unary<float, Negate<float>>(operands),
        "abs.f32" => Unary<float, Absolute<float>>(operands),
        "div.rn.f32" => Binary<float, DivideFloats>(operands),
        "rcp.rn.f32" => Unary<float, Reciprocal>(operands),
        "sqrt.rn.f32" => Unary<float, SquareRoot>(operands),
        // The nearest numbers; a device's may be off by two units in the last place.
        "ex2.approx.f32" => Scalar<float>(operands, a => (float)Math.Pow(2, a)),
        "ex2.approx.ftz.f32" => Scalar<float>(operands, a => Flush((float)Math.Pow(2, Flush(a)))),
        "lg2.approx.f32" => Scalar<float>(operands, a => (float)Math.Log2(a)),
        "selp.b32" or "selp.f32" or "selp.s32" or "selp.u32" => Select<uint>(operands, 32),
        "selp.b64" or "selp.s64" or "selp.u64" => Select<ulong>(operands, 64),
        _ => null,
    };

    private Operation? Conversion(string opcode, PtxOperand[] operands) => opcode switch
    {
        // The one that addresses need; the others are rare.
        "cvt.s64.s32" or "cvt.u64.s32" => new WidenOperation(Result(Require(operands, 2)[0], 64), Source(operands[1], 32)),
        "cvt.rn.f32.s32" => Convert<int, float>(operands, a => a),
        "cvt.rn.f32.u32" => Convert<uint, float>(operands, a => a),
        "cvt.rn.f32.s64" => Convert<long, float>(operands, a => a),
        // Saturates, and NaN becomes 0.
        "cvt.rzi.s32.f32" => Convert<float, int>(operands, a => (int)a),
        "cvt.rn.bf16x2.f32" => Scalar<float, uint>(operands, 32, (a, b) => ((uint)BFloat16.Round(a) << 16) | BFloat16.Round(b)),
        _ => opcode.Split('.') is ["cvt", var to, var from] && IntegerType(to) is { } target && IntegerType(from) is { } source ? ConvertIntegers(operands, target, source) : null,
    };

    private static (int Bits, bool IsSigned)? IntegerType(string type) => type switch
    {
        "u8" or "u16" or "u32" or "u64" or "s8" or "s16" or "s32" or "s64" => (int.Parse(type.AsSpan(1), CultureInfo.InvariantCulture), type[0] == 's'),
        _ => null,
    };

    // The value is what the source's type says of its register; narrowed, it is extended again to fill the result's.
    private Operation ConvertIntegers(PtxOperand[] operands, (int Bits, bool IsSigned) target, (int Bits, bool IsSigned) source)
    {
        ulong Convert(ulong value) => Extend(Extend(value, source), target);
        return (source.Bits, target.Bits) switch
        {
            (64, 64) => Convert<ulong, ulong>(operands, Convert),
            (64, _) => Convert<ulong, uint>(operands, a => (uint)Convert(a)),
            (_, 64) => Convert<uint, ulong>(operands, a => Convert(a)),
            _ => Convert<uint, uint>(operands, a => (uint)Convert(a)),
        };

        static ulong Extend(ulong value, (int Bits, bool IsSigned) type)
        {
            var free = 64 - type.Bits;
            return type.IsSigned ? (ulong)((long)(value << free) >> free) : value << free >> free;
        }
    }

    private Operation? Comparison(string[] parts, PtxOperand[] operands)
    {
        if (parts[0] != "setp") return null;
        var combination = parts.Length == 3 ? Combination.None : parts[2] switch
        {
            "and" => Combination.And,
            "or" => Combination.Or,
            "xor" => Combination.Xor,
            _ => throw new PtxException($"Unknown comparison '{string.Join('.', parts)}'."),
        };
        Require(operands, combination == Combination.None ? 3 : 4);
        return parts[^1] switch
        {
            "s32" => Compare<int>(parts[1], operands, combination),
            "u32" or "b32" => Compare<uint>(parts[1], operands, combination),
            "s64" => Compare<long>(parts[1], operands, combination),
            "u64" or "b64" => Compare<ulong>(parts[1], operands, combination),
            "f32" => CompareFloats(parts[1], operands, combination),
            _ => null,
        };
    }

    private Operation? Compare<T>(string comparison, PtxOperand[] operands, Combination combination)
        where T : unmanaged => comparison switch
        {
            "eq" => Compare<T, EqualTo<T>>(operands, combination),
            "ne" => Compare<T, EqualTo<T>>(operands, combination, isNegated: true),
            "lt" or "lo" => Compare<T, LessThan<T>>(operands, combination),
            "gt" or "hi" => Compare<T, LessThan<T>>(operands, combination, isSwapped: true),
            "le" or "ls" => Compare<T, LessThanOrEqual<T>>(operands, combination),
            "ge" or "hs" => Compare<T, LessThanOrEqual<T>>(operands, combination, isSwapped: true),
            _ => null,
        };

    // Names that end in u hold where a value is not a number, the others do not.
    private Operation? CompareFloats(string comparison, PtxOperand[] operands, Combination combination) => comparison switch
    {
        "ne" => Compare<float, OrderedNotEqual<float>>(operands, combination),
        "equ" => Compare<float, OrderedNotEqual<float>>(operands, combination, isNegated: true),
        "neu" => Compare<float, EqualTo<float>>(operands, combination, isNegated: true),
        "geu" => Compare<float, LessThan<float>>(operands, combination, isNegated: true),
        "leu" => Compare<float, LessThan<float>>(operands, combination, isNegated: true, isSwapped: true),
        "gtu" => Compare<float, LessThanOrEqual<float>>(operands, combination, isNegated: true),
        "ltu" => Compare<float, LessThanOrEqual<float>>(operands, combination, isNegated: true, isSwapped: true),
        "nan" => Compare<float, Unordered<float>>(operands, combination),
        "num" => Compare<float, Unordered<float>>(operands, combination, isNegated: true),
        "lo" or "hi" or "ls" or "hs" => null,
        _ => Compare<float>(comparison, operands, combination),
    };

    private unsafe CompareOperation<T, TFunction> Compare<T, TFunction>(PtxOperand[] operands, Combination combination, bool isNegated = false, bool isSwapped = false)
        where T : unmanaged
        where TFunction : IComparison<T>
    {
        var (left, right) = (Source(operands[1], sizeof(T) * 8), Source(operands[2], sizeof(T) * 8));
        if (isSwapped) (left, right) = (right, left);
        return new(Result(operands[0], 1), left, right, isNegated, combination, combination == Combination.None ? 0 : Source(operands[3], 1));
    }

    private unsafe UnaryOperation<T, TFunction> Unary<T, TFunction>(PtxOperand[] operands)
        where T : unmanaged
        where TFunction : IUnary<T> =>
        new(Result(Require(operands, 2)[0], sizeof(T) * 8), Source(operands[1], sizeof(T) * 8));

    private unsafe BinaryOperation<T, TFunction> Binary<T, TFunction>(PtxOperand[] operands)
        where T : unmanaged
        where TFunction : IBinary<T> =>
        new(Result(Require(operands, 3)[0], sizeof(T) * 8), Source(operands[1], sizeof(T) * 8), Source(operands[2], sizeof(T) * 8));

    private unsafe TernaryOperation<T, TFunction> Ternary<T, TFunction>(PtxOperand[] operands)
        where T : unmanaged
        where TFunction : ITernary<T> =>
        new(Result(Require(operands, 4)[0], sizeof(T) * 8), Source(operands[1], sizeof(T) * 8), Source(operands[2], sizeof(T) * 8), Source(operands[3], sizeof(T) * 8));

    private SelectOperation<T> Select<T>(PtxOperand[] operands, int bits)
        where T : unmanaged =>
        new(Result(Require(operands, 4)[0], bits), Source(operands[1], bits), Source(operands[2], bits), Source(operands[3], 1));

    private PredicateOperation Predicate(PtxOperand[] operands, Func<uint, uint, uint> function) =>
        new(Result(Require(operands, 3)[0], 1), Source(operands[1], 1), Source(operands[2], 1), function);

    private unsafe ScalarOperation<T, TResult> Scalar<T, TResult>(PtxOperand[] operands, int resultBits, Func<T, T, TResult> function)
        where T : unmanaged
        where TResult : unmanaged =>
        new(Result(Require(operands, 3)[0], resultBits), Source(operands[1], sizeof(T) * 8), Source(operands[2], sizeof(T) * 8), function);

    private unsafe ScalarOperation<T, T> Scalar<T>(PtxOperand[] operands, Func<T, T> function)
        where T : unmanaged => Convert(operands, function);

    private unsafe ScalarOperation<T, TResult> Convert<T, TResult>(PtxOperand[] operands, Func<T, TResult> function)
        where T : unmanaged
        where TResult : unmanaged
    {
        var source = Source(Require(operands, 2)[1], sizeof(T) * 8);
        return new(Result(operands[0], sizeof(TResult) * 8), source, source, (a, _) => function(a));
    }

    // The distance has 32 bits, whatever is shifted, and is mostly a constant.
    private unsafe Operation Shift<T, TFunction>(PtxOperand[] operands, Func<T, uint, T> function)
        where T : unmanaged
        where TFunction : IShift<T>
    {
        var (result, source, distance) = (Result(Require(operands, 3)[0], sizeof(T) * 8), Source(operands[1], sizeof(T) * 8), Source(operands[2], 32));
        return operands[2].Kind == PtxOperandKind.Constant && operands[2].Bits < (ulong)sizeof(T) * 8 ? new ShiftOperation<T, TFunction>(result, source, (int)operands[2].Bits)
            : new ScalarShiftOperation<T>(result, source, distance, function);
    }

    private static float Flush(float value) => float.IsSubnormal(value) ? MathF.CopySign(0, value) : value;
}
