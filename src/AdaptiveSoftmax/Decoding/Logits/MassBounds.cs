using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>
/// Between what Σ exp((score − reference) / T) over all rows lies, from bounds of the scores: the sum of those of the upper bounds, and
/// that of the lower ones. Rows whose scores are known are taken out of both, so that only the others leave anything open.
/// </summary>
internal sealed unsafe class MassBounds
{
    // Below this temperature differences of scores over T are rounding.
    private const double LeastTemperature = 1e-20;

    // What an exponential of float32 numbers and its argument, of at most 88, are off by; and a sum over all tiles in float64.
    private const double Rounding = 1.0 / (1 << 14);

    // Beyond, bounds say nothing of use. Exponents are cut above, where the sum shows it.
    private const double LargestError = 0.25;
    private const float LargestExponent = 80;
    private const double LargestMass = 1e30;

    // What float32 exponentials lose of a row by flushing it to 0.
    private const double Flushed = 1e-37;

    private double[] _sums = [];
    private ScreenErrors _errors;
    private float* _upper;
    private double _least;
    private double _most;
    private double _inverse;

    /// <summary>What scores are taken relative to.</summary>
    public float Reference { get; private set; }

    /// <summary>How far a sum of these masses, computed of scores in float32, may be from the true one, relative to it.</summary>
    public double Error { get; private set; }

    /// <summary>Begins with no rows but those that are known.</summary>
    /// <param name="reference">What scores are taken relative to.</param>
    /// <param name="temperature">T.</param>
    /// <param name="largest">No score has a larger magnitude.</param>
    /// <returns>Whether masses are of use.</returns>
    public bool TryBegin(double reference, double temperature, double largest)
    {
        (Reference, _inverse) = ((float)reference, 1 / temperature);

        // Bounds, scores and the reference are rounded to float32.
        Error = Rounding + (8 * largest * _inverse / (1 << 23));
        return temperature >= LeastTemperature && Error < LargestError;
    }

    /// <summary>Sums the bounds of all rows.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="source">The bounds.</param>
    /// <param name="reference">What scores are taken relative to.</param>
    /// <param name="temperature">T.</param>
    /// <param name="largest">No score has a larger magnitude.</param>
    /// <returns>Whether the bounds are of use.</returns>
    public bool TryBegin(WorkerPool pool, ScreenedLogits source, double reference, double temperature, double largest)
    {
        if (!TryBegin(reference, temperature, largest)) return false;
        _upper = source.Upper;
        _errors = source.Errors;
        Error += Roundings.Gamma((source.RowsPerTile / 4) + 32);
        var tiles = (source.Rows + source.RowsPerTile - 1) / source.RowsPerTile;
        if (_sums.Length < 2 * tiles) _sums = new double[2 * tiles];
        fixed (double* sums = _sums)
        {
            var body = new SumBody { Upper = _upper, Errors = _errors, Rows = source.Rows, RowsPerTile = source.RowsPerTile, Reference = Reference, Inverse = (float)_inverse, Sums = sums };
            pool.Run(ref body, tiles);
        }

        (_least, _most) = (0, 0);
        for (var tile = 0; tile < tiles; tile++)
        {
            _least += _sums[2 * tile];
            _most += _sums[(2 * tile) + 1];
        }

        if (!(_most < LargestMass)) return false;
        _least *= 1 - Error;
        _most = (_most * (1 + Error)) + (source.Rows * Flushed);
        return true;
    }

    /// <summary>The mass of a score.</summary>
    public double Of(double score) => Math.Exp((score - Reference) * _inverse);

    /// <summary>Between what the masses of all rows lie.</summary>
    /// <param name="known">The rows that are known better, and their masses.</param>
    /// <param name="scores">Says whose lower bounds do not hold, since they are known by intervals; none where default.</param>
    public (double Least, double Most) Total(ReadOnlySpan<LogitDecoder.ScoredRow> known, in LogitScores scores)
    {
        var (least, most) = (_least, _most);
        var (lower, upper) = (0.0, 0.0);
        foreach (var slot in scores.OpenSlots) least -= LowestOf(slot) * (1 + Error);
        foreach (var row in known)
        {
            most -= Of(_upper[row.Row]) * (1 - Error);
            if (!scores.IsOpen(row.Row)) least -= LowestOf(row.Row) * (1 + Error);
            lower += Of(row.Low);
            upper += Of(row.High);
        }

        return (Math.Max(0, least) + (lower * (1 - Error)), Math.Max(0, most) + (upper * (1 + Error)));
    }

    private double LowestOf(int row) => Of(_upper[row] - _errors[row]);

    private struct SumBody : IParallelBody
    {
        // More than rounding loses of an error.
        private const float Surplus = 1 + (1f / (1 << 20));

        public float* Upper;
        public ScreenErrors Errors;
        public int Rows, RowsPerTile;
        public float Reference, Inverse;
        public double* Sums;

        public readonly void Run(int tile)
        {
            var first = tile * RowsPerTile;
            var count = Math.Min(RowsPerTile, Rows - first);
            if (Vector512.IsHardwareAccelerated) Sum<Simd512>(first, count, Sums + (2 * tile));
            else if (Vector256.IsHardwareAccelerated) Sum<Simd256>(first, count, Sums + (2 * tile));
            else Sum<Simd128>(first, count, Sums + (2 * tile));
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Sum<TSimd>(int first, int count, double* sums)
            where TSimd : unmanaged, ISimd<TSimd>
        {
            TSimd reference = TSimd.Broadcast(Reference), inverse = TSimd.Broadcast(Inverse), least = TSimd.Zero, most = TSimd.Zero;
            TSimd negative = TSimd.Broadcast(-Inverse), smallest = TSimd.Broadcast(-LargestExponent);
            TSimd norm = TSimd.Broadcast(2 * Errors.Norm * Surplus), floor = TSimd.Broadcast(2 * Errors.Floor * Surplus);
            float* upper = Upper + first, errors = (float*)Errors.Of + first;
            var i = 0;
            for (; i + TSimd.Width <= count; i += TSimd.Width)
            {
                var argument = TSimd.Subtract(TSimd.Load(upper + i), reference);
                most = TSimd.Add(most, SimdExp.Of(TSimd.Subtract(TSimd.Zero, TSimd.Max(TSimd.Multiply(argument, negative), smallest))));
                var lowest = TSimd.Subtract(argument, TSimd.MultiplyAdd(TSimd.Load(errors + i), norm, floor));
                least = TSimd.Add(least, SimdExp.Of(TSimd.Multiply(lowest, inverse)));
            }

            var (low, high) = ((double)TSimd.Sum(least), (double)TSimd.Sum(most));
            for (; i < count; i++)
            {
                var error = (errors[i] * 2 * Errors.Norm * Surplus) + (2 * Errors.Floor * Surplus);
                high += Math.Exp(Math.Min(LargestExponent, (upper[i] - Reference) * Inverse));
                low += Math.Exp(Math.Min(LargestExponent, (upper[i] - Reference - error) * Inverse));
            }

            (sums[0], sums[1]) = (low, high);
        }
    }
}
