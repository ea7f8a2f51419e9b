namespace AdaptiveSoftmax.Vocabulary.Tests.Text;

public sealed class ExcerptTests
{
    [Fact]
    public void Line_KeepsAllOfATextOnOneLine()
    {
        Assert.Equal("a\\u000ab\\u000d\\u0009\\u001b\\u2028\\u202e\\u0085 é", Excerpt.Line("a\nb\r\t\u001b\u2028\u202e\u0085 é"));
        Assert.Equal(new string('x', 5000), Excerpt.Line(new string('x', 5000)));
        Assert.Equal("", Excerpt.Line(null));
        Assert.Equal("a\nb\t\\u2028", Excerpt.Message("a\nb\t\u2028"));
    }

    [Fact]
    public void A_text_of_millions_of_characters_is_cut_to_a_few()
    {
        Assert.Equal(new string('a', 40) + "…", Excerpt.Of(new string('a', 5_000_000)));
        Assert.Equal("\"" + new string('a', 40) + "…\"", Excerpt.Quote(new string('a', 41)));
    }

    [Fact]
    public void A_name_keeps_its_beginning_and_its_end()
    {
        Assert.Equal("decoder.layers.0.weight", Excerpt.Name("decoder.layers.0.weight"));
        var name = Excerpt.Name("decoder." + new string('x', 5_000_000) + ".weight");
        Assert.StartsWith("decoder.xxx", name, StringComparison.Ordinal);
        Assert.EndsWith("xxx.weight", name, StringComparison.Ordinal);
        Assert.Equal(121, name.Length);
    }

    [Theory]
    [InlineData("a\u001b[31mb\nc", "a\\u001b[31mb\\u000ac")]
    [InlineData("a\u009b31m\u202eb", "a\\u009b31m\\u202eb")]
    public void What_a_terminal_obeys_is_written_as_its_code(string text, string expected)
    {
        Assert.Equal(expected, Excerpt.Of(text));
        Assert.Equal(expected, Excerpt.Name(text));
    }

    [Fact]
    public void Half_of_a_pair_is_written_as_its_code() => Assert.Equal("\ud83d\ude00 \\ud83d", Excerpt.Of("\ud83d\ude00 \ud83d"));

    [Fact]
    public void A_list_shows_its_first_items_and_how_many_there_are()
    {
        Assert.Equal("1, 2, 3", Excerpt.List([1, 2, 3], 3, value => $"{value}"));
        Assert.Equal("0, 1, 2, 3, 4, 5, 6, 7, … (10,000,000 in all)", Excerpt.List(Enumerable.Range(0, int.MaxValue), 10_000_000, value => $"{value}"));
        Assert.Equal("\\u001bc", Excerpt.List(["\u001bc"], 1, value => value));
    }

    [Fact]
    public void A_message_keeps_its_lines_and_loses_what_moves_a_cursor()
    {
        Assert.Equal("one\r\ntwo\n\tthree", Excerpt.Message("one\r\ntwo\n\tthree"));
        Assert.Equal("all well\\u000derror\\u001b[2K\\u202e", Excerpt.Message("all well\rerror\u001b[2K\u202e"));
    }
}
