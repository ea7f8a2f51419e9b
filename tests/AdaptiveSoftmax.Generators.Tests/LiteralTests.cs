using System.Reflection;
using System.Runtime.InteropServices;
using Microsoft.CodeAnalysis.CSharp;

namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>Binary tables come out of the compiler as they went in.</summary>
public sealed class LiteralTests
{
    [Fact]
    public void EveryUtf16Value_SurvivesAStringLiteral()
    {
        var values = Enumerable.Range(0, 1 << 16).Select(value => (char)value).ToArray();
        var writer = new SourceWriter();
        writer.WriteStringLiteral("static string Text() => ", MemoryMarshal.AsBytes<char>(values).ToArray(), ";");
        Assert.Equal(new string(values), ValueOf(writer));
    }

    [Fact]
    public void EveryPairOfNeighbours_SurvivesAStringLiteral()
    {
        // After each kind of character each other kind: zeros before digits, halves of pairs in both orders, escapes.
        char[] kinds = ['\0', '0', '7', 'x', 'A', '"', '\\', '{', '\n', '\r', '\u0085', '\u2028', '\u200B', '\u202E', '\uFEFF', '\uFFFE', '\uFFFF', '\uD800', '\uDBFF', '\uDC00', '\uDFFF', 'e', '\u0301'];
        var values = kinds.SelectMany(first => kinds.SelectMany(second => new[] { first, second })).ToArray();
        var writer = new SourceWriter();
        writer.WriteStringLiteral("static string Text() => ", MemoryMarshal.AsBytes<char>(values).ToArray(), ";");
        Assert.Equal(new string(values), ValueOf(writer));
    }

    [Fact]
    public void OddByte_IsPaddedWithZero()
    {
        var writer = new SourceWriter();
        writer.WriteStringLiteral("", [1, 2, 3], "");
        Assert.Equal("\"\\u0201\\u0003\"\n", writer.ToText().ToString());
    }

    [Fact]
    public void Numbers_HoldBytesInLittleEndianOrder()
    {
        var writer = new SourceWriter();
        writer.WriteNumbers([.. Enumerable.Range(1, 67).Select(value => (byte)value)]);
        var lines = writer.ToText().ToString().Split('\n');
        Assert.Equal(3, lines.Length);
        Assert.StartsWith("0x0807060504030201UL, 0x100F0E0D0C0B0A09UL, ", lines[0], StringComparison.Ordinal);
        Assert.Equal("0x0000000000434241UL,", lines[1]);
    }

    [Theory]
    [InlineData(ChunkedText.ChunkSize - 4)]
    [InlineData(ChunkedText.ChunkSize - 3)]
    [InlineData(ChunkedText.ChunkSize * 3)]
    public void LongText_IsReadAcrossItsPieces(int length)
    {
        var writer = new SourceWriter();
        var bytes = new byte[length * 2];
        for (var i = 0; i < length; i++) bytes[2 * i] = (byte)('a' + (i % 26));
        writer.WriteStringLiteral("", bytes, "");
        var text = writer.ToText();
        var expected = $"\"{string.Concat(Enumerable.Range(0, length).Select(i => (char)('a' + (i % 26))))}\"\n";
        Assert.Equal(expected.Length, text.Length);
        Assert.Equal(expected, text.ToString());
        Assert.Equal(expected[ChunkedText.ChunkSize - 5], text[ChunkedText.ChunkSize - 5]);
        Assert.Equal(expected[^3..], text.ToString(new Microsoft.CodeAnalysis.Text.TextSpan(expected.Length - 3, 3)));
        Assert.Throws<ArgumentOutOfRangeException>(() => text[expected.Length]);
    }

    /// <summary>What the method Text returns when it runs.</summary>
    private static string ValueOf(SourceWriter writer)
    {
        var tree = CSharpSyntaxTree.ParseText($"static class C\n{{\n{writer.ToText()}\n}}", cancellationToken: TestContext.Current.CancellationToken);
        var compilation = CSharpCompilation.Create("Literals", [tree], GeneratorRun.References, GeneratorRun.Options);
        using var stream = new MemoryStream();
        Assert.Empty(compilation.Emit(stream, cancellationToken: TestContext.Current.CancellationToken).Diagnostics);
        return GeneratorRun.Load(stream.ToArray(), assembly => (string)assembly.GetType("C", throwOnError: true)!.GetMethod("Text", BindingFlags.NonPublic | BindingFlags.Static)!.Invoke(null, null)!);
    }
}
