namespace AdaptiveSoftmax.Vocabulary.Tests.Tokens;

public sealed class DomainTableTests
{
    private const string Text = "domain\tid\tcount\ncode\tdocuments\t3\ncode\t1\t5\ncode\t70\t2\nd'après\tdocuments\t1\nd'après\t2\t9\n";

    [Fact]
    public void WrittenDomains_AreReadBack()
    {
        DomainCounts[] domains =
        [
            DomainCounts.Create("d'après", 1, [new(2, 9)]),
            DomainCounts.Create("code", 3, [new(70, 2), new(3, 0), new(1, 4), new(1, 1)]),
        ];
        Assert.Equal(Text, Write(domains));
        Assert.Equal(Text, Write(DomainTable.Read("x.domains", Text)));
        Assert.Equal(7, DomainTable.Read("x.domains", Text)[0].Tokens);
    }

    [Fact]
    public void Merging_AddsUpDomainsOfOneName()
    {
        var merged = DomainCounts.Merge([.. DomainTable.Read("a", Text), .. DomainTable.Read("b", "domain\tid\tcount\ncode\t70\t1\nnew\tdocuments\t0\n")]);
        Assert.Equal(Text.Replace("70\t2", "70\t3", StringComparison.Ordinal) + "new\tdocuments\t0\n", Write(merged));
    }

    [Theory]
    [InlineData("", "x(1): the line is missing")]
    [InlineData("1\t2\ta\n", "x(1): the line is not `domain TAB id TAB count`")]
    [InlineData("domain\tid\tcount\na\t1\n", "x(2): the line is not a domain, an id and a count")]
    [InlineData("domain\tid\tcount\na\t-1\t2\n", "x(2): the line has no id")]
    [InlineData("domain\tid\tcount\na\t1\t2\na\t1\t3\n", "x(3): the line counts the id 1 of \"a\" a second time")]
    public void Faults_AreSaidWithTheirLine(string text, string expected) =>
        Assert.StartsWith(expected, Assert.Throws<FormatException>(() => DomainTable.Read("x", text)).Message, StringComparison.Ordinal);

    [Fact]
    public void File_StandsBesideItsTable()
    {
        Assert.Equal("a/news.domains", DomainTable.FileOf("a/news.tokens"));
        Assert.Equal("counts.domains", DomainTable.FileOf("counts"));
    }

    private static string Write(IEnumerable<DomainCounts> domains)
    {
        using var writer = new StringWriter();
        DomainTable.Write(writer, domains);
        return writer.ToString();
    }
}
