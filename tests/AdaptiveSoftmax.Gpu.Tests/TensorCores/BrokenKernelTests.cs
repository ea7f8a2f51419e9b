using AdaptiveSoftmax.Generators;
using AdaptiveSoftmax.Gpu.Tests.Emulation;
using Xunit.Sdk;

namespace AdaptiveSoftmax.Gpu.Tests.TensorCores;

/// <summary>Kernels with one fault must be found out, or the tests of the others prove nothing.</summary>
public sealed class BrokenKernelTests
{
    private const string Barrier = "global::ILGPU.Group.Barrier();";

    [Theory]
    [InlineData(nameof(TensorCoreRole.Logits), 0)]
    [InlineData(nameof(TensorCoreRole.Logits), 1)]
    [InlineData(nameof(TensorCoreRole.Logits), 2)]
    [InlineData(nameof(TensorCoreRole.Logits), 3)]
    [InlineData(nameof(TensorCoreRole.Gradient), 1)]
    [InlineData(nameof(TensorCoreRole.Gradient), 2)]
    [InlineData(nameof(TensorCoreRole.Gradient), 3)]
    [InlineData(nameof(TensorCoreRole.InputGradient), 0)]
    [InlineData(nameof(TensorCoreRole.InputGradient), 1)]
    [InlineData(nameof(TensorCoreRole.WeightGradient), 0)]
    [InlineData(nameof(TensorCoreRole.WeightGradient), 1)]
    public void MissingBarrier_IsFound(string role, int barrier)
    {
        var exception = Assert.Throws<PtxException>(() => Check(Enum.Parse<TensorCoreRole>(role), source =>
        {
            var at = -1;
            for (var i = 0; i <= barrier; i++) at = source.IndexOf(Barrier, at + 1, StringComparison.Ordinal);
            Assert.True(at > 0);
            return source.Remove(at, Barrier.Length);
        }));
        Assert.Contains("shared address", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WaitingForTooFewCopies_IsFound()
    {
        var exception = Assert.Throws<PtxException>(() => Check(TensorCoreRole.Logits, source => source.Replace("wait_group 1", "wait_group 2", StringComparison.Ordinal)));
        Assert.Contains("still copying", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void CopyOfRowsPastTheEnd_IsFound()
    {
        var exception = Assert.Throws<PtxException>(() => Check(TensorCoreRole.Logits, source => source.Replace("selp.b32 b0, size, 0, p", "mov.u32 b0, size", StringComparison.Ordinal)));
        Assert.Contains("outside of all buffers", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    // Padding of the rows is read, the pieces' order of one side is another, and a column past the end counts.
    [InlineData("2 * (depth - leftPiece * 8)", "2 * (depth + 4 - leftPiece * 8)")]
    [InlineData("(leftPiece ^ (leftRow & 7))", "(leftPiece ^ (leftRow & 3))")]
    [InlineData("selp.f32 v, 0f00000000, 0fFF800000, p", "mov.f32 v, 0f00000000")]
    // The rows' halves change places; two lanes of a row are left out; a sum is of another row.
    [InlineData("{a0, a1, a2, a3}, {b0, b1}", "{a1, a0, a3, a2}, {b0, b1}")]
    [InlineData("shfl.sync.bfly.b32 v, x, 2", "shfl.sync.bfly.b32 v, x, 1")]
    [InlineData("(((lane >> 3) & 1) ^ (lane & 7))", "((lane >> 4) ^ (lane & 7))")]
    // A strip begins with the sums of the one before, has one tile, or forgets its first tile's maximum.
    [InlineData("mov.f32 total, 0f00000000;", "")]
    [InlineData("tile < end", "tile < strip * tilesPerStrip + 1")]
    [InlineData("max.f32 w, top, v", "mov.f32 w, v")]
    public void WrongNumbers_AreFound(string right, string wrong) =>
        Assert.ThrowsAny<XunitException>(() => Check(TensorCoreRole.Logits, source => source.Replace(right, wrong, StringComparison.Ordinal)));

    [Fact]
    public void SwizzleLeftOut_IsFoundInTheBanks()
    {
        var kernel = Create(TensorCoreRole.Logits, source => source.Replace("^ (leftRow & 7)", "", StringComparison.Ordinal)
            .Replace("((lane >> 4) ^ (lane & 7))", "(lane >> 4)", StringComparison.Ordinal));
        Assert.NotEqual(0, LogitsTests.Check(kernel, 70, 140, 72, true));
    }

    [Fact]
    public void WarpThatParts_IsFound()
    {
        var exception = Assert.Throws<PtxException>(() => Check(TensorCoreRole.Logits, source => source.Replace("vote.sync.any.pred p, p, 0xffffffff;", "", StringComparison.Ordinal)));
        Assert.Contains("of a warp branch", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    // A share begins with the first column or the first row of an operand, ends in the next share, or is another's place.
    [InlineData(nameof(TensorCoreRole.InputGradient), "start + leftPiece * 8", "leftPiece * 8")]
    [InlineData(nameof(TensorCoreRole.InputGradient), "(start + rightRow)", "rightRow")]
    [InlineData(nameof(TensorCoreRole.InputGradient), "Math.Min(share, columns - start)", "Math.Min(columns, columns - start)")]
    [InlineData(nameof(TensorCoreRole.InputGradient), "(long)index * rows", "(long)(1 - index) * rows")]
    [InlineData(nameof(TensorCoreRole.WeightGradient), "(long)(start + leftRow)", "(long)leftRow")]
    [InlineData(nameof(TensorCoreRole.WeightGradient), "(long)(start + rightRow)", "(long)rightRow")]
    [InlineData(nameof(TensorCoreRole.WeightGradient), "Math.Min(share, rows - start)", "Math.Min(rows, rows - start)")]
    [InlineData(nameof(TensorCoreRole.WeightGradient), "(long)index * columns", "(long)(1 - index) * columns")]
    public void WrongShares_AreFound(string role, string right, string wrong) =>
        Assert.ThrowsAny<XunitException>(() => Check(Enum.Parse<TensorCoreRole>(role), source => source.Replace(right, wrong, StringComparison.Ordinal), shares: 2));

    [Fact]
    public void ResultWrittenTwice_IsFound()
    {
        var exception = Assert.Throws<PtxException>(() => Check(
            TensorCoreRole.InputGradient, source => source.Replace("tile += global::ILGPU.Grid.DimX", "tile++", StringComparison.Ordinal)));
        Assert.Contains("in the same launch", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void UnknownInstruction_IsNamed()
    {
        var exception = Assert.Throws<PtxException>(() => Check(TensorCoreRole.Logits, source => source.Replace("max.f32 u, u, v", "max.NaN.f32 u, u, v", StringComparison.Ordinal)));
        Assert.Contains("max.NaN.f32", exception.Message, StringComparison.Ordinal);
    }

    // Several tiles a group, and several steps a tile, of which the last is in the first stage, where results go.
    private static void Check(TensorCoreRole role, Func<string, string> edit, int shares = 1)
    {
        var kernel = Create(role, edit);
        switch (role)
        {
            case TensorCoreRole.Logits:
                LogitsTests.Check(kernel, 200, 140, 196, true, tilesPerStrip: 2);
                break;
            case TensorCoreRole.Gradient:
                GradientTests.Check(kernel, 200, 140, 196, 1, true);
                break;
            case TensorCoreRole.InputGradient:
                OutputTests.CheckInputGradient(kernel, 200, 196, 139, 1, shares);
                break;
            default:
                OutputTests.CheckWeightGradient(kernel, 196, 140, 139, 1, shares, accumulate: false);
                break;
        }
    }

    // With 64 columns a thread would copy from where it then copies to, and need no barrier in between.
    private static CompiledKernel Create(TensorCoreRole role, Func<string, string> edit) =>
        CompiledKernel.Create(new("Broken", role, 0, 64, role == TensorCoreRole.Gradient ? 128 : 64, 2, 2, 3), edit);
}
