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

    [Fact]
    public void EveryBitOfAKey_ChangesTheSumsUpperBits()
    {
        var key = "adaptive_soft"u8.ToArray();
        KeyHash.LoadShort(key, out var low, out var high);
        var upper = KeyHash.Sum(low, high, KeyHash.SeedOf(0)) >> 32;
        for (var bit = 0; bit < 8 * key.Length; bit++)
        {
            var changed = key.ToArray();
            changed[bit / 8] ^= (byte)(1 << (bit % 8));
            KeyHash.LoadShort(changed, out low, out high);
            Assert.NotEqual(upper, KeyHash.Sum(low, high, KeyHash.SeedOf(0)) >> 32);
        }
    }
}
