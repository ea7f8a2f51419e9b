using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

/// <summary>When a burst begins and ends.</summary>
public sealed class BurstWatchTests
{
    private static readonly BurstOptions s_options = new()
    {
        Name = "budget:1",
        Policy = DecodePolicy.Budget(1),
        Queue = 8,
        Wait = TimeSpan.FromSeconds(4),
        Calm = TimeSpan.FromSeconds(10),
    };

    private readonly ManualTime _time = new();

    [Theory]
    [InlineData(7, 3.9, false)]
    [InlineData(8, 0, true)]
    [InlineData(1, 4, true)]
    [InlineData(0, 100, false)]
    public void BurstBegins_WhenManyWaitOrOneWaitsLong(int waiting, double longest, bool isBurst)
    {
        var watch = new BurstWatch(s_options, _time);
        Assert.Equal(isBurst, watch.Look(waiting, TimeSpan.FromSeconds(longest)));
        Assert.Equal(isBurst, watch.IsBurst);
        Assert.Equal(isBurst ? DecodePolicy.Budget(1) : (DecodePolicy?)null, watch.Policy);
        // Said once.
        Assert.False(watch.Look(waiting, TimeSpan.FromSeconds(longest)));
    }

    [Fact]
    public void BurstEnds_OnlyAfterAWhileBelowAQuarterOfBothBounds()
    {
        var watch = new BurstWatch(s_options, _time);
        Assert.True(watch.Look(8, TimeSpan.Zero));
        foreach (var (waiting, longest) in new[] { (3, 0.0), (2, 1.1), (7, 3.9) })
        {
            // Below what begins one, and above what ends it, for ever.
            for (var look = 0; look < 3; look++)
            {
                _time.Pass(100);
                Assert.False(watch.Look(waiting, TimeSpan.FromSeconds(longest)));
                Assert.True(watch.IsBurst);
            }
        }

        Assert.False(watch.Look(2, TimeSpan.FromSeconds(1)));
        _time.Pass(9);
        Assert.False(watch.Look(0, TimeSpan.Zero));
        // A relapse begins the wait anew.
        Assert.False(watch.Look(3, TimeSpan.Zero));
        _time.Pass(9);
        Assert.False(watch.Look(2, TimeSpan.Zero));
        _time.Pass(9.9);
        Assert.False(watch.Look(2, TimeSpan.Zero));
        Assert.True(watch.IsBurst);
        _time.Pass(0.1);
        Assert.True(watch.Look(2, TimeSpan.Zero));
        Assert.Null(watch.Policy);
    }

    [Fact]
    public void BurstEnds_WhereNobodyIsLeft()
    {
        var watch = new BurstWatch(s_options, _time);
        Assert.False(watch.Rest());
        watch.Look(9, TimeSpan.Zero);
        Assert.True(watch.Rest());
        Assert.False(watch.IsBurst);
    }

    [Fact]
    public void WithoutAPolicy_ThereIsNoBurst()
    {
        var watch = new BurstWatch(null, _time);
        Assert.False(watch.Look(1000, TimeSpan.FromHours(1)));
        Assert.Null(watch.Policy);
    }

    [Theory]
    [InlineData("budget:0")]
    [InlineData("budget:-1")]
    [InlineData("budget:1.5")]
    [InlineData("budget")]
    [InlineData("HEAD-ONLY")]
    [InlineData("")]
    public void WhatIsNoPolicy_IsToldWhatToWrite(string text)
    {
        Assert.Null(BurstOptions.TryParse(text, out var error));
        Assert.Contains("write budget:N", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Policies_AreThoseOfTheLibrary()
    {
        Assert.Equal(DecodePolicy.HeadOnly, BurstOptions.TryParse("head-only", out _)!.Policy);
        Assert.Equal(("budget:3", DecodePolicy.Budget(3)), BurstOptions.TryParse("budget:03", out _) is { } budget ? (budget.Name, budget.Policy) : default);
    }

    private sealed class ManualTime : TimeProvider
    {
        private long _now = 5;

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => _now;

        public void Pass(double seconds) => _now += (long)Math.Round(1000 * seconds);
    }
}
