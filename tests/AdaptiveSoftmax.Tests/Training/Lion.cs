using System.Numerics;

namespace AdaptiveSoftmax.Tests.Training;

/// <summary>
/// An optimizer of a user's own, as the architecture page shows it. Lion (Chen et al., 2023): the step is the sign of
/// β₁ · m + (1 − β₁) · g, and m then takes up a share of 1 − β₂ of g.
/// </summary>
public sealed class Lion(double learningRate = 1e-4, double beta1 = 0.9, double beta2 = 0.99, double weightDecay = 0) : Optimizer(
    "lion",
    new Dictionary<string, double> { ["lr"] = learningRate, ["beta1"] = beta1, ["beta2"] = beta2, ["weight_decay"] = weightDecay })
{
    protected override IReadOnlyList<StateBuffer> GetState(IReadOnlyDictionary<string, double> settings) => [new("exp_avg")];

    protected override void Update(ParameterStep step) => step.Run(new Rule(
        new((float)step["lr"]), new((float)(1 - (step["lr"] * step["weight_decay"]))), new((float)step["beta1"]), new((float)step["beta2"])));

    private readonly struct Rule(Vector<float> rate, Vector<float> keep, Vector<float> beta1, Vector<float> beta2) : IUpdateRule
    {
        public static int StateCount => 1;

        public void Update(ref Vector<float> value, Vector<float> gradient, ref Vector<float> mean, ref Vector<float> unused)
        {
            var direction = (beta1 * mean) + ((Vector<float>.One - beta1) * gradient);
            var positive = Vector.ConditionalSelect(Vector.GreaterThan(direction, Vector<float>.Zero), Vector<float>.One, Vector<float>.Zero);
            var negative = Vector.ConditionalSelect(Vector.LessThan(direction, Vector<float>.Zero), Vector<float>.One, Vector<float>.Zero);
            value = (keep * value) - (rate * (positive - negative));
            mean = (beta2 * mean) + ((Vector<float>.One - beta2) * gradient);
        }
    }
}
