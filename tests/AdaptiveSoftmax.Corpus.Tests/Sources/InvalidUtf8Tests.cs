using System.Text;

namespace AdaptiveSoftmax.Corpus.Tests.Sources;

public sealed class InvalidUtf8Tests
{
    [Theory]
    [InlineData("", null, 0, 0)]
    [InlineData("61C3A9", null, 0, 0)]
    [InlineData("E9", 0xE9, 0, 1)]
    [InlineData("610A0A62FF", 0xFF, 4, 3)]
    [InlineData("61E282", 0xE2, 1, 1)]
    [InlineData("F09F98", 0xF0, 0, 1)]
    [InlineData("EDA080", 0xED, 0, 1)]
    [InlineData("EFBBBF61C0AF", 0xC0, 4, 1)]
    public void TheFirstBytesThatAreNoCharacter_AreFound(string hex, int? value, long index, long line)
    {
        using var stream = new MemoryStream(Convert.FromHexString(hex));
        var found = InvalidUtf8.Find(stream);
        Assert.Equal(value is null ? null : ((byte)value, index, line), found);
    }

    [Fact]
    public void TheIndex_IsThatOfTheFile_WhereverItLies()
    {
        foreach (var length in new[] { 0, 1, 65_534, 65_535, 65_536, 65_537, 200_000 })
        {
            var text = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("é€😀\n", (length / 10) + 1)))[..length];
            // Up to the last whole character of the cut text.
            var whole = text.Length;
            while (whole > 0 && (text[whole - 1] & 0x80) != 0) whole--;
            using var stream = new SlowStream([.. text[..whole], 0xE9, (byte)'a']);
            Assert.Equal(((byte)0xE9, (long)whole, 1L + text.AsSpan(0, whole).Count((byte)'\n')), InvalidUtf8.Find(stream));
        }
    }

    // Gives what it has in odd portions.
    private sealed class SlowStream(byte[] bytes) : MemoryStream(bytes)
    {
        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(buffer.Length, 4_097)]);
    }
}
