using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

public sealed class PrintableTextTests
{
    [Theory]
    [InlineData("plain text, 你好 🙂 and ö", "plain text, 你好 🙂 and ö")]
    [InlineData("\u001b[2J", "\\u001b[2J")]
    [InlineData("a\r\nwarn: forged", "a\\u000d\\u000awarn: forged")]
    [InlineData("\u009b31m\u007f\0", "\\u009b31m\\u007f\\u0000")]
    [InlineData("a\u202egpj.exe\u2066\u200b", "a\\u202egpj.exe\\u2066\\u200b")]
    [InlineData("a\u2028b\u2029c\ufeff", "a\\u2028b\\u2029c\\ufeff")]
    [InlineData("\U000e0041", "\\U000e0041")]
    public void WhatWouldDoSomething_IsWrittenByItsNumber(string text, string escaped)
    {
        Assert.Equal(escaped, PrintableText.Escape(text));
        Assert.Equal(text == escaped, PrintableText.FindUnprintable(text) < 0);
        Assert.Equal(escaped, PrintableText.Escape(escaped));
    }

    [Fact]
    public void QuotedText_IsShort_AndKeepsPairsTogether()
    {
        Assert.Equal(new string('a', 64) + "…", PrintableText.Quote(new string('a', 1000)));
        Assert.Equal(new string('a', 63) + "…", PrintableText.Quote(new string('a', 63) + "🙂🙂"));
        Assert.Equal(new string('a', 64), PrintableText.Quote(new string('a', 64)));
    }
}
