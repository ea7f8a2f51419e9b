using System.Numerics;
using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax;

/// <summary>
/// Adam with decoupled weight decay: <c>torch.optim.AdamW</c>.
/// </summary>
/// <remarks>
/// value −= lr · weightDecay · value; m += (1 − beta1) · (g − m); v = beta2 · v + (1 − beta2) · g²; then
/// value −= lr / (1 − beta1^step) · m / (√v / √(1 − beta2^step) + eps), with the parameter's own count of steps.
/// </remarks>
public sealed class AdamW : Optimizer
{
    /// <summary>Creates the optimizer with PyTorch's arguments and defaults.</summary>
    /// <param name="learningRate">PyTorch's <c>lr</c>.</param>
    /// <param name="beta1">How long the mean of gradients remembers, in [0, 1).</param>
    /// <param name="beta2">How long the mean of squares remembers, in [0, 1).</param>
    /// <param name="epsilon">PyTorch's <c>eps</c>, which keeps the division finite.</param>
    /// <param name="weightDecay">The share of each value, times the learning rate, that a step takes away.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range or not finite.</exception>
    public AdamW(double learningRate = 1e-3, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8, double weightDecay = 1e-2)
        : base("adamw", new Dictionary<string, double>
        {
            [LearningRateSetting] = learningRate,
            ["beta1"] = beta1,
            ["beta2"] = beta2,
            ["eps"] = epsilon,
            [WeightDecaySetting] = weightDecay,
        })
    {
    }

    /// <summary>How long the mean of gradients remembers.</summary>
    public double Beta1 => Settings["beta1"];

    /// <summary>How long the mean of squares remembers.</summary>
    public double Beta2 => Settings["beta2"];

    /// <summary>What keeps the division finite.</summary>
    public double Epsilon => Settings["eps"];

    /// <summary>The share of each value, times the learning rate, that a step takes away.</summary>
    public double WeightDecay => Settings[WeightDecaySetting];

    /// <inheritdoc/>
    protected override IReadOnlyList<StateBuffer> GetState(IReadOnlyDictionary<string, double> settings) => [new("exp_avg"), new("exp_avg_sq")];

    /// <inheritdoc/>
    protected override void CheckSettings(IReadOnlyDictionary<string, double> settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        foreach (var (name, value) in settings) CheckSetting(name, value, limit: name is "beta1" or "beta2" ? 1 : double.PositiveInfinity);
    }

    /// <inheritdoc/>
    protected override void Update(ParameterStep step)
    {
        var rate = step[LearningRateSetting];
        var correction1 = 1 - Math.Pow(Beta1, step.Steps);
        var correction2 = 1 - Math.Pow(Beta2, step.Steps);
        step.Run(new Rule(
            rate: new Vector<float>((float)(rate / correction1)),
            keep: new Vector<float>((float)(1 - (rate * step[WeightDecaySetting]))),
            freshMean: new Vector<float>((float)(1 - Beta1)),
            oldSquare: new Vector<float>((float)Beta2),
            freshSquare: new Vector<float>((float)(1 - Beta2)),
            rootCorrection: new Vector<float>((float)Math.Sqrt(correction2)),
            epsilon: new Vector<float>((float)Epsilon)));
    }

    private readonly struct Rule(
        Vector<float> rate,
        Vector<float> keep,
        Vector<float> freshMean,
        Vector<float> oldSquare,
        Vector<float> freshSquare,
        Vector<float> rootCorrection,
        Vector<float> epsilon) : IUpdateRule
    {
        public static int StateCount => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Vector<float> value, Vector<float> gradient, ref Vector<float> first, ref Vector<float> second)
        {
            first += freshMean * (gradient - first);
            second = (oldSquare * second) + (freshSquare * gradient * gradient);
            value = (keep * value) - (rate * (first / ((Vector.SquareRoot(second) / rootCorrection) + epsilon)));
        }
    }
}
