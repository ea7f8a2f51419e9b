using System.Globalization;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>
/// Whether a step can take gradients: values that are finite and whose squares are, which optimizers sum up.
/// </summary>
internal static unsafe class GradientCheck
{
    /// <summary>The first of the parameters whose gradient a step cannot take; null where there is none.</summary>
    public static Parameter? FindFault(List<Parameter> parameters, int threads)
    {
        foreach (var parameter in parameters)
        {
            if (!IsSound(parameter, threads)) return parameter;
        }

        return null;
    }

    /// <summary>Says what is wrong with a parameter that <see cref="FindFault"/> found, and what to do.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="consequence">Why the call does not go on.</param>
    public static NotFiniteNumberException CreateFault(Parameter parameter, string consequence)
    {
        for (var row = 0; row < parameter.Rows; row++)
        {
            var values = parameter.GradientRow(row);
            for (var column = 0; column < values.Length; column++)
            {
                var value = values[column];
                if (float.IsFinite(value * value)) continue;
                var trouble = float.IsFinite(value) ? "whose square float32 cannot hold" : "which is not finite";
                return new NotFiniteNumberException(
                    string.Create(CultureInfo.InvariantCulture, $"The gradient of '{parameter.Name}' is {value} at [{row}, {column}], {trouble}, so {consequence}. Nothing was changed; leave the batch out with {nameof(Optimizer.TryStep)} or {nameof(Parameter.ZeroGradient)}."),
                    value);
            }
        }

        throw new InvalidOperationException($"The gradient of '{parameter.Name}' was changed by another thread; training belongs to one.");
    }

    /// <summary>Says where a step went beyond float32.</summary>
    /// <param name="parameter">The parameter that it moved.</param>
    /// <param name="kinds">What the state is.</param>
    /// <param name="state">The state.</param>
    /// <param name="learningRate">The rate of the step.</param>
    public static NotFiniteNumberException CreateOverflow(Parameter parameter, IReadOnlyList<StateBuffer> kinds, OptimizerState state, double learningRate)
    {
        var values = parameter.KeptValuesPointer;
        for (var buffer = -1; buffer < state.Buffers.Length; buffer++)
        {
            if (buffer >= 0) values = state.Buffers[buffer].Pointer;
            for (var row = 0L; row < parameter.Rows; row++)
            {
                var start = values + (row * parameter.Columns);
                if (FiniteValues.IndexOfOther(new ReadOnlySpan<float>(start, parameter.Columns)) is var column && column < 0) continue;
                var what = buffer < 0 ? $"'{parameter.Name}'" : $"The state '{kinds[buffer].Name}' of '{parameter.Name}'";
                return new NotFiniteNumberException(
                    string.Create(CultureInfo.InvariantCulture, $"{what} is {start[column]} at [{row}, {column}] after a step at the learning rate {learningRate}: the step went beyond what float32 holds. The values are lost; go on from the last checkpoint, with a lower rate or decay."),
                    start[column]);
            }
        }

        throw new InvalidOperationException($"'{parameter.Name}' was changed by another thread; training belongs to one.");
    }

    private static bool IsSound(Parameter parameter, int threads)
    {
        if (!parameter.HasGradient || parameter.GradientIsSound) return true;
        var isFaulty = 0;
        GradientBlocks.Run(parameter, new CheckAction(parameter.GradientPointer, &isFaulty), threads);
        parameter.GradientIsSound = isFaulty == 0;
        return isFaulty == 0;
    }

    private readonly struct CheckAction(float* gradient, int* isFaulty) : IGradientAction
    {
        // Whoever finds a fault writes the same.
        public void Run(int block, long start, long count)
        {
            var values = gradient + start;
            var limit = Vector256.Create(float.MaxValue);
            var sound = Vector256<float>.AllBitsSet;
            var i = 0L;
            for (; i <= count - 8; i += 8)
            {
                var value = Vector256.Load(values + i);
                sound &= Vector256.LessThanOrEqual(value * value, limit);
            }

            var isSound = sound.AsInt32() == Vector256<int>.AllBitsSet;
            for (; i < count; i++) isSound &= float.IsFinite(values[i] * values[i]);
            if (!isSound) *isFaulty = 1;
        }
    }
}
