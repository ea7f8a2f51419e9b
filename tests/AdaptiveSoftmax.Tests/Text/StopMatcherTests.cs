using CsCheck;

namespace AdaptiveSoftmax.Tests;

public sealed class StopMatcherTests
{
    // A small alphabet, so that stop strings and their beginnings are everywhere.
    private static readonly Gen<string> s_text = Gen.Char["ab"].Array[0, 30].Select(characters => new string(characters));
    private static readonly Gen<string[]> s_stops = Gen.Char["ab"].Array[1, 5].Select(characters => new string(characters)).Array[0, 4];

    [Fact]
    public void WhateverThePieces_TheTextEndsBeforeTheFirstCompleteStopString() =>
        Gen.Select(s_text, s_stops, s_stops, Gen.Int[1, 5].Array[30]).Sample((text, stops, startStops, lengths) =>
        {
            var matcher = new StopMatcher(stops, startStops);
            var (given, position) = ("", 0);
            foreach (var length in lengths)
            {
                var piece = text.Substring(position, Math.Min(length, text.Length - position));
                position += piece.Length;
                given += matcher.Add(piece);
                // What is out must be right whatever comes next.
                Assert.StartsWith(given, Reference(text, stops, startStops), StringComparison.Ordinal);
            }

            Assert.Equal(text.Length, position);
            given += matcher.Finish();
            Assert.Equal(Reference(text, stops, startStops), given);
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

    [Fact]
    public void HalfASurrogatePair_IsRefused()
    {
        foreach (var stop in new[] { "\ude00", "a\ud83d", "\ude00\ud83d" })
        {
            Assert.Contains("half of a surrogate pair", Assert.Throws<ArgumentException>(() => new StopMatcher([stop])).Message, StringComparison.Ordinal);
            Assert.Throws<ArgumentException>(() => new TextAssembler([], [stop]));
        }

        Assert.Equal("a", new StopMatcher(["🙂\uFFFD"]).Add("a🙂\uFFFDb"));
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
    private static string Reference(string text, string[] stops, string[] startStops)
    {
        for (var end = 1; end <= text.Length; end++)
        {
            var found = stops.Where(stop => text[..end].EndsWith(stop, StringComparison.Ordinal)).Concat(startStops.Where(stop => text[..end] == stop)).ToArray();
            if (found.Length > 0) return text[..(end - found.Max(stop => stop.Length))];
        }

        return text;
    }
}
