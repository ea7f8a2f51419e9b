using System.Globalization;

namespace AdaptiveSoftmax;

/// <summary>
/// The learning rate over the steps of a run: an immutable value that knows the rate at every step, so that a run that is
/// resumed needs nothing but its step. Set <see cref="Optimizer.LearningRate"/> from <see cref="RateAt"/> before each step.
/// </summary>
/// <example><c>LearningRateSchedule.Cosine(3e-4, steps: 100_000).WithWarmUp(2_000).RateAt(run.Step)</c></example>
public abstract record LearningRateSchedule
{
    private LearningRateSchedule()
    {
    }

    /// <summary>The same rate at every step.</summary>
    /// <param name="rate">The rate.</param>
    /// <exception cref="ArgumentOutOfRangeException">The rate is negative or not finite.</exception>
    public static LearningRateSchedule Constant(double rate) => new ConstantRate(Check(rate, nameof(rate)));

    /// <summary>A straight line, and its end from there on: PyTorch's <c>LinearLR</c>.</summary>
    /// <param name="first">The rate at step 0.</param>
    /// <param name="last">The rate from step <paramref name="steps"/> on.</param>
    /// <param name="steps">The steps between the two, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A rate is negative or not finite, or there is no step.</exception>
    public static LearningRateSchedule Linear(double first, double last, long steps) =>
        new LinearRate(Check(first, nameof(first)), Check(last, nameof(last)), CheckSteps(steps));

    /// <summary>Half a cosine, and its end from there on: PyTorch's <c>CosineAnnealingLR</c> up to <c>T_max</c>.</summary>
    /// <param name="first">The rate at step 0.</param>
    /// <param name="steps">The steps until <paramref name="last"/>, at least 1.</param>
    /// <param name="last">The rate from step <paramref name="steps"/> on.</param>
    /// <exception cref="ArgumentOutOfRangeException">A rate is negative or not finite, or there is no step.</exception>
    public static LearningRateSchedule Cosine(double first, long steps, double last = 0) =>
        new CosineRate(Check(first, nameof(first)), Check(last, nameof(last)), CheckSteps(steps));

    /// <summary>
    /// first · √(steps / (steps + step)), which has fallen to half after three times <paramref name="steps"/>. With a warm-up
    /// of as many steps it is the schedule of the Transformer, and fairseq's <c>inverse_sqrt</c>.
    /// </summary>
    /// <param name="first">The rate at step 0.</param>
    /// <param name="steps">How slowly it falls, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The rate is negative or not finite, or there is no step.</exception>
    public static LearningRateSchedule InverseSquareRoot(double first, long steps) =>
        new InverseSquareRootRate(Check(first, nameof(first)), CheckSteps(steps));

    /// <summary>The rate is multiplied by a factor every so many steps: PyTorch's <c>StepLR</c>.</summary>
    /// <param name="first">The rate at step 0.</param>
    /// <param name="steps">The steps from one multiplication to the next, at least 1.</param>
    /// <param name="factor">The factor, PyTorch's <c>gamma</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">Rate or factor is negative or not finite, or there is no step.</exception>
    public static LearningRateSchedule Stairs(double first, long steps, double factor = 0.1) =>
        new StairsRate(Check(first, nameof(first)), CheckSteps(steps), Check(factor, nameof(factor)));

    /// <summary>The rate at a step.</summary>
    /// <param name="step">The steps taken so far: 0 for the first one.</param>
    /// <exception cref="ArgumentOutOfRangeException">The step is negative.</exception>
    public double RateAt(long step)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        return Compute(step);
    }

    /// <summary>
    /// A straight rise before this schedule, which then begins: the first step has a share of 1 / steps of its first rate, the
    /// last one of the rise all of it.
    /// </summary>
    /// <param name="steps">The steps of the rise; 0 for none.</param>
    /// <exception cref="ArgumentOutOfRangeException">The steps are negative.</exception>
    public LearningRateSchedule WithWarmUp(long steps)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(steps);
        return new WarmUp(this, steps);
    }

    /// <summary>This schedule up to a step, and another from there on, which begins then: PyTorch's <c>SequentialLR</c>.</summary>
    /// <param name="step">The first step of the next one.</param>
    /// <param name="next">The next one.</param>
    /// <exception cref="ArgumentOutOfRangeException">The step is negative.</exception>
    public LearningRateSchedule Then(long step, LearningRateSchedule next)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        ArgumentNullException.ThrowIfNull(next);
        return new Sequence(this, step, next);
    }

    private protected abstract double Compute(long step);

    private static double Check(double value, string name) => double.IsFinite(value) && value >= 0
        ? value
        : throw new ArgumentOutOfRangeException(name, value.ToString(CultureInfo.InvariantCulture), $"{name} must be a finite number that is not negative.");

    private static long CheckSteps(long steps)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        return steps;
    }

    private sealed record ConstantRate(double Rate) : LearningRateSchedule
    {
        private protected override double Compute(long step) => Rate;
    }

    private sealed record LinearRate(double First, double Last, long Steps) : LearningRateSchedule
    {
        private protected override double Compute(long step) => step >= Steps ? Last : First + ((Last - First) * step / Steps);
    }

    private sealed record CosineRate(double First, double Last, long Steps) : LearningRateSchedule
    {
        private protected override double Compute(long step) =>
            step >= Steps ? Last : Last + ((First - Last) * (1 + Math.Cos(Math.PI * step / Steps)) / 2);
    }

    private sealed record InverseSquareRootRate(double First, long Steps) : LearningRateSchedule
    {
        private protected override double Compute(long step) => First * Math.Sqrt(Steps / ((double)Steps + step));
    }

    private sealed record StairsRate(double First, long Steps, double Factor) : LearningRateSchedule
    {
        private protected override double Compute(long step) => First * Math.Pow(Factor, step / Steps);
    }

    private sealed record WarmUp(LearningRateSchedule Schedule, long Steps) : LearningRateSchedule
    {
        private protected override double Compute(long step) =>
            step < Steps ? Schedule.Compute(0) * (step + 1) / Steps : Schedule.Compute(step - Steps);
    }

    private sealed record Sequence(LearningRateSchedule Schedule, long Start, LearningRateSchedule Next) : LearningRateSchedule
    {
        private protected override double Compute(long step) => step < Start ? Schedule.Compute(step) : Next.Compute(step - Start);
    }
}
