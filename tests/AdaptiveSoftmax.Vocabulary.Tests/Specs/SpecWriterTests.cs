namespace AdaptiveSoftmax.Vocabulary.Tests.Specs;

public sealed class SpecWriterTests
{
    [Fact]
    public void Spec_ReadsBackAsItWas()
    {
        var spec = new SoftmaxSpec
        {
            HiddenSize = 512,
            TableFile = "né \\ 1.tokens",
            Cutoffs = new EquatableArray<int>([100, 2000]),
            DivValue = 1.6,
            HeadBias = true,
            TailPrecisions = new EquatableArray<WeightPrecision>(new WeightPrecision[2]),
            Seed = ulong.MaxValue,
        };

        AssertReadsBack(spec);
        AssertReadsBack(spec with { DivValue = 4, Projections = new EquatableArray<int>([64, 8]), HeadBias = false, Seed = 1 });
    }

    [Fact]
    public void FullSoftmax_ReadsBackAsItWas_WithoutClusters()
    {
        var spec = new SoftmaxSpec { HiddenSize = 512, TableFile = "news.tokens", IsFull = true, HeadBias = true };
        AssertReadsBack(spec);
        AssertReadsBack(spec with { HeadPrecision = WeightPrecision.Int8 });
        AssertReadsBack(spec with { HeadPrecision = WeightPrecision.Int4 });
        AssertReadsBack(spec with { LogitScale = 0.0625, LogitSoftCap = 30 });
        AssertReadsBack(spec with { LogitSoftCap = 0.1 });
        Assert.Equal(SoftmaxLayout.CreateFull(512, 70, true, 2, 50), (spec with { LogitScale = 2, LogitSoftCap = 50 }).CreateLayout(70));
        Assert.NotEqual(SoftmaxLayout.CreateFull(512, 70, true, 2, 50), spec.CreateLayout(70));
        Assert.Equal("{\n  \"hiddenSize\": 512,\n  \"vocabulary\": \"news.tokens\",\n  \"softmax\": \"full\",\n  \"headBias\": true\n}\n", Write(spec));
        Assert.Equal(SoftmaxLayout.CreateFull(512, 70, hasHeadBias: true), spec.CreateLayout(70));
    }

    [Fact]
    public void Spec_IsWrittenOneMemberALine()
    {
        var spec = new SoftmaxSpec { HiddenSize = 512, TableFile = "news.tokens", Cutoffs = new EquatableArray<int>([100, 2000]) };

        Assert.Equal("{\n  \"hiddenSize\": 512,\n  \"vocabulary\": \"news.tokens\",\n  \"cutoffs\": [100, 2000],\n  \"divValue\": 4\n}\n", Write(spec));
    }

    [Fact]
    public void InlineTokens_AreWrittenAsTextWhereTheyAreText()
    {
        var spec = new SoftmaxSpec
        {
            HiddenSize = 8,
            InlineTable = TokenTable.Create([0, 1, 2], [0, 0, 0], ["é\""u8.ToArray(), [0xff, 0x0a], []]),
            Cutoffs = new EquatableArray<int>([1]),
            TailPrecisions = new EquatableArray<WeightPrecision>(new WeightPrecision[1]),
        };

        Assert.Contains("""["\u00e9\"", { "bytes": "ff0a", "id": 1, "count": 0 }, ""]""", Write(spec).Replace("\n    ", " ", StringComparison.Ordinal).Replace("[ ", "[", StringComparison.Ordinal).Replace("\n  ]", "]", StringComparison.Ordinal), StringComparison.Ordinal);
        AssertReadsBack(spec);
    }

    [Fact]
    public void SpecWithoutVocabulary_IsRefused()
    {
        Assert.Throws<ArgumentException>(() => Write(new SoftmaxSpec { HiddenSize = 4, Cutoffs = new EquatableArray<int>([1]) }));
    }

    private static void AssertReadsBack(SoftmaxSpec spec)
    {
        var read = SpecReader.Read("x.softmax.json", Write(spec));
        Assert.Empty(read.Errors);
        Assert.Equal(spec, read.Spec);
    }

    private static string Write(SoftmaxSpec spec)
    {
        using var writer = new StringWriter();
        SpecWriter.Write(writer, spec);
        return writer.ToString();
    }
}
