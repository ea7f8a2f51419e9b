using System.Buffers.Binary;
using CsCheck;

namespace AdaptiveSoftmax.Vocabulary.Tests;

public class KeyHashTests
{
    private static readonly Gen<byte[]> ShortKey = Gen.Byte.Array[0, KeyHash.ShortLength];

    [Fact]
    public void ShortKey_IsReadAsItsBytesZerosAndItsLength() => ShortKey.Sample(key =>
    {
        var expected = new byte[16];
        key.CopyTo(expected, 0);
        expected[15] = (byte)key.Length;
        KeyHash.LoadShort(key, out var low, out var high);
        Assert.Equal(BinaryPrimitives.ReadUInt64LittleEndian(expected), low);
        Assert.Equal(BinaryPrimitives.ReadUInt64LittleEndian(expected.AsSpan(8)), high);
    });

    [Fact]
    public void VectorLoad_ReadsTheSameWords()
    {
        Assert.SkipUnless(KeyHash.HasVectorLoad, "This processor has no AVX-512 BW and VL.");
        ShortKey.Sample(key =>
        {
            KeyHash.LoadShort(key, out var low, out var high);
            var vector = KeyHash.LoadShortVector(key);
            Assert.Equal(low, vector[0]);
            Assert.Equal(high, vector[1]);
        });
    }
}
