using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Algorithms;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>The numbers of one step; which of them count is the rule's business.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct UpdateArguments
{
    public float Rate;
    public float RateDecay;
    public float WeightDecay;
    public float Epsilon;
    public float Momentum;
    public float Fresh;
    public float FreshMean;
    public float OldSquare;
    public float FreshSquare;
    public int Nesterov;
}

/// <summary>
/// The optimizers' formulas, each in one pass over values, gradient and state. Parameters that take no part in a step stay as
/// they are.
/// </summary>
internal static class UpdateKernels
{
    /// <summary>
    /// Decides whether a parameter takes part: if it has a gradient, and all gradients of the step are finite. If so, counts
    /// its step and moves AdamW's 1 − βᵗ on, one step from the last.
    /// </summary>
    /// <param name="parameter">Its <see cref="ParameterState"/>.</param>
    /// <param name="touched">The number of touched rows; of a dense gradient anything.</param>
    /// <param name="status">The <see cref="StepStatus"/>.</param>
    /// <param name="state">Its <see cref="StepState"/>.</param>
    /// <param name="corrections">AdamW's 1 − β₁ᵗ and 1 − β₂ᵗ.</param>
    /// <param name="arguments">The numbers of the step.</param>
    public static void Advance(
        ArrayView<int> parameter, ArrayView<int> touched, ArrayView<int> status, ArrayView<int> state, ArrayView<float> corrections, UpdateArguments arguments)
    {
        state[StepState.TakesPart] = 0;
        state[StepState.Rows] = 0;
        if (parameter[ParameterState.HasGradient] == 0 || status[StepStatus.IsFaulty] != 0) return;
        state[StepState.TakesPart] = 1;
        state[StepState.Rows] = touched[0];
        state[StepState.Steps]++;
        corrections[0] += (1f - corrections[0]) * arguments.FreshMean;
        corrections[1] += (1f - corrections[1]) * arguments.FreshSquare;
    }

    /// <summary>Consumes the gradient: the next backward pass writes over it.</summary>
    public static void Finish(ArrayView<int> state) => state[ParameterState.HasGradient] = 0;

    /// <summary>
    /// Notes that gradients were written, those of two parameters a cluster, if the cluster had any tokens. A bit a cluster
    /// says which of them learn.
    /// </summary>
    public static void MarkGradients(ViewGroup<int> states, ViewGroup<int> others, ArrayView<BatchPlan> plan, int first, int count, int learning, int othersLearning)
    {
        for (var index = 0; index < count; index++)
        {
            if (plan[first + index].Count == 0) continue;
            if (((learning >> index) & 1) != 0) states.At(index)[ParameterState.HasGradient] = 1;
            if (((othersLearning >> index) & 1) != 0) others.At(index)[ParameterState.HasGradient] = 1;
        }
    }

    public static void Sgd(ArrayView<float> values, ArrayView<float> gradient, ArrayView<int> state, UpdateArguments arguments)
    {
        if (state[StepState.TakesPart] == 0) return;
        for (long i = Grid.GlobalLinearIndex; i < values.Length; i += (long)Grid.DimX * Group.DimX)
            UpdateRules.Sgd(values, gradient, i, arguments);
    }

    public static void Momentum(ArrayView<float> values, ArrayView<float> gradient, ArrayView<int> state, ArrayView<float> buffer, UpdateArguments arguments)
    {
        if (state[StepState.TakesPart] == 0) return;
        var fresh = UpdateRules.Fresh(state, arguments);
        for (long i = Grid.GlobalLinearIndex; i < values.Length; i += (long)Grid.DimX * Group.DimX)
            UpdateRules.Momentum(values, gradient, buffer, i, fresh, arguments);
    }

    public static void Adagrad(ArrayView<float> values, ArrayView<float> gradient, ArrayView<int> state, ArrayView<float> sum, UpdateArguments arguments)
    {
        if (state[StepState.TakesPart] == 0) return;
        var rate = UpdateRules.AdagradRate(state, arguments);
        for (long i = Grid.GlobalLinearIndex; i < values.Length; i += (long)Grid.DimX * Group.DimX)
            UpdateRules.Adagrad(values, gradient, sum, i, rate, arguments);
    }

    public static void AdamW(
        ArrayView<float> values, ArrayView<float> gradient, ArrayView<int> state, ArrayView<float> mean, ArrayView<float> square,
        ArrayView<float> corrections, UpdateArguments arguments)
    {
        if (state[StepState.TakesPart] == 0) return;
        var rate = arguments.Rate / corrections[0];
        var rootCorrection = XMath.Sqrt(corrections[1]);
        for (long i = Grid.GlobalLinearIndex; i < values.Length; i += (long)Grid.DimX * Group.DimX)
            UpdateRules.AdamW(values, gradient, mean, square, i, rate, rootCorrection, arguments);
    }
}
