using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>Limits the size of a step: PyTorch's <c>torch.nn.utils.clip_grad_norm_</c>.</summary>
public static unsafe class GradientClipping
{
    /// <summary>
    /// Scales all gradients by one factor where their joint Euclidean norm is above <paramref name="maxNorm"/>.
    /// </summary>
    /// <param name="parameters">The parameters; those without a gradient are skipped, a repeated one would count twice.</param>
    /// <param name="maxNorm">The largest norm to let through.</param>
    /// <param name="threads">The number of threads, the caller's included; all processors if null.</param>
    /// <returns>
    /// The norm before scaling. Where it is not finite the gradients stay as they are, so that the caller can drop the
    /// step with <see cref="Parameter.ZeroGradient"/>.
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxNorm"/> is negative or not a number, or there are no threads.</exception>
    public static float ClipByGlobalNorm(IEnumerable<Parameter> parameters, float maxNorm, int? threads = null)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        var threadCount = threads ?? Environment.ProcessorCount;
        ArgumentOutOfRangeException.ThrowIfLessThan(threadCount, 1, nameof(threads));
        if (!(maxNorm >= 0))
            throw new ArgumentOutOfRangeException(nameof(maxNorm), maxNorm, "The largest norm must be a number that is not negative.");
        var list = parameters as IReadOnlyCollection<Parameter> ?? [.. parameters];
        var squares = 0.0;
        foreach (var parameter in list)
        {
            if (parameter.HasGradient) squares += SumSquares(parameter, threadCount);
        }

        var norm = Math.Sqrt(squares);
        var factor = maxNorm / (norm + 1e-6);
        if (double.IsFinite(norm) && factor < 1)
        {
            foreach (var parameter in list)
            {
                if (parameter.HasGradient) Scale(parameter, (float)factor, threadCount);
            }
        }

        return (float)norm;
    }

    // Each block has its own sum and the sums are added in order, so no thread count changes a bit.
    private static double SumSquares(Parameter parameter, int threads)
    {
        var sums = new double[GradientBlocks.Count(parameter)];
        fixed (double* pointer = sums)
            GradientBlocks.Run(parameter, new SumAction(parameter.GradientPointer, pointer), threads);
        var total = 0.0;
        foreach (var sum in sums) total += sum;
        return total;
    }

    private static void Scale(Parameter parameter, float factor, int threads) =>
        GradientBlocks.Run(parameter, new ScaleAction(parameter.GradientPointer, factor), threads);

    private readonly struct SumAction(float* gradient, double* sums) : IGradientAction
    {
        // Always eight lanes, however wide the machine's vectors are, so that machines agree as well.
        public void Run(int block, long start, long count)
        {
            var values = gradient + start;
            var low = Vector256<double>.Zero;
            var high = Vector256<double>.Zero;
            var i = 0L;
            for (; i <= count - 8; i += 8)
            {
                var (first, second) = Vector256.Widen(Vector256.Load(values + i));
                low += first * first;
                high += second * second;
            }

            var lanes = low + high;
            var sum = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
            for (; i < count; i++) sum += (double)values[i] * values[i];
            sums[block] += sum;
        }
    }

    private readonly struct ScaleAction(float* gradient, float factor) : IGradientAction
    {
        public void Run(int block, long start, long count)
        {
            var values = gradient + start;
            var i = 0L;
            for (; i <= count - 8; i += 8) (Vector256.Load(values + i) * factor).Store(values + i);
            for (; i < count; i++) values[i] *= factor;
        }
    }
}
