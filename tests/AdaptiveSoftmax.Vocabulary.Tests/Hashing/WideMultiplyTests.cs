using CsCheck;

namespace AdaptiveSoftmax.Vocabulary.Tests;

public class WideMultiplyTests
{
    [Fact]
    public void ProductOfHalves_IsThe128BitProduct() => Gen.Select(Gen.ULong, Gen.ULong).Sample((left, right) =>
    {
        var product = (UInt128)left * right;
        var folded = (ulong)(product >> 64) ^ (ulong)product;
        Assert.Equal(folded, WideMultiply.FoldByHalves(left, right));
        Assert.Equal(folded, WideMultiply.Fold(left, right));
    });
}
