using System.IO.Compression;

namespace AdaptiveSoftmax.Corpus.Tests.Sources;

/// <summary>What .NET's own stream packs, and what it takes for an end in silence.</summary>
public sealed class GzipMembersTests
{
    // Around the sizes of buffers, so that a member's last bytes fall on both sides of a border.
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(8150)]
    [InlineData(8190)]
    [InlineData(32_740)]
    [InlineData(100_000)]
    public void MembersOfAnyLength_GiveWhatTheyHold(int length)
    {
        var expected = new List<byte>();
        var file = new List<byte>();
        for (var member = 0; member < 40; member++)
        {
            var bytes = new byte[length + member];
            new Random(member).NextBytes(bytes);
            expected.AddRange(bytes);
            file.AddRange(Pack(bytes));
        }

        Assert.Equal(expected, Read([.. file]));
        Assert.Equal(expected, Read([.. file, .. new byte[40_000]]));
    }

    [Fact]
    public void HeadersWithNamesAndMore_AreReadOver()
    {
        var plain = Pack("text"u8);
        byte[] header = [0x1F, 0x8B, 8, 2 | 4 | 8 | 16, 0, 0, 0, 0, 0, 3, 3, 0, 1, 0, 2, .. "name\0comment\0"u8, 0, 0];
        Assert.Equal("text"u8.ToArray(), Read([.. header, .. plain[10..]]));
    }

    [Fact]
    public void EveryCut_IsAnError()
    {
        var file = Pack("some text, and text again"u8);
        for (var length = 1; length < file.Length; length++) Assert.Throws<InvalidDataException>(() => Read(file[..length]));
    }

    [Fact]
    public void WhatFollowsTheLast_IsAnErrorUnlessItIsZeros()
    {
        var file = Pack("text"u8);
        Assert.Equal("text"u8.ToArray(), Read([.. file, 0, 0, 0]));
        Assert.Throws<InvalidDataException>(() => Read([.. file, 0, 0, 1]));
        Assert.Throws<InvalidDataException>(() => Read([.. file, .. "more text"u8]));
        Assert.Throws<InvalidDataException>(() => Read([.. file, 0x1F]));
    }

    [Fact]
    public void EveryChangedByteOfTheSumAndTheLength_IsAnError()
    {
        var file = Pack("some text"u8);
        for (var place = file.Length - 8; place < file.Length; place++)
        {
            var changed = file.ToArray();
            changed[place] ^= 1;
            Assert.Throws<InvalidDataException>(() => Read(changed));
        }
    }

    private static byte[] Pack(ReadOnlySpan<byte> bytes)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true)) gzip.Write(bytes);
        // .NET writes nothing at all for nothing.
        return packed.Length > 0 ? packed.ToArray() : [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    }

    private static byte[] Read(byte[] file)
    {
        using var members = new GzipMembers(new MemoryStream(file));
        using var read = new MemoryStream();
        members.CopyTo(read, 777);
        return read.ToArray();
    }
}
