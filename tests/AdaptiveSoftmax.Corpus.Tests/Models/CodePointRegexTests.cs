namespace AdaptiveSoftmax.Corpus.Tests.Models;

/// <summary>Patterns of a tokenizer's file that go back too often.</summary>
public sealed class CodePointRegexTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(20);

    [Fact]
    public void APatternThatNeedNotGoBack_GivesTheSameMatchesWithoutIt()
    {
        // A hundred million ways to take the letters apart, none of which ends with a digit.
        var text = "ab aab7 " + new string('a', 40) + "! aa7 🎉aa7";
        var regex = new CodePointRegex("(?:a|aa)+[0-9]|b| ", s_patience);
        Assert.Equal(["b", " ", "b", " ", " ", "aa7", " ", "aa7"], Texts(regex, text));
        Assert.True(regex.IsLinear);
        Assert.Equal(["b", " ", "b", " ", " ", "aa7", " ", "aa7"], Texts(regex, text));
    }

    [Fact]
    public void APatternThatMustGoBack_IsRefusedByName()
    {
        const string Pattern = "(?:a|aa)+(?=[0-9])";
        Assert.Equal(["aa"], Texts(new CodePointRegex(Pattern), "aa7"));
        var regex = new CodePointRegex(Pattern, s_patience);
        var message = Assert.Throws<CorpusException>(() => Texts(regex, new string('a', 60))).Message;
        Assert.StartsWith("The pattern \"(?:a|aa)+(?=[0-9])\" goes back and forth", message, StringComparison.Ordinal);
        Assert.False(regex.IsLinear);
    }

    private static List<string> Texts(CodePointRegex regex, string text) => [.. regex.Matches(text).Select(match => text[match.Start..match.End])];
}
