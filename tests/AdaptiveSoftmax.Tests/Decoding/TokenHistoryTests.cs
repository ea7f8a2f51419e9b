using AdaptiveSoftmax.Vocabulary;
using CsCheck;

namespace AdaptiveSoftmax.Tests;

public class TokenHistoryTests
{
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(4, 200, [20, 60], [2, 2]);

    [Fact]
    public void CutBack_LeavesWhatTheFirstTokensAloneMake()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        Gen.Select(Gen.Int[0, 199].Array[0, 300], Gen.Int[0, 300]).Sample((tokens, kept) =>
        {
            kept = Math.Min(kept, tokens.Length);
            TokenHistory cut = layer.CreateHistory(), expected = layer.CreateHistory();
            cut.Add(tokens);
            var copy = cut.Clone();
            cut.CutBack(kept);
            expected.Add(tokens.AsSpan(0, kept));
            AssertSame(expected, cut);

            // And it goes on as if nothing had been; the copy has seen nothing of it.
            cut.Add(tokens);
            expected.Add(tokens);
            AssertSame(expected, cut);
            var whole = layer.CreateHistory();
            whole.Add(tokens);
            AssertSame(whole, copy);
        });
    }

    [Fact]
    public void CutBack_RefusesWhatIsNotThere()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        var history = layer.CreateHistory();
        history.Add([3, 3]);
        Assert.Throws<ArgumentOutOfRangeException>(() => history.CutBack(3));
        Assert.Throws<ArgumentOutOfRangeException>(() => history.CutBack(-1));
        Assert.Equal([3, 3], history.Tokens);
    }

    private static void AssertSame(TokenHistory expected, TokenHistory actual)
    {
        Assert.Equal(expected.Tokens, actual.Tokens);
        Assert.Equal(expected.Slots, actual.Slots);
        Assert.Equal(expected.Counts, actual.Counts);
        for (var part = 0; part < 3; part++)
            Assert.Equal((expected.Distinct(part), expected.MostFrequent(part)), (actual.Distinct(part), actual.MostFrequent(part)));
    }
}
