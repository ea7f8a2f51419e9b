using CsCheck;

namespace AdaptiveSoftmax.Tests;

public sealed class TextAssemblerTests
{
    private static readonly Gen<byte> s_byte = Gen.OneOf(Gen.Byte, Gen.Int[0, 9].Select(i => "aé你🙂"u8[i]));

    [Fact]
    public void WhateverTheTokens_TheTextIsThatOfAllBytes_WithoutACharacterCutOffAtTheEnd() =>
        s_byte.Array[0, 4].Array[0, 12].Sample(tokens =>
        {
            var assembler = new TextAssembler([]);
            var text = "";
            foreach (var token in tokens)
            {
                var piece = assembler.Add(token);
                Assert.False(piece.Length > 0 && char.IsHighSurrogate(piece[^1]));
                text += piece;
            }

            text += assembler.Finish();
            byte[] bytes = [.. tokens.SelectMany(token => token)];
            Assert.Equal(Utf8Text.WithoutCutCharacter(bytes), text);
            Assert.Equal(text.EnumerateRunes().Count(), assembler.Released);
        }, iter: 20_000);

    [Fact]
    public void CharacterOverThreeTokens_ComesWithTheLast()
    {
        var bytes = "🙂"u8.ToArray();
        var assembler = new TextAssembler([]);
        Assert.Equal("", assembler.Add(bytes.AsSpan(0, 1)));
        Assert.Equal("", assembler.Add(bytes.AsSpan(1, 2)));
        Assert.Equal(0, assembler.Decoded);
        Assert.Equal("🙂x", assembler.Add([bytes[3], (byte)'x']));
        Assert.Equal(2, assembler.Decoded);
    }
}
