using CsCheck;

namespace AdaptiveSoftmax.Tests;

public sealed class StopMatcherTests
{
    // A small alphabet, so that stop strings and their beginnings are everywhere.
    private static readonly Gen<string> s_text = Gen.Char["ab"].Array[0, 30].Select(characters => new string(characters));
    private static readonly Gen<string[]> s_stops = Gen.Char["ab"].Array[1, 5].Select(characters => new string(characters)).Array[0, 4];

    [Fact]
    public void WhateverThePieces_TheTextEndsBeforeTheFirstCompleteStopString() =>
        Gen.Select(s_text, s_stops, Gen.Int[1, 5].Array[30]).Sample((text, stops, lengths) =>
        {
            var matcher = new StopMatcher(stops);
            var (given, position) = ("", 0);
            foreach (var length in lengths)
            {
                var piece = text.Substring(position, Math.Min(length, text.Length - position));
                position += piece.Length;
                given += matcher.Add(piece);
                // What is out must be right whatever comes next.
                Assert.StartsWith(given, Reference(text, stops), StringComparison.Ordinal);
            }

            Assert.Equal(text.Length, position);
            given += matcher.Finish();
            Assert.Equal(Reference(text, stops), given);
            Assert.Equal(given.Length < text.Length, matcher.IsStopped);
        }, iter: 20_000);

    [Fact]
    public void TextThatCannotBeginAStopString_IsNotHeldBack()
    {
        var matcher = new StopMatcher(["abc"]);
        Assert.Equal("xx", matcher.Add("xxa"));
        Assert.Equal("", matcher.Add("b"));
        Assert.Equal("abx", matcher.Add("x"));
        Assert.False(matcher.IsStopped);
    }

    [Theory]
    [InlineData("")]
    [InlineData(null)]
    public void AnEmptyStopString_IsRefused(string? stop)
    {
        Assert.Contains("A stop string is empty", Assert.Throws<ArgumentException>(() => new StopMatcher(["a", stop!])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new TextAssembler([stop!]));
    }

    // Character by character, as the definition says.
    private static string Reference(string text, string[] stops)
    {
        for (var end = 1; end <= text.Length; end++)
        {
            var found = stops.Where(stop => text[..end].EndsWith(stop, StringComparison.Ordinal)).ToArray();
            if (found.Length > 0) return text[..(end - found.Max(stop => stop.Length))];
        }

        return text;
    }
}
