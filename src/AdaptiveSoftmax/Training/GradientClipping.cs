using System.Globalization;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>Limits the size of a step: PyTorch's <c>torch.nn.utils.clip_grad_norm_</c>.</summary>
public static unsafe class GradientClipping
{
    // A gradient below it has a square that float32 holds.
    private const double SoundNorm = 1e19;

    /// <summary>
    /// Scales all gradients by one factor where their joint Euclidean norm is above <paramref name="maxNorm"/>.
    /// </summary>
    /// <param name="parameters">The parameters; those without a gradient are skipped, and a repeated one counts once.</param>
    /// <param name="maxNorm">The largest norm to let through; infinity only measures.</param>
    /// <param name="errorIfNonfinite">Whether a norm that is not finite is an error, as PyTorch's <c>error_if_nonfinite</c>.</param>
    /// <param name="threads">The number of threads, the caller's included, at least 1; null for all processors.</param>
    /// <returns>
    /// The norm before scaling, in double precision. Where it is not finite, because a gradient is not, the gradients stay as
    /// they are: a step with <see cref="Optimizer.TryStep"/> leaves them out.
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxNorm"/> is negative or not a number, or there are no threads.</exception>
    /// <exception cref="NotFiniteNumberException">The norm is not finite, and that was to be an error; the gradients are as they were.</exception>
    /// <exception cref="ObjectDisposedException">A parameter is disposed.</exception>
    public static double ClipByGlobalNorm(IEnumerable<Parameter> parameters, double maxNorm, bool errorIfNonfinite = false, int? threads = null)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        var threadCount = ThreadCount.OrDefault(threads, nameof(threads));
        if (!(maxNorm >= 0))
            throw new ArgumentOutOfRangeException(nameof(maxNorm), maxNorm.ToString(CultureInfo.InvariantCulture), "The largest norm must be a number that is not negative.");
        var list = new List<Parameter>();
        var uses = new List<MemoryLease>();
        try
        {
            foreach (var parameter in parameters.Distinct())
            {
                uses.Add(parameter.Use());
                if (parameter.HasGradient) list.Add(parameter);
            }

            return Clip(list, maxNorm, errorIfNonfinite, threadCount);
        }
        finally
        {
            foreach (var use in uses) use.Dispose();
        }
    }

    private static double Clip(List<Parameter> list, double maxNorm, bool errorIfNonfinite, int threadCount)
    {
        var squares = 0.0;
        foreach (var parameter in list) squares += SumSquares(parameter, threadCount);
        var norm = Math.Sqrt(squares);
        if (!double.IsFinite(norm))
        {
            if (errorIfNonfinite) throw GradientCheck.CreateFault(GradientCheck.FindFault(list, threadCount)!, "the gradients have no norm to be clipped by");
            return norm;
        }

        Scale(list, norm, maxNorm, threadCount);
        return norm;
    }

    /// <summary>Scales gradients, whose joint norm is known and finite, where it is above the largest.</summary>
    internal static void Scale(IEnumerable<Parameter> parameters, double norm, double maxNorm, int threads)
    {
        var factor = maxNorm / (norm + 1e-6);
        foreach (var parameter in parameters)
        {
            if (factor < 1) Scale(parameter, factor, threads);
            parameter.GradientIsSound = Math.Min(norm, maxNorm) < SoundNorm;
        }
    }

    // Each block has its own sum and the sums are added in order, so no thread count changes a bit.
    internal static double SumSquares(Parameter parameter, int threads)
    {
        var sums = new double[GradientBlocks.Count(parameter)];
        fixed (double* pointer = sums)
            GradientBlocks.Run(parameter, new SumAction(parameter.GradientPointer, pointer), threads);
        var total = 0.0;
        foreach (var sum in sums) total += sum;
        return total;
    }

    private static void Scale(Parameter parameter, double factor, int threads) =>
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

    private readonly struct ScaleAction(float* gradient, double factor) : IGradientAction
    {
        public void Run(int block, long start, long count)
        {
            var values = gradient + start;
            var i = 0L;

            // A factor that float32 has no full precision for stays in double.
            var single = factor >= 1.1754944e-38 ? (float)factor : 0;
            for (; single > 0 && i <= count - 8; i += 8) (Vector256.Load(values + i) * single).Store(values + i);
            for (; i < count; i++) values[i] = single > 0 ? values[i] * single : (float)(values[i] * factor);
        }
    }
}
