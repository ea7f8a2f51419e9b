using System.Numerics;
using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax;

/// <summary>
/// Adagrad: <c>torch.optim.Adagrad</c>, the optimizer of the adaptive softmax paper.
/// </summary>
/// <remarks>
/// With g = gradient + weightDecay · value: sum += g², and value −= lr / (1 + (step − 1) · lrDecay) · g / (√sum + eps).
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
        : base(learningRate)
    {
        CheckNotNegative(learningRateDecay, nameof(learningRateDecay));
        CheckNotNegative(weightDecay, nameof(weightDecay));
        CheckNotNegative(initialAccumulatorValue, nameof(initialAccumulatorValue));
        CheckNotNegative(epsilon, nameof(epsilon));
        LearningRateDecay = learningRateDecay;
        WeightDecay = weightDecay;
        InitialAccumulatorValue = initialAccumulatorValue;
        Epsilon = epsilon;
    }

    /// <summary>How the rate falls with the parameter's steps.</summary>
    public double LearningRateDecay { get; private set; }

    /// <summary>The L2 penalty.</summary>
    public double WeightDecay { get; private set; }

    /// <summary>What the sum of squares starts from.</summary>
    public double InitialAccumulatorValue { get; private set; }

    /// <summary>What keeps the division finite.</summary>
    public double Epsilon { get; private set; }

    /// <inheritdoc/>
    internal override string Kind => "adagrad";

    /// <inheritdoc/>
    internal override IReadOnlyList<string> StateNames => ["sum"];

    private protected override float InitialState => (float)InitialAccumulatorValue;

    /// <summary>Creates the optimizer from the settings of a checkpoint.</summary>
    internal static Adagrad FromSettings(IReadOnlyDictionary<string, double> settings) =>
        new(settings["lr"], settings["lr_decay"], settings["weight_decay"], settings["initial_accumulator_value"], settings["eps"]);

    /// <inheritdoc/>
    internal override IReadOnlyDictionary<string, double> GetSettings() => new Dictionary<string, double>
    {
        ["lr"] = LearningRate,
        ["lr_decay"] = LearningRateDecay,
        ["weight_decay"] = WeightDecay,
        ["initial_accumulator_value"] = InitialAccumulatorValue,
        ["eps"] = Epsilon,
    };

    private protected override void TakeSettings(Optimizer other)
    {
        var source = (Adagrad)other;
        LearningRateDecay = source.LearningRateDecay;
        WeightDecay = source.WeightDecay;
        InitialAccumulatorValue = source.InitialAccumulatorValue;
        Epsilon = source.Epsilon;
    }

    private protected override void Update(Parameter parameter, OptimizerState state)
    {
        var rate = LearningRate / (1 + ((state.Steps - 1) * LearningRateDecay));
        Run(new Rule(new Vector<float>((float)rate), new Vector<float>((float)WeightDecay), new Vector<float>((float)Epsilon)), parameter, state);
    }

    private readonly struct Rule(Vector<float> rate, Vector<float> decay, Vector<float> epsilon) : IUpdateRule
    {
        public static int StateCount => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Vector<float> value, Vector<float> gradient, ref Vector<float> first, ref Vector<float> second)
        {
            gradient += decay * value;
            first += gradient * gradient;
            value -= rate * (gradient / (Vector.SquareRoot(first) + epsilon));
        }
    }
}
