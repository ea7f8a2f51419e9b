namespace AdaptiveSoftmax.Corpus.Tests.Tokenizing;

/// <summary>What is wrong in counts that are added up; that sound ones give the bytes of counting at once, the tool's tests show.</summary>
public sealed class CountMergeTests
{
    private const string Shard = "#shard\t1/1\tabc\t10\twords\t2\t<unk>\t\t";

    [Fact]
    public void WordsThatAreNoText_AreNamed()
    {
        // As text both would be the same word.
        var file = CountFile.Read("a.tokens", $"{Shard}\n0\t4\t\\xFF\n1\t2\t\\xFE\n", null);
        var message = Assert.Throws<CorpusException>(() => CountMerge.Merge([file])).Message;
        Assert.StartsWith("a.tokens has the token ", message, StringComparison.Ordinal);
        Assert.Contains("count the shard anew", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("<pad> <pad>")]
    [InlineData("\u00a0")]
    public void WordsInFrontThatAreNone_AreRefusedWithTheirLine(string front)
    {
        var message = Assert.Throws<CorpusException>(() => CountFile.Read("a.tokens", $"{Shard}{front}\n0\t4\ta\n1\t2\tb\n", null)).Message;
        Assert.StartsWith("a.tokens(1): ", message, StringComparison.Ordinal);
    }

    [Fact]
    public void DomainsWhoseSumIsBeyond64Bits_AreOfAnotherCount()
    {
        // The id 5, which the table does not have, comes to 2^64.
        var domains = $"domain\tid\tcount\na\t0\t4\na\t1\t2\na\t5\t{long.MaxValue}\nb\t5\t{long.MaxValue}\nc\t5\t2\n";
        var file = CountFile.Read("a.tokens", $"{Shard}\n0\t4\ta\n1\t2\tb\n", domains);
        Assert.Contains("does not add up", Assert.Throws<CorpusException>(() => CountMerge.Merge([file])).Message, StringComparison.Ordinal);
    }
}
