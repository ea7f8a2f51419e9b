namespace AdaptiveSoftmax.CudaEmulation.Tests.Ptx;

/// <summary>Instructions against C#'s own arithmetic.</summary>
public sealed class ArithmeticTests
{
    private static readonly int[] s_integers = [0, 1, -1, 2, -2, 7, -7, 31, 32, 33, 1000, -1000, int.MaxValue, int.MinValue, int.MinValue + 1];

    private static readonly float[] s_floats =
        [0, -0f, 1, -1, 1.5f, 1e-40f, -1e-40f, 3e38f, -3e38f, float.PositiveInfinity, float.NegativeInfinity, float.NaN, 0.1f, 16777217, MathF.PI];

    private static uint[][] Pairs => [.. from a in s_integers from b in s_integers select new[] { (uint)a, (uint)b }];

    private static (float A, float B)[] FloatPairs => [.. from a in s_floats from b in s_floats select (a, b)];

    [Fact]
    public void IntegersOf32Bits()
    {
        Check("add.s32 r, a, b;", (a, b) => a + b);
        Check("sub.s32 r, a, b;", (a, b) => a - b);
        Check("mul.lo.s32 r, a, b;", (a, b) => a * b);
        Check("min.s32 r, a, b;", Math.Min);
        Check("max.s32 r, a, b;", Math.Max);
        Check("min.u32 r, a, b;", (a, b) => (int)Math.Min((uint)a, (uint)b));
        Check("xor.b32 r, a, b;", (a, b) => a ^ b);
        Check("mad.lo.s32 r, a, b, a;", (a, b) => (a * b) + a);
        // Distances beyond the width move everything out, unlike C#'s.
        Check("shl.b32 r, a, b;", (a, b) => (uint)b > 31 ? 0 : a << b);
        Check("shr.s32 r, a, b;", (a, b) => (uint)b > 31 ? a >> 31 : a >> b);
        Check("shr.u32 r, a, b;", (a, b) => (uint)b > 31 ? 0 : a >>> b);
        Check("shl.b32 r, a, 5;", (a, _) => a << 5);
        Check("shr.s32 r, a, 5;", (a, _) => a >> 5);
        Check("shr.u32 r, a, 5;", (a, _) => a >>> 5);
        Check("shl.b32 r, a, 32;", (_, _) => 0);
    }

    [Fact]
    public void Division_RoundsToZeroAndTheLowestNumberWrapsAround()
    {
        Check("div.s32 r, a, b;", (a, b) => b == 0 ? -1 : b == -1 ? unchecked(-a) : a / b);
        Check("rem.s32 r, a, b;", (a, b) => b == 0 ? -1 : b == -1 ? 0 : a % b);
        Check("div.u32 r, a, b;", (a, b) => b == 0 ? -1 : (int)((uint)a / (uint)b));
        Assert.Equal(-3, (int)Probe.Run("div.s32 r, a, b;", [unchecked((uint)-7), 2])[0].R);
        Assert.Equal(-1, (int)Probe.Run("rem.s32 r, a, b;", [unchecked((uint)-7), 2])[0].R);
    }

    [Fact]
    public void IntegersOf64Bits()
    {
        CheckWide("mul.wide.u32 w, a, b;", (a, b) => (long)((ulong)(uint)a * (uint)b));
        CheckWide("mul.wide.s32 w, a, b;", (a, b) => (long)a * b);
        CheckWide("cvt.s64.s32 w, a;", (a, _) => a);
        CheckWide("cvt.u64.u32 w, a;", (a, _) => (uint)a);
        CheckWide("cvt.s64.s32 wide, a; shl.b64 w, wide, 31;", (a, _) => (long)a << 31);
        CheckWide("cvt.s64.s32 wide, a; shl.b64 w, wide, 31; shr.s64 w, w, 33;", (a, _) => ((long)a << 31) >> 33);
        CheckWide("cvt.s64.s32 wide, a; shr.u64 w, wide, 3;", (a, _) => (long)a >>> 3);
        CheckWide("cvt.s64.s32 wide, a; cvt.s64.s32 w, b; mul.lo.s64 w, wide, w;", (a, b) => (long)a * b);
        CheckWide("cvt.s64.s32 wide, a; cvt.s64.s32 w, b; max.s64 w, wide, w;", (a, b) => Math.Max(a, b));
        CheckWide("cvt.s64.s32 wide, a; cvt.s64.s32 w, b; div.s64 w, wide, w;", (a, b) => b == 0 ? -1 : (long)a / b);
        Check("mul.wide.u32 wide, a, b; cvt.s32.s64 r, wide;", (a, b) => a * b);
        Check("cvt.u16.u32 x, a; cvt.s32.u16 r, x;", (a, _) => (ushort)a);
        Check("cvt.s32.s16 r, a;", (a, _) => (short)a);
        Check("cvt.s8.s32 r, a;", (a, _) => (sbyte)a);
        CheckWide("cvt.u64.u16 w, a;", (a, _) => (ushort)a);
        CheckWide("cvt.s64.s16 w, a;", (a, _) => (short)a);
        CheckWide("cvt.s64.s32 wide, a; cvt.u64.u64 w, wide;", (a, _) => a);
    }

    [Fact]
    public void Floats_AreRoundedAsCSharpDoes()
    {
        CheckFloats("add.f32 r, a, b;", (a, b) => a + b);
        CheckFloats("sub.f32 r, a, b;", (a, b) => a - b);
        CheckFloats("mul.f32 r, a, b;", (a, b) => a * b);
        CheckFloats("div.rn.f32 r, a, b;", (a, b) => a / b);
        CheckFloats("fma.rn.f32 r, a, b, a;", (a, b) => MathF.FusedMultiplyAdd(a, b, a));
        CheckFloats("sqrt.rn.f32 r, a;", (a, _) => MathF.Sqrt(a));
        CheckFloats("rcp.rn.f32 r, a;", (a, _) => 1 / a);
        CheckFloats("ex2.approx.f32 r, a;", (a, _) => (float)Math.Pow(2, a));
        CheckFloats("lg2.approx.f32 r, a;", (a, _) => (float)Math.Log2(a));
        Check("cvt.rn.f32.s32 r, a;", (a, _) => BitConverter.SingleToInt32Bits(a));
        // A fused product keeps what two roundings lose.
        CheckFloats("fma.rn.f32 r, a, b, 0fBF800000;", (a, b) => MathF.FusedMultiplyAdd(a, b, -1));
        Assert.NotEqual(0u, Probe.Run("fma.rn.f32 r, a, a, 0fBF800001;", [(1 + MathF.Pow(2, -12), 0)])[0].R);
    }

    [Fact]
    public void MinimumAndMaximum_PreferNumbers()
    {
        CheckFloats("max.f32 r, a, b;", float.MaxNumber);
        CheckFloats("min.f32 r, a, b;", float.MinNumber);
        Assert.Equal(BitConverter.SingleToUInt32Bits(0), Probe.Run("max.f32 r, a, b;", [(-0f, 0f)])[0].R);
    }

    [Fact]
    public void Comparisons_DifferInWhatTheySayToNaN()
    {
        CheckPredicate("eq", (a, b) => a == b);
        CheckPredicate("ne", (a, b) => a < b || a > b);
        CheckPredicate("lt", (a, b) => a < b);
        CheckPredicate("le", (a, b) => a <= b);
        CheckPredicate("gt", (a, b) => a > b);
        CheckPredicate("ge", (a, b) => a >= b);
        CheckPredicate("equ", (a, b) => !(a < b || a > b));
        CheckPredicate("neu", (a, b) => a != b);
        CheckPredicate("ltu", (a, b) => !(a >= b));
        CheckPredicate("leu", (a, b) => !(a > b));
        CheckPredicate("gtu", (a, b) => !(a <= b));
        CheckPredicate("geu", (a, b) => !(a < b));
        CheckPredicate("num", (a, b) => !float.IsNaN(a) && !float.IsNaN(b));
        CheckPredicate("nan", (a, b) => float.IsNaN(a) || float.IsNaN(b));

        static void CheckPredicate(string comparison, Func<float, float, bool> expected) =>
            CheckFloats($"setp.{comparison}.f32 p, a, b; selp.b32 r, 1, 0, p;", (a, b) => BitConverter.UInt32BitsToSingle(expected(a, b) ? 1u : 0));
    }

    [Fact]
    public void Comparisons_KnowSigns()
    {
        Check("setp.lt.s32 p, a, b; selp.b32 r, 1, 0, p;", (a, b) => a < b ? 1 : 0);
        Check("setp.lt.u32 p, a, b; selp.b32 r, 1, 0, p;", (a, b) => (uint)a < (uint)b ? 1 : 0);
        Check("setp.hi.u32 p, a, b; selp.b32 r, 1, 0, p;", (a, b) => (uint)a > (uint)b ? 1 : 0);
        Check("setp.ge.s32 p, a, b; @!p mov.b32 r, 7;", (a, b) => a >= b ? 0 : 7);
        Check("setp.ge.s32 p, a, b; setp.eq.and.s32 q, a, 7, p; selp.b32 r, a, b, q;", (a, b) => a >= b && a == 7 ? a : b);
        Check("setp.ge.s32 p, a, b; setp.eq.s32 q, a, 7; or.pred s, p, q; selp.b32 r, a, b, s;", (a, b) => a >= b || a == 7 ? a : b);
        CheckWide("cvt.s64.s32 wide, a; setp.ge.s64 p, wide, 0; @p mov.b64 w, wide;", (a, _) => Math.Max(a, 0));
    }

    [Fact]
    public void BFloat16_RoundsToEven()
    {
        foreach (var (bits, expected) in new[] { (0x3F808000u, 0x3F80u), (0x3F818000u, 0x3F82u), (0x3F808001u, 0x3F81u), (0x7F7FFFFFu, 0x7F80u), (0x80000001u, 0x8000u) })
            Assert.Equal((expected << 16) | 0x3F80, Probe.Run("cvt.rn.bf16x2.f32 r, a, b;", [bits, 0x3F800000u])[0].R);
    }

    private static void Check(string body, Func<int, int, int> expected) =>
        Assert.Equal(Pairs.Select(pair => expected((int)pair[0], (int)pair[1])), Probe.Run(body, Pairs).Select(result => (int)result.R));

    private static void CheckWide(string body, Func<int, int, long> expected) =>
        Assert.Equal(Pairs.Select(pair => expected((int)pair[0], (int)pair[1])), Probe.Run(body, Pairs).Select(result => (long)result.W));

    // All values that are not numbers are one.
    private static void CheckFloats(string body, Func<float, float, float> expected) =>
        Assert.Equal(
            FloatPairs.Select(pair => Bits(expected(pair.A, pair.B))),
            Probe.Run(body, FloatPairs).Select(result => Bits(BitConverter.UInt32BitsToSingle(result.R))));

    private static uint Bits(float value) => float.IsNaN(value) ? 0x7FFF_FFFF : BitConverter.SingleToUInt32Bits(value);
}
