using System.Text;

namespace AdaptiveSoftmax.Vocabulary.Tests.Specs;

/// <summary>What valid specs mean.</summary>
public class SpecReaderTests
{
    private const string Full = """
        {
          "$schema": "softmax.schema.json",
          "hiddenSize": 512,
          "vocabulary": "news.tokens",
          "cutoffs": [2000, 10000],
          "projections": [100, 30],
          "headBias": true,
          "precision": { "head": "float32", "tails": ["float32", "float32"] },
          "seed": 18446744073709551615
        }
        """;

    [Fact]
    public void FullSpec_IsReadMemberByMember()
    {
        var result = SpecReader.Read("news.softmax.json", Full);

        Assert.Empty(result.Errors);
        var spec = result.Spec!;
        Assert.Equal(512, spec.HiddenSize);
        Assert.Equal("news.tokens", spec.TableFile);
        Assert.Equal("news.tokens", result.TableFile);
        Assert.Null(spec.InlineTable);
        Assert.Equal([2000, 10000], spec.Cutoffs);
        Assert.Equal([100, 30], spec.Projections);
        Assert.True(spec.HeadBias);
        Assert.Equal(WeightPrecision.Float32, spec.HeadPrecision);
        Assert.Equal([WeightPrecision.Float32, WeightPrecision.Float32], spec.TailPrecisions);
        Assert.Equal(ulong.MaxValue, spec.Seed);
    }

    [Fact]
    public void MissingOptionalMembers_TakeTheirDefaults()
    {
        var spec = SpecReader.Read("s", """{"hiddenSize": 64, "vocabulary": "t.tokens", "cutoffs": [3, 9, 20]}""").Spec!;

        Assert.Equal(4.0, spec.DivValue);
        Assert.Empty(spec.Projections);
        Assert.False(spec.HeadBias);
        Assert.Equal(3, spec.TailPrecisions.Count);
        Assert.Equal(1UL, spec.Seed);
    }

    [Fact]
    public void OrderWhiteSpaceLineEndsAndByteOrderMark_MakeNoDifference()
    {
        var spec = SpecReader.Read("s", Full).Spec;
        const string Other = "\uFEFF{\"seed\":18446744073709551615,\r\n\"precision\":{\"tails\":\"float32\"},\r\"headBias\":true," +
            "\t\"projections\":[1.00e2,30.0],\"cutoffs\":[2e3,\n10000],\"vocabulary\":\"news\\u002etokens\",\"hiddenSize\":51.2E1}\n\n";

        Assert.Equal(spec, SpecReader.Read("s", Other).Spec);
    }

    [Fact]
    public void InlineTokens_TakeTheirIndexAsIdAndAreRankedByCount()
    {
        var table = SpecReader.Read("s", """
            {
              "hiddenSize": 16, "cutoffs": [2],
              "vocabulary": ["the", "caf\u00e9 \ud83d\ude00", { "token": "x", "id": 70, "count": 12 }, { "bytes": "ff00C3" }, { "token": "y", "count": 12 }]
            }
            """).Spec!.InlineTable!;

        Assert.Equal([4, 70, 0, 1, 3], table.Ids.ToArray());
        Assert.Equal([12, 12, 0, 0, 0], table.Counts.ToArray());
        Assert.Equal("y"u8, table.GetToken(0));
        Assert.Equal("x"u8, table.GetToken(1));
        Assert.Equal("the"u8, table.GetToken(2));
        Assert.Equal(Encoding.UTF8.GetBytes("café 😀"), table.GetToken(3));
        Assert.Equal([0xff, 0x00, 0xc3], table.GetToken(4).ToArray());
    }
}
