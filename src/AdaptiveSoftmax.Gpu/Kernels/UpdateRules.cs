using ILGPU;
using ILGPU.Algorithms;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// The optimizers' formulas for one value. They and their order of operations are those of the optimizers on the CPU.
/// </summary>
internal static class UpdateRules
{
    public static void Sgd(ArrayView<float> values, ArrayView<float> gradient, long i, UpdateArguments arguments) =>
        values[i] -= arguments.Rate * (gradient[i] + (arguments.WeightDecay * values[i]));

    /// <summary>How much of a fresh gradient the buffer takes: all of the first.</summary>
    public static float Fresh(ArrayView<int> state, UpdateArguments arguments) => state[StepState.Steps] == 1 ? 1f : arguments.Fresh;

    public static void Momentum(ArrayView<float> values, ArrayView<float> gradient, ArrayView<float> buffer, long i, float fresh, UpdateArguments arguments)
    {
        var decayed = gradient[i] + (arguments.WeightDecay * values[i]);
        var first = (arguments.Momentum * buffer[i]) + (fresh * decayed);
        buffer[i] = first;
        values[i] -= arguments.Rate * (arguments.Nesterov != 0 ? decayed + (arguments.Momentum * first) : first);
    }

    /// <summary>The rate after its own decay.</summary>
    public static float AdagradRate(ArrayView<int> state, UpdateArguments arguments) =>
        arguments.Rate / (1f + ((state[StepState.Steps] - 1) * arguments.RateDecay));

    public static void Adagrad(ArrayView<float> values, ArrayView<float> gradient, ArrayView<float> sum, long i, float rate, UpdateArguments arguments)
    {
        var decayed = gradient[i] + (arguments.WeightDecay * values[i]);
        var squares = sum[i] + (decayed * decayed);
        sum[i] = squares;
        values[i] -= rate * (decayed / (XMath.Sqrt(squares) + arguments.Epsilon));
    }

    public static void AdamW(
        ArrayView<float> values, ArrayView<float> gradient, ArrayView<float> mean, ArrayView<float> square, long i,
        float rate, float rootCorrection, UpdateArguments arguments)
    {
        var g = gradient[i];
        var keep = 1f - (arguments.Rate * arguments.WeightDecay);
        var first = mean[i] + (arguments.FreshMean * (g - mean[i]));
        var second = (arguments.OldSquare * square[i]) + (arguments.FreshSquare * g * g);
        mean[i] = first;
        square[i] = second;
        values[i] = (keep * values[i]) - (rate * (first / ((XMath.Sqrt(second) / rootCorrection) + arguments.Epsilon)));
    }
}
