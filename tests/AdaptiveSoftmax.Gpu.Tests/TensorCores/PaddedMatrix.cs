using AdaptiveSoftmax.Gpu.Tests.Emulation;

namespace AdaptiveSoftmax.Gpu.Tests.TensorCores;

/// <summary>A bfloat16 matrix whose rows are padded to 16 bytes. Padding and unused rows hold no numbers: a kernel that
/// lets them in has no number for a result.</summary>
internal sealed class PaddedMatrix
{
    private readonly ushort[] _values;

    /// <summary>Creates a matrix of random numbers.</summary>
    /// <param name="random">The source of numbers.</param>
    /// <param name="rows">The rows that count.</param>
    /// <param name="columns">The columns that count.</param>
    /// <param name="deviation">The numbers' standard deviation.</param>
    /// <param name="unusedRows">Rows after those that count.</param>
    public PaddedMatrix(Random random, int rows, int columns, double deviation, int unusedRows = 0)
    {
        Stride = (columns + 7) / 8 * 8;
        _values = new ushort[(rows + unusedRows) * Stride];
        Array.Fill(_values, BFloat16.NaN);
        for (var row = 0; row < rows; row++)
            for (var column = 0; column < columns; column++)
                _values[(row * Stride) + column] = BFloat16.Round((float)(deviation * Normal(random)));
    }

    /// <summary>The elements from one row to the next.</summary>
    public int Stride { get; }

    public double this[int row, int column] => BFloat16.Widen(_values[(row * Stride) + column]);

    /// <summary>Copies the matrix to a device.</summary>
    public ulong CopyTo(EmulatedMemory memory) => memory.Allocate<ushort>(_values);

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
