using System.Globalization;

namespace AdaptiveSoftmax.Tests.Checkpoints;

/// <summary>
/// A training run in small: four parameters, one of them row-sparse and one without a gradient at first, gradients that
/// depend on the values and on a random generator whose state is in the checkpoint's strings.
/// </summary>
internal sealed class ToyRun : IDisposable
{
    private ulong _random;

    public ToyRun(string optimizer, ulong seed = 1, bool otherSettings = false)
    {
        _random = seed;
        Parameters =
        [
            new Parameter("embedding.weight", 40, 6, GradientLayout.SparseRows),
            new Parameter("head.weight", 5, 7),
            Parameter.CreateVector("head.bias", 5),
            new Parameter("late.weight", 3, 3),
        ];
        Optimizer = (optimizer, otherSettings) switch
        {
            ("sgd", false) => new Sgd(0.05, weightDecay: 0.01),
            ("momentum", false) => new Sgd(0.05, momentum: 0.9, dampening: 0.3),
            ("nesterov", false) => new Sgd(0.05, momentum: 0.9, nesterov: true),
            ("adagrad", false) => new Adagrad(0.05, 0.1, 0.01, 0.1, 1e-3),
            ("adamw", false) => new AdamW(0.05, 0.8, 0.99, 1e-4, 0.1),
            ("sgd", true) => new Sgd(3, momentum: 0.5, nesterov: true),
            ("momentum" or "nesterov", true) => new Sgd(3, weightDecay: 1),
            ("adagrad", true) => new Adagrad(3),
            _ => new AdamW(3),
        };
        Checkpoint = new Checkpoint(Parameters, Optimizer);
        foreach (var parameter in Parameters)
        {
            foreach (ref var value in parameter.WritableValues) value = Next();
        }

        SaveRandom();
    }

    public Parameter[] Parameters { get; }

    public Optimizer Optimizer { get; }

    public Checkpoint Checkpoint { get; }

    public float[] Values => [.. Parameters.SelectMany(parameter => parameter.Values.ToArray())];

    public void Train(int steps)
    {
        _random = ulong.Parse(Checkpoint.Strings["random"], CultureInfo.InvariantCulture);
        for (var i = 0; i < steps; i++)
        {
            for (var row = 0; row < 4; row++)
            {
                var touched = (int)((Next() + 1) * 20);
                AddGradient(Parameters[0].Row(touched), Parameters[0].TouchGradientRow(touched));
            }

            AddGradient(Parameters[1].Values, Parameters[1].TouchGradient());
            AddGradient(Parameters[2].Values, Parameters[2].TouchGradient());
            if (Checkpoint.Step >= 2) AddGradient(Parameters[3].Values, Parameters[3].TouchGradient());
            Optimizer.Step(Parameters);
            Checkpoint.Step++;
        }

        SaveRandom();
    }

    public void Dispose()
    {
        Optimizer.Dispose();
        foreach (var parameter in Parameters) parameter.Dispose();
    }

    private void SaveRandom() => Checkpoint.Strings["random"] = _random.ToString(CultureInfo.InvariantCulture);

    private void AddGradient(ReadOnlySpan<float> values, Span<float> gradient)
    {
        for (var i = 0; i < values.Length; i++) gradient[i] += values[i] + Next();
    }

    // In [-1, 1).
    private float Next()
    {
        _random = (_random * 6364136223846793005) + 1442695040888963407;
        return ((_random >> 40) / (float)(1 << 23)) - 1;
    }
}
