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
        : base("sgd", new Dictionary<string, double>
        {
            [LearningRateSetting] = learningRate,
            ["momentum"] = momentum,
            ["dampening"] = dampening,
            [WeightDecaySetting] = weightDecay,
            ["nesterov"] = nesterov ? 1 : 0,
        })
    {
    }

    /// <summary>The share of the buffer that stays from step to step.</summary>
    public double Momentum => Settings["momentum"];

    /// <summary>The share of the gradient that is kept out of the buffer.</summary>
    public double Dampening => Settings["dampening"];

    /// <summary>The L2 penalty.</summary>
    public double WeightDecay => Settings[WeightDecaySetting];

    /// <summary>Whether Nesterov's form is used.</summary>
    public bool Nesterov => Settings["nesterov"] != 0;

    /// <inheritdoc/>
    protected override IReadOnlyList<StateBuffer> GetState(IReadOnlyDictionary<string, double> settings) =>
        settings["momentum"] == 0 ? [] : [new("momentum_buffer")];

    /// <inheritdoc/>
    protected override void CheckSettings(IReadOnlyDictionary<string, double> settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        // PyTorch takes any dampening, so it may be negative.
        foreach (var (name, value) in settings) CheckSetting(name, name == "dampening" ? Math.Abs(value) : value);
        if (settings["nesterov"] != 0 && (settings["momentum"] == 0 || settings["dampening"] != 0))
            throw new ArgumentException("Nesterov's form needs a momentum above 0 and a dampening of 0.");
    }

    /// <inheritdoc/>
    protected override void Update(ParameterStep step)
    {
        var rate = new Vector<float>((float)step[LearningRateSetting]);
        var decay = new Vector<float>((float)step[WeightDecaySetting]);
        if (Momentum == 0)
        {
            step.Run(new PlainRule(rate, decay));
            return;
        }

        var isFirst = step.Steps == 1 && step.Parameter.GradientLayout == GradientLayout.Dense;
        var fresh = new Vector<float>(isFirst ? 1 : (float)(1 - Dampening));
        var momentum = new Vector<float>((float)Momentum);
        if (Nesterov) step.Run(new NesterovRule(rate, decay, momentum, fresh));
        else step.Run(new MomentumRule(rate, decay, momentum, fresh));
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
