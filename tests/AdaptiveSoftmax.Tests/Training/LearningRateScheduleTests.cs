namespace AdaptiveSoftmax.Tests.Training;

/// <summary>Each schedule against PyTorch's or its paper's formula, a step at a time.</summary>
public sealed class LearningRateScheduleTests
{
    [Fact]
    public void Constant_IsTheSameAtEveryStep()
    {
        Assert.Equal(0.3, LearningRateSchedule.Constant(0.3).RateAt(0));
        Assert.Equal(0.3, LearningRateSchedule.Constant(0.3).RateAt(long.MaxValue));
    }

    [Fact]
    public void Linear_FollowsPyTorchsRecurrence()
    {
        // LinearLR: lr ·= 1 + (end − start) / (total · start + t' · (end − start)), t' the step before.
        var schedule = LearningRateSchedule.Linear(0.25 * 0.05, 0.05, 4);
        var rate = 0.25 * 0.05;
        for (var step = 0; step < 9; step++)
        {
            Assert.Equal(rate, schedule.RateAt(step), 1e-12);
            if (step < 4) rate *= 1 + (0.75 / ((4 * 0.25) + (step * 0.75)));
        }
    }

    [Fact]
    public void Cosine_FollowsPyTorchsRecurrence_AndStaysAtItsEnd()
    {
        var schedule = LearningRateSchedule.Cosine(0.1, steps: 10, last: 0.02);
        var rate = 0.1;
        for (var step = 0; step < 10; step++)
        {
            Assert.Equal(rate, schedule.RateAt(step), 1e-12);
            rate = ((1 + Math.Cos(Math.PI * (step + 1) / 10)) / (1 + Math.Cos(Math.PI * step / 10)) * (rate - 0.02)) + 0.02;
        }

        Assert.Equal(0.02, schedule.RateAt(10));
        Assert.Equal(0.02, schedule.RateAt(1_000_000));
        Assert.Equal(0, LearningRateSchedule.Cosine(1, 7).RateAt(7));
    }

    [Fact]
    public void InverseSquareRootWithAsLongAWarmUp_IsTheTransformers()
    {
        // d^−½ · min(n^−½, n · w^−1.5) at update n, with the peak (d · w)^−½.
        const int Width = 512, WarmUp = 40;
        var schedule = LearningRateSchedule.InverseSquareRoot(1 / Math.Sqrt(Width * (double)WarmUp), WarmUp).WithWarmUp(WarmUp);
        for (var update = 1; update < 400; update++)
        {
            var expected = Math.Min(1 / Math.Sqrt(update), update * Math.Pow(WarmUp, -1.5)) / Math.Sqrt(Width);
            // A rise that ends at its peak has it one step earlier than a fall that begins there.
            Assert.Equal(expected, schedule.RateAt(update <= WarmUp ? update - 1 : update), 1e-12);
        }
    }

    [Fact]
    public void Stairs_MultiplyEverySoManySteps()
    {
        var schedule = LearningRateSchedule.Stairs(0.05, steps: 30, factor: 0.1);
        Assert.Equal((0.05, 0.05), (schedule.RateAt(0), schedule.RateAt(29)));
        Assert.Equal(0.005, schedule.RateAt(30), 1e-15);
        Assert.Equal(0.005, schedule.RateAt(59), 1e-15);
        Assert.Equal(0.0005, schedule.RateAt(60), 1e-15);
    }

    [Fact]
    public void WarmUp_RisesToTheFirstRate_AndTheScheduleBeginsThen()
    {
        var schedule = LearningRateSchedule.Cosine(1, steps: 100).WithWarmUp(4);
        Assert.Equal([0.25, 0.5, 0.75, 1, 1], Enumerable.Range(0, 5).Select(step => schedule.RateAt(step)));
        Assert.Equal(0.5, schedule.RateAt(54), 1e-12);
        Assert.Equal(0, schedule.RateAt(104));
        Assert.Equal(0.3, LearningRateSchedule.Constant(0.3).WithWarmUp(0).RateAt(0));
    }

    [Fact]
    public void Then_GoesOnWithAnotherFromAStep()
    {
        var schedule = LearningRateSchedule.Constant(1).Then(10, LearningRateSchedule.Linear(1, 0, 5)).Then(20, LearningRateSchedule.Constant(0.1));
        Assert.Equal((1.0, 1.0, 0.8, 0.0, 0.1), (schedule.RateAt(9), schedule.RateAt(10), schedule.RateAt(11), schedule.RateAt(19), schedule.RateAt(20)));
    }

    [Fact]
    public void Schedules_AreValues()
    {
        Assert.Equal(LearningRateSchedule.Cosine(1, 5).WithWarmUp(2), LearningRateSchedule.Cosine(1, 5).WithWarmUp(2));
        Assert.NotEqual(LearningRateSchedule.Cosine(1, 5).WithWarmUp(2), LearningRateSchedule.Cosine(1, 5).WithWarmUp(3));
    }

    [Fact]
    public void ValuesOutOfRange_AreRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => LearningRateSchedule.Constant(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => LearningRateSchedule.Constant(double.NaN));
        Assert.Throws<ArgumentOutOfRangeException>(() => LearningRateSchedule.Cosine(double.PositiveInfinity, 5));
        Assert.Throws<ArgumentOutOfRangeException>(() => LearningRateSchedule.Cosine(1, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => LearningRateSchedule.Linear(0, 1, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => LearningRateSchedule.Stairs(1, 5, -0.5));
        Assert.Throws<ArgumentOutOfRangeException>(() => LearningRateSchedule.InverseSquareRoot(1, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => LearningRateSchedule.Constant(1).WithWarmUp(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => LearningRateSchedule.Constant(1).Then(-1, LearningRateSchedule.Constant(1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => LearningRateSchedule.Constant(1).RateAt(-1));
    }
}
