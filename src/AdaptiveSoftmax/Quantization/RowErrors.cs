using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// How far the int8 or int4 logit of a row can be from the stored one: at most Of[r] · <see cref="Norm"/> + Floor for an input x.
/// </summary>
/// <remarks>
/// With u = 2⁻²⁴ and Higham's γ_n = n u / (1 − n u) (Accuracy and Stability of Numerical Algorithms, section 3.1), n products
/// added in any order, fused or not, are off by at most γ_n Σ |w_k x_k| ≤ γ_n ‖w‖ ‖x‖. The int8 side adds whole numbers
/// without error and rounds three times after that; the int4 side does so in each group, and rounds m times, for the sums over
/// the groups as well. With ŵ = scale · q for the row, x̂ for the rounded input and R = ‖x − x̂‖,
/// by Cauchy and Schwarz
/// <code>
/// |fl(w·x) − fl(ŵ·x̂)| ≤ ‖w − ŵ‖ ‖x‖ + ‖ŵ‖ R + γ_n ‖w‖ ‖x‖ + γ_m ‖ŵ‖ (‖x‖ + R),   ‖ŵ‖ ≤ ‖w‖ + ‖w − ŵ‖
/// </code>
/// where ‖w − ŵ‖ and R are measured in float64. Adding the bias rounds each side once, by at most u (|w·x| + |b|), and so
/// does adding the bound itself; γ_(n+4) and γ_(m+5) cover them. Of[r] is the factor of ‖x‖, but at least ‖ŵ‖ / 256, so that 257
/// Of[r] stands in for the factor of R and one number a row is enough. Products below the normal numbers lose more, which
/// the floor holds.
/// </remarks>
internal sealed unsafe class RowErrors : IDisposable
{
    private const int Int8Roundings = 8;

    // ‖w − ŵ‖ of int8 is about that fraction of ‖ŵ‖, and of int4 more.
    private const int ResidualFactor = 256;

    // More than the bound loses by being computed in float64, rounded to float32 and multiplied by a norm.
    private const double Surplus = 1 + (1.0 / (1 << 20));

    private const int ValuesPerTile = 1 << 15;

    // The smallest positive float.
    private const double Smallest = 1.401298464324817e-45;

    private readonly NativeFloats _of;

    /// <summary>Measures the rows.</summary>
    public RowErrors(WorkerPool pool, StoredRows rows, QuantizedView screen)
        : this(rows, Measure(pool, rows, screen, out var largestNorm), largestNorm)
    {
    }

    /// <summary>What was measured before, which belongs to this from then on.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="of">What <see cref="Of"/> was, [rows].</param>
    /// <param name="largestNorm">What <see cref="LargestNorm"/> was.</param>
    public RowErrors(StoredRows rows, NativeFloats of, double largestNorm)
    {
        (_of, LargestNorm) = (of, largestNorm);
        Largest = rows.Rows == 0 ? 0 : SoftmaxKernel.Maximum(of.Pointer, rows.Rows);
        foreach (var factor in new ReadOnlySpan<float>(of.Pointer, rows.Rows)) Average += (double)factor / rows.Rows;
        LargestBias = rows.Bias is null ? 0 : Vectors.LargestMagnitude(rows.Bias, rows.Rows);
        Floor = RoundUp((4 * Roundings.Unit * LargestBias) + (4 * rows.Columns * Smallest) + (Smallest * int.MaxValue));
    }

    /// <summary>The factor of the input's norm, [rows].</summary>
    public float* Of => _of.Pointer;

    /// <summary>The memory of <see cref="Of"/>.</summary>
    public NativeFloats Memory => _of;

    /// <summary>The largest factor of a row.</summary>
    public float Largest { get; }

    /// <summary>The mean factor of a row.</summary>
    public double Average { get; }

    /// <summary>What is added for all rows.</summary>
    public float Floor { get; }

    /// <summary>No row, in float32 or rounded, is longer; NaN or ∞ where a weight is.</summary>
    public double LargestNorm { get; }

    /// <summary>The largest magnitude of the bias.</summary>
    public double LargestBias { get; }

    public long Bytes => _of.Count * sizeof(float);

    /// <summary>What the factors of the rows are multiplied by: ‖x‖, and more for what is lost by rounding x.</summary>
    public static float Norm(WholeInput x) => RoundUp(x.Norm + ((ResidualFactor + 1) * x.Residual));

    public void Dispose() => _of.Dispose();

    private static NativeFloats Measure(WorkerPool pool, StoredRows rows, QuantizedView screen, out double largestNorm)
    {
        var of = new NativeFloats(rows.Rows);
        var body = new NormsBody { Stored = rows.View, Screen = screen, Of = of.Pointer, RowsPerTile = Math.Max(1, ValuesPerTile / Math.Max(1, rows.Columns)) };
        var tiles = (rows.Rows + body.RowsPerTile - 1) / body.RowsPerTile;
        var largestNorms = new double[tiles];
        fixed (double* norms = largestNorms)
        {
            body.LargestNorms = norms;
            pool.Run(ref body, tiles);
        }

        largestNorm = 0;
        foreach (var norm in largestNorms) largestNorm = Math.Max(largestNorm, norm);
        return of;
    }

    private static float RoundUp(double value) => MathF.BitIncrement((float)(value * Surplus));

    private struct NormsBody : IParallelBody
    {
        public QuantizedView Stored, Screen;
        public float* Of;
        public double* LargestNorms;
        public int RowsPerTile;

        public readonly void Run(int tile)
        {
            var screen = Screen;
            var gamma = Roundings.Gamma(screen.Columns + 4);
            var screenGamma = Roundings.Gamma(screen.Precision == WeightPrecision.Int4 ? Int4Gemv.Roundings(screen.Columns) : Int8Roundings);
            var largest = 0.0;
            var room = ArrayPool<float>.Shared.Rent(screen.Columns);
            fixed (float* widened = room)
            {
                for (var row = tile * RowsPerTile; row < Math.Min(screen.Rows, (tile + 1) * RowsPerTile); row++)
                {
                    var weights = Stored.Row(row, widened);
                    var (norm, residual) = screen.Precision == WeightPrecision.Int4
                        ? Int4Norms(weights, screen.Int4Row(row), screen.GroupScales(row), screen.Scale(row), screen.Columns)
                        : Int8Norms(weights, screen.Int8Row(row), screen.Scale(row), screen.Columns);
                    var factor = residual + (gamma * norm) + (screenGamma * (norm + residual));
                    Of[row] = RoundUp(Math.Max(factor, (norm + residual) / ResidualFactor));
                    largest = Math.Max(largest, norm + residual);
                }
            }

            ArrayPool<float>.Shared.Return(room);
            LargestNorms[tile] = largest;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static (double Norm, double Residual) Int8Norms(float* row, sbyte* stored, double scale, int columns)
        {
            var step = Vector256.Create(scale);
            Vector256<double> sums = default, residuals = default;
            var k = 0;
            for (; k + Vector256<float>.Count <= columns; k += Vector256<float>.Count)
            {
                var (values, whole) = (Vector256.Load(row + k), Vector256.ConvertToSingle(Simd256.WidenInt8(stored + k)));
                AddSquares(Vector256.WidenLower(values), Vector256.WidenLower(whole), step, ref sums, ref residuals);
                AddSquares(Vector256.WidenUpper(values), Vector256.WidenUpper(whole), step, ref sums, ref residuals);
            }

            double sum = Vector256.Sum(sums), residual = Vector256.Sum(residuals);
            for (; k < columns; k++)
            {
                var difference = row[k] - (scale * stored[k]);
                sum += (double)row[k] * row[k];
                residual += difference * difference;
            }

            return (Math.Sqrt(sum), Math.Sqrt(residual));
        }

        // The product of scale, factor and whole number has 39 bits: no residual is rounded before it is squared.
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static (double Norm, double Residual) Int4Norms(float* row, byte* stored, short* factors, double scale, int columns)
        {
            Vector256<double> sums = default, residuals = default;
            var whole = stackalloc float[Int4Gemv.GroupSize];
            var padded = stackalloc float[Int4Gemv.GroupSize];
            for (var k = 0; k < columns; k += Int4Gemv.GroupSize, stored += Int4Gemv.GroupBytes, factors++)
            {
                var step = Vector256.Create(scale * Int4Gemv.Widen(*factors));
                var values = Int4Rounding.Group(row + k, columns - k, padded);
                Int4Rounding.Unpack(stored, whole);
                for (var i = 0; i < Int4Gemv.GroupSize; i += Vector256<float>.Count)
                {
                    var (w, q) = (Vector256.Load(values + i), Vector256.Load(whole + i));
                    AddSquares(Vector256.WidenLower(w), Vector256.WidenLower(q), step, ref sums, ref residuals);
                    AddSquares(Vector256.WidenUpper(w), Vector256.WidenUpper(q), step, ref sums, ref residuals);
                }
            }

            return (Math.Sqrt(Vector256.Sum(sums)), Math.Sqrt(Vector256.Sum(residuals)));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void AddSquares(
            Vector256<double> values, Vector256<double> whole, Vector256<double> step, ref Vector256<double> sums, ref Vector256<double> residuals)
        {
            var difference = values - (step * whole);
            sums += values * values;
            residuals += difference * difference;
        }
    }
}
