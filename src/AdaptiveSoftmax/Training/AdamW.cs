using System.Globalization;
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
        : base(learningRate)
    {
        CheckBeta(beta1, nameof(beta1));
        CheckBeta(beta2, nameof(beta2));
        CheckNotNegative(epsilon, nameof(epsilon));
        CheckNotNegative(weightDecay, nameof(weightDecay));
        Beta1 = beta1;
        Beta2 = beta2;
        Epsilon = epsilon;
        WeightDecay = weightDecay;
    }

    /// <summary>How long the mean of gradients remembers.</summary>
    public double Beta1 { get; private set; }

    /// <summary>How long the mean of squares remembers.</summary>
    public double Beta2 { get; private set; }

    /// <summary>What keeps the division finite.</summary>
    public double Epsilon { get; private set; }

    /// <summary>The share of each value, times the learning rate, that a step takes away.</summary>
    public double WeightDecay { get; private set; }

    /// <inheritdoc/>
    internal override string Kind => "adamw";

    /// <inheritdoc/>
    internal override IReadOnlyList<string> StateNames => ["exp_avg", "exp_avg_sq"];

    /// <summary>Creates the optimizer from the settings of a checkpoint.</summary>
    internal static AdamW FromSettings(IReadOnlyDictionary<string, double> settings) =>
        new(settings["lr"], settings["beta1"], settings["beta2"], settings["eps"], settings["weight_decay"]);

    /// <inheritdoc/>
    internal override IReadOnlyDictionary<string, double> GetSettings() => new Dictionary<string, double>
    {
        ["lr"] = LearningRate,
        ["beta1"] = Beta1,
        ["beta2"] = Beta2,
        ["eps"] = Epsilon,
        ["weight_decay"] = WeightDecay,
    };

    private protected override void TakeSettings(Optimizer other)
    {
        var source = (AdamW)other;
        Beta1 = source.Beta1;
        Beta2 = source.Beta2;
        Epsilon = source.Epsilon;
        WeightDecay = source.WeightDecay;
    }

    private protected override void Update(Parameter parameter, OptimizerState state)
    {
        var correction1 = 1 - Math.Pow(Beta1, state.Steps);
        var correction2 = 1 - Math.Pow(Beta2, state.Steps);
        var rule = new Rule(
            rate: new Vector<float>((float)(LearningRate / correction1)),
            keep: new Vector<float>((float)(1 - (LearningRate * WeightDecay))),
            freshMean: new Vector<float>((float)(1 - Beta1)),
            oldSquare: new Vector<float>((float)Beta2),
            freshSquare: new Vector<float>((float)(1 - Beta2)),
            rootCorrection: new Vector<float>((float)Math.Sqrt(correction2)),
            epsilon: new Vector<float>((float)Epsilon));
        Run(rule, parameter, state);
    }

    private static void CheckBeta(double value, string name)
    {
        if (!(value >= 0 && value < 1))
            throw new ArgumentOutOfRangeException(name, value.ToString(CultureInfo.InvariantCulture), $"{name} must be in [0, 1).");
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
