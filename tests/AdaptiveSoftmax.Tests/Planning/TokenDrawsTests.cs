namespace AdaptiveSoftmax.Tests.Planning;

public sealed class TokenDrawsTests
{
    private static readonly double[] s_counts = [0, 3, 0, 1, 0, 0, 4, 0];

    [Theory]
    [InlineData(0, 1)]
    [InlineData(0.374, 1)]
    [InlineData(0.375, 3)]
    [InlineData(0.499, 3)]
    [InlineData(0.5, 6)]
    [InlineData(0.999, 6)]
    public void Part_BelongsToTheSlotThatReachesBeyondIt(double part, int slot) => Assert.Equal(slot, new TokenDraws(s_counts).Find(part));

    [Fact]
    public void Draws_HaveTheirShares_InNoOrder()
    {
        var draws = new TokenDraws(s_counts).Draw(80, stream: 3);
        Assert.Equal([0, 30, 0, 10, 0, 0, 40, 0], Enumerable.Range(0, 8).Select(slot => draws.Count(drawn => drawn == slot)));
        Assert.NotEqual(draws.Order(), draws);
        Assert.NotEqual(draws, new TokenDraws(s_counts).Draw(80, stream: 4));
        Assert.Equal(Enumerable.Range(0, 80), TokenDraws.Shuffle(80, stream: 1).Order());
    }

    [Fact]
    public void Draws_FollowTheCounts_TheSameEachTime()
    {
        var draws = new TokenDraws(s_counts).Draw(8_000, stream: 3);
        Assert.Equal(draws, new TokenDraws(s_counts).Draw(8_000, stream: 3));
        for (var slot = 0; slot < s_counts.Length; slot++)
        {
            // Five standard deviations of a binomial; none at all where nothing was counted.
            var share = s_counts[slot] / 8.0;
            Assert.InRange(draws.Count(drawn => drawn == slot), (share * 8_000) - (5 * Math.Sqrt(8_000 * share * (1 - share))), (share * 8_000) + (5 * Math.Sqrt(8_000 * share * (1 - share))));
        }
    }
}
