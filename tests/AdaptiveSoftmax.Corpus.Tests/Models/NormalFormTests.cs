using System.Globalization;
using System.Text;

namespace AdaptiveSoftmax.Corpus.Tests.Models;

/// <summary>The normal forms are those of .NET, also where marks are put in order beforehand.</summary>
public sealed class NormalFormTests
{
    private static readonly Rune[] s_marks = [.. Enumerable.Range(0x300, 0x1F000 - 0x300)
        .Where(value => value is < 0xD800 or > 0xDFFF).Select(value => new Rune(value))
        .Where(rune => Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark || rune.Value is 0xFF9E or 0xFF9F)];

    [Theory]
    [InlineData(NormalizationForm.FormC)]
    [InlineData(NormalizationForm.FormD)]
    [InlineData(NormalizationForm.FormKC)]
    [InlineData(NormalizationForm.FormKD)]
    public void RunsOfAnyMarks_AreThoseOfDotNet(NormalizationForm form)
    {
        Assert.True(s_marks.Length > 1500);
        var random = new Random(3);
        for (var round = 0; round < 40; round++)
        {
            var text = new StringBuilder("aé\u1E9B");
            for (var i = 0; i < 300; i++)
            {
                text.Append(s_marks[random.Next(s_marks.Length)].ToString());
                if (round % 4 == 0 && random.Next(80) == 0) text.Append("ox\u304B");
            }

            Assert.Equal(text.ToString().Normalize(form), NormalForm.Normalize(text.ToString(), form));
        }
    }

    [Fact]
    public void EveryMark_HasItsPlaceAmongAllOthers()
    {
        // Each mark between two dozens of another, in pairs that differ from mark to mark.
        for (var i = 0; i < s_marks.Length; i++)
        {
            var other = s_marks[(i * 7919) % s_marks.Length].ToString();
            var text = "e" + string.Concat(Enumerable.Repeat(s_marks[i] + other, 40));
            Assert.Equal(text.Normalize(NormalizationForm.FormC), NormalForm.Normalize(text, NormalizationForm.FormC));
        }
    }

    [Fact]
    public void AMillionMarksInNoOrder_BecomeThoseInOrder()
    {
        // Moving each past those before it would take 10^11 steps.
        const int Pairs = 500_000;
        var normal = NormalForm.Normalize("a" + string.Concat(Enumerable.Repeat("\u0301\u0327", Pairs)), NormalizationForm.FormD);
        Assert.Equal("a" + new string('\u0327', Pairs) + new string('\u0301', Pairs), normal);
    }
}
