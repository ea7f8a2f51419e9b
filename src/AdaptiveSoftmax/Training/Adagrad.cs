using System.Numerics;
using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax;

/// <summary>
/// Adagrad: <c>torch.optim.Adagrad</c>, the optimizer of the adaptive softmax paper.
/// </summary>
/// <remarks>
/// With g = gradient + weightDecay · value: sum += g², and value −= lr / (1 + (step − 1) · lrDecay) · g / (√sum + eps).
/// The sum ends at the largest float32, where PyTorch's becomes infinite and the value stands still from then on.
/// </remarks>
public sealed class Adagrad : Optimizer
{
    /// <summary>Creates the optimizer with PyTorch's arguments and defaults.</summary>
    /// <param name="learningRate">PyTorch's <c>lr</c>.</param>
    /// <param name="learningRateDecay">PyTorch's <c>lr_decay</c>: how the rate falls with the parameter's steps.</param>
    /// <param name="weightDecay">The L2 penalty.</param>
    /// <param name="initialAccumulatorValue">What the sum of squares starts from.</param>
    /// <param name="epsilon">PyTorch's <c>eps</c>, which keeps the division finite.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is negative or not finite.</exception>
    public Adagrad(double learningRate = 1e-2, double learningRateDecay = 0, double weightDecay = 0, double initialAccumulatorValue = 0, double epsilon = 1e-10)
        : base("adagrad", new Dictionary<string, double>
        {
            [LearningRateSetting] = learningRate,
            ["lr_decay"] = learningRateDecay,
            [WeightDecaySetting] = weightDecay,
            ["initial_accumulator_value"] = initialAccumulatorValue,
            ["eps"] = epsilon,
        })
    {
    }

    /// <summary>How the rate falls with the parameter's steps.</summary>
    public double LearningRateDecay => Settings["lr_decay"];

    /// <summary>The L2 penalty.</summary>
    public double WeightDecay => Settings[WeightDecaySetting];

    /// <summary>What the sum of squares starts from.</summary>
    public double InitialAccumulatorValue => Settings["initial_accumulator_value"];

    /// <summary>What keeps the division finite.</summary>
    public double Epsilon => Settings["eps"];

    /// <inheritdoc/>
    protected override IReadOnlyList<StateBuffer> GetState(IReadOnlyDictionary<string, double> settings) =>
        [new("sum", settings["initial_accumulator_value"])];

    /// <inheritdoc/>
    protected override void Update(ParameterStep step)
    {
        var rate = step[LearningRateSetting] / (1 + ((step.Steps - 1) * LearningRateDecay));
        step.Run(new Rule(new Vector<float>((float)rate), new Vector<float>((float)step[WeightDecaySetting]), new Vector<float>((float)Epsilon)));
    }

    private readonly struct Rule(Vector<float> rate, Vector<float> decay, Vector<float> epsilon) : IUpdateRule
    {
        public static int StateCount => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Vector<float> value, Vector<float> gradient, ref Vector<float> first, ref Vector<float> second)
        {
            gradient += decay * value;
            first = Vector.Min(first + (gradient * gradient), new Vector<float>(float.MaxValue));
            value -= rate * (gradient / (Vector.SquareRoot(first) + epsilon));
        }
    }
}
