using System.Text;

namespace AdaptiveSoftmax.Vocabulary.Tests;

/// <summary>Tokens found by their text.</summary>
public class TokenTextLookupTests
{
    [Theory]
    [InlineData("", 0)]
    [InlineData("the", 1)]
    [InlineData("naïve", 2)]
    [InlineData("鱼", 3)]
    [InlineData("🐟", 4)]
    [InlineData("\uFFFD", 5)]
    [InlineData("nai\u0308ve", -1)]
    [InlineData("\uD83D", -1)]
    [InlineData("\uDC1F", -1)]
    [InlineData("the\uD83D", -1)]
    [InlineData("Ã¯", -1)]
    public void Text_StandsForItsBytesInUtf8(string text, int slot)
    {
        string[] tokens = ["", "the", "naïve", "鱼", "🐟", "\uFFFD"];
        TestTables.Use(TokenLookupTables.Build([.. tokens.Select(Encoding.UTF8.GetBytes)], TestContext.Current.CancellationToken));
        Assert.Equal(slot, TokenLookup<TestTables>.FindSlot(text.AsSpan()));
    }

    [Fact]
    public void TextOfAnyLength_IsFound()
    {
        // Past 128 characters the bytes may not fit on the stack.
        var tokens = Enumerable.Range(0, 400).Select(length => new string('鱼', length)).ToArray();
        TestTables.Use(TokenLookupTables.Build([.. tokens.Select(Encoding.UTF8.GetBytes)], TestContext.Current.CancellationToken));
        for (var slot = 0; slot < tokens.Length; slot++)
        {
            Assert.Equal(slot, TokenLookup<TestTables>.FindSlot(tokens[slot].AsSpan()));
            Assert.Equal(-1, TokenLookup<TestTables>.FindSlot((tokens[slot] + "x").AsSpan()));
        }
    }
}
