using System.Globalization;
using CsCheck;

namespace AdaptiveSoftmax.Vocabulary.Tests.Layouts;

public class SoftmaxLayoutTests
{
    [Theory]
    [InlineData(512, 1.6, 0, 319)]
    [InlineData(11, 1.1, 0, 9)]
    [InlineData(512, 4.0, 0, 128)]
    [InlineData(512, 4.0, 4, 0)]
    [InlineData(100, 0.5, 3, 1600)]
    [InlineData(512, double.Epsilon, 0, int.MaxValue)]
    [InlineData(512, 1e-300, 9, int.MaxValue)]
    [InlineData(512, double.MaxValue, 9, 0)]
    [InlineData(512, 1.0, int.MaxValue, 512)]
    public void ProjectionWidth_IsPythonsFloorDivision(int hiddenSize, double divValue, int cluster, int width) =>
        Assert.Equal(width, ProjectionWidth.Compute(hiddenSize, divValue, cluster));

    [Fact]
    public void ProjectionWidth_AgreesWithPythonOnEveryCaseOfTheFixture()
    {
        using var reader = new StreamReader(typeof(SoftmaxLayoutTests).Assembly.GetManifestResourceStream("projection_widths.txt")!);
        var cases = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ')).ToArray();

        Assert.True(cases.Length > 600);
        Assert.All(cases, fields =>
        {
            var hiddenSize = int.Parse(fields[0], CultureInfo.InvariantCulture);
            var divValue = double.Parse(fields[1], CultureInfo.InvariantCulture);
            var cluster = int.Parse(fields[2], CultureInfo.InvariantCulture);
            Assert.Equal(int.Parse(fields[3], CultureInfo.InvariantCulture), ProjectionWidth.Compute(hiddenSize, divValue, cluster));
        });
    }

    [Fact]
    public void Clusters_CoverTheVocabularyAsInPyTorch()
    {
        var layout = SoftmaxLayout.Create(64, 1000, [10, 100, 400], hasHeadBias: true);

        Assert.Equal(10, layout.ShortlistSize);
        Assert.Equal(13, layout.HeadRows);
        Assert.Equal([new(0, 10, 90, 16), new(1, 100, 300, 4), new TailCluster(2, 400, 600, 1)], layout.Tails);
        Assert.Equal((13 * 64) + 13, layout.HeadParameterCount);
        Assert.Equal((16 * 64) + (90 * 16), layout.GetTailParameterCount(0));
        Assert.Equal(845 + (16 * 64) + (90 * 16) + (4 * 64) + (300 * 4) + 64 + 600, layout.ParameterCount);
        Assert.Equal(4 * layout.ParameterCount, layout.ParameterBytes);
        Assert.Equal((0, 0, 1, 1), (layout.ClusterOf(0), layout.ClusterOf(9), layout.ClusterOf(10), layout.ClusterOf(99)));
        Assert.Equal((2, 2, 3, 3), (layout.ClusterOf(100), layout.ClusterOf(399), layout.ClusterOf(400), layout.ClusterOf(999)));
        Assert.Throws<ArgumentOutOfRangeException>(() => layout.ClusterOf(1000));
        Assert.Throws<ArgumentOutOfRangeException>(() => layout.ClusterOf(-1));
    }

    [Fact]
    public void SizesOfHundredsOfThousandsOfTokens_DoNotOverflow()
    {
        var layout = SoftmaxLayout.Create(1 << 20, 2_000_000_000, [1_000_000_000], [1 << 20]);

        Assert.Equal((1_000_000_001L << 20) + ((long)(1 << 20) * (1_000_000_000L + (1 << 20))), layout.ParameterCount);
    }

    [Fact]
    public void FullSoftmax_HasEveryTokenInTheHead()
    {
        var layout = SoftmaxLayout.CreateFull(8, 50);

        Assert.Equal((50, 50, 0), (layout.ShortlistSize, layout.HeadRows, layout.TailCount));
        Assert.Equal(400, layout.ParameterCount);
        Assert.Equal(0, layout.ClusterOf(49));
    }

    [Theory]
    [InlineData(0, 100, new[] { 10 }, 4.0, "hidden size")]
    [InlineData(1 + (1 << 20), 100, new[] { 10 }, 4.0, "hidden size is 1048577; it must be from 1 to 1048576")]
    [InlineData(int.MaxValue, 100, new[] { 10 }, 4.0, "hidden size")]
    [InlineData(1 << 20, 100, new[] { 10 }, 0.5, "width 2097152; it must be at most 1048576")]
    [InlineData(8, 1, new[] { 1 }, 4.0, "at least 2")]
    [InlineData(8, 100, new int[0], 4.0, "no cutoffs")]
    [InlineData(8, 100, new[] { 0 }, 4.0, "start at 1")]
    [InlineData(8, 100, new[] { 10, 10 }, 1.0, "ascend")]
    [InlineData(8, 100, new[] { 20, 10 }, 1.0, "ascend")]
    [InlineData(8, 100, new[] { 100 }, 4.0, "below the vocabulary size 100")]
    [InlineData(8, 100, new[] { 10, 20 }, 4.0, "width 0")]
    [InlineData(8, 100, new[] { 10 }, 0.0, "positive finite")]
    [InlineData(8, 100, new[] { 10 }, -1.0, "positive finite")]
    [InlineData(8, 100, new[] { 10 }, double.NaN, "positive finite")]
    [InlineData(8, 100, new[] { 10 }, double.PositiveInfinity, "positive finite")]
    public void ImpossibleSizes_AreRefusedByName(int hiddenSize, int vocabularySize, int[] cutoffs, double divValue, string message)
    {
        var error = Assert.ThrowsAny<ArgumentException>(() => SoftmaxLayout.Create(hiddenSize, vocabularySize, cutoffs, divValue));

        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void EveryLayout_PartitionsTheSlots()
    {
        var layouts =
            from vocabularySize in Gen.Int[2, 300]
            from cutoffs in Gen.Int[1, vocabularySize - 1].HashSet[1, Math.Min(6, vocabularySize - 1)]
            select SoftmaxLayout.Create(4096, vocabularySize, [.. cutoffs.Order()], divValue: 2);
        layouts.Sample(layout =>
        {
            var sizes = new int[layout.TailCount + 1];
            for (var slot = 0; slot < layout.VocabularySize; slot++) sizes[layout.ClusterOf(slot)]++;
            return sizes[0] == layout.ShortlistSize && sizes.Skip(1).SequenceEqual(layout.Tails.Select(tail => tail.Size));
        });
    }

    [Fact]
    public void Layouts_CompareByTheirSizes()
    {
        var layout = SoftmaxLayout.Create(64, 1000, [10, 100]);

        Assert.Equal(layout, SoftmaxLayout.Create(64, 1000, [10, 100], [16, 4]));
        Assert.Equal(layout.GetHashCode(), SoftmaxLayout.Create(64, 1000, [10, 100], [16, 4]).GetHashCode());
        Assert.NotEqual(layout, SoftmaxLayout.Create(64, 1000, [10, 101]));
        Assert.NotEqual(layout, SoftmaxLayout.Create(64, 1000, [10, 100], [16, 5]));
        Assert.NotEqual(layout, SoftmaxLayout.Create(64, 1001, [10, 100]));
        Assert.NotEqual(layout, SoftmaxLayout.Create(64, 1000, [10, 100], hasHeadBias: true));
    }
}
