using System.Globalization;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax;

/// <summary>
/// Stochastic gradient descent with momentum: <c>torch.optim.SGD</c>.
/// </summary>
/// <remarks>
/// With g = gradient + weightDecay · value: without momentum, value −= lr · g. With momentum, the buffer is g in the
/// parameter's first step and momentum · buffer + (1 − dampening) · g later, and value −= lr · buffer, or
/// lr · (g + momentum · buffer) with Nesterov's form. Rows of a row-sparse parameter are reached at different times, so
/// there each row's buffer starts from 0 and every g is dampened; with a dampening of 0 that is the same rule.
/// </remarks>
public sealed class Sgd : Optimizer
{
    /// <summary>Creates the optimizer with PyTorch's arguments and defaults.</summary>
    /// <param name="learningRate">PyTorch's <c>lr</c>.</param>
    /// <param name="momentum">The share of the buffer that stays from step to step; 0 keeps no buffer.</param>
    /// <param name="dampening">The share of the gradient that is kept out of the buffer.</param>
    /// <param name="weightDecay">The L2 penalty.</param>
    /// <param name="nesterov">Whether to use Nesterov's form, which needs momentum and no dampening.</param>
    /// <exception cref="ArgumentException">A value is out of range, or Nesterov's form was asked for without momentum or with dampening.</exception>
    public Sgd(double learningRate = 1e-3, double momentum = 0, double dampening = 0, double weightDecay = 0, bool nesterov = false)
        : base(learningRate)
    {
        CheckNotNegative(momentum, nameof(momentum));
        if (!double.IsFinite(dampening))
            throw new ArgumentOutOfRangeException(nameof(dampening), dampening.ToString(CultureInfo.InvariantCulture), "dampening must be a finite number.");
        CheckNotNegative(weightDecay, nameof(weightDecay));
        if (nesterov && (momentum <= 0 || dampening != 0))
            throw new ArgumentException("Nesterov's form needs a momentum above 0 and a dampening of 0.", nameof(nesterov));
        Momentum = momentum;
        Dampening = dampening;
        WeightDecay = weightDecay;
        Nesterov = nesterov;
    }

    /// <summary>The share of the buffer that stays from step to step.</summary>
    public double Momentum { get; private set; }

    /// <summary>The share of the gradient that is kept out of the buffer.</summary>
    public double Dampening { get; private set; }

    /// <summary>The L2 penalty.</summary>
    public double WeightDecay { get; private set; }

    /// <summary>Whether Nesterov's form is used.</summary>
    public bool Nesterov { get; private set; }

    /// <inheritdoc/>
    internal override string Kind => "sgd";

    /// <inheritdoc/>
    internal override IReadOnlyList<string> StateNames => Momentum == 0 ? [] : ["momentum_buffer"];

    /// <summary>Creates the optimizer from the settings of a checkpoint.</summary>
    internal static Sgd FromSettings(IReadOnlyDictionary<string, double> settings) =>
        new(settings["lr"], settings["momentum"], settings["dampening"], settings["weight_decay"], settings["nesterov"] != 0);

    /// <inheritdoc/>
    internal override IReadOnlyDictionary<string, double> GetSettings() => new Dictionary<string, double>
    {
        ["lr"] = LearningRate,
        ["momentum"] = Momentum,
        ["dampening"] = Dampening,
        ["weight_decay"] = WeightDecay,
        ["nesterov"] = Nesterov ? 1 : 0,
    };

    private protected override void TakeSettings(Optimizer other)
    {
        var source = (Sgd)other;
        Momentum = source.Momentum;
        Dampening = source.Dampening;
        WeightDecay = source.WeightDecay;
        Nesterov = source.Nesterov;
    }

    private protected override void Update(Parameter parameter, OptimizerState state)
    {
        var rate = new Vector<float>((float)LearningRate);
        var decay = new Vector<float>((float)WeightDecay);
        if (Momentum == 0)
        {
            Run(new PlainRule(rate, decay), parameter, state);
            return;
        }

        var isFirst = state.Steps == 1 && parameter.GradientLayout == GradientLayout.Dense;
        var fresh = new Vector<float>(isFirst ? 1 : (float)(1 - Dampening));
        var momentum = new Vector<float>((float)Momentum);
        if (Nesterov) Run(new NesterovRule(rate, decay, momentum, fresh), parameter, state);
        else Run(new MomentumRule(rate, decay, momentum, fresh), parameter, state);
    }

    private readonly struct PlainRule(Vector<float> rate, Vector<float> decay) : IUpdateRule
    {
        public static int StateCount => 0;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Vector<float> value, Vector<float> gradient, ref Vector<float> first, ref Vector<float> second) =>
            value -= rate * (gradient + (decay * value));
    }

    private readonly struct MomentumRule(Vector<float> rate, Vector<float> decay, Vector<float> momentum, Vector<float> fresh) : IUpdateRule
    {
        public static int StateCount => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Vector<float> value, Vector<float> gradient, ref Vector<float> first, ref Vector<float> second)
        {
            first = (momentum * first) + (fresh * (gradient + (decay * value)));
            value -= rate * first;
        }
    }

    private readonly struct NesterovRule(Vector<float> rate, Vector<float> decay, Vector<float> momentum, Vector<float> fresh) : IUpdateRule
    {
        public static int StateCount => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Vector<float> value, Vector<float> gradient, ref Vector<float> first, ref Vector<float> second)
        {
            gradient += decay * value;
            first = (momentum * first) + (fresh * gradient);
            value -= rate * (gradient + (momentum * first));
        }
    }
}
