namespace AdaptiveSoftmax;

/// <summary>A row-major matrix in double precision.</summary>
/// <param name="rows">The rows.</param>
/// <param name="columns">The columns.</param>
internal sealed class DoubleMatrix(int rows, int columns)
{
    public int Rows => rows;

    public int Columns => columns;

    /// <summary>All values, row after row.</summary>
    public double[] Values { get; } = new double[(long)rows * columns];

    public ref double this[int row, int column] => ref Values[((long)row * columns) + column];

    /// <summary>The unit matrix.</summary>
    public static DoubleMatrix Identity(int size)
    {
        var matrix = new DoubleMatrix(size, size);
        for (var i = 0; i < size; i++) matrix[i, i] = 1;
        return matrix;
    }

    public Span<double> Row(int row) => Values.AsSpan(row * columns, columns);

    /// <summary>The sum of the diagonal.</summary>
    public double Trace()
    {
        var sum = 0.0;
        for (var i = 0; i < Math.Min(rows, columns); i++) sum += this[i, i];
        return sum;
    }

    /// <summary>Adds to the diagonal.</summary>
    public void AddToDiagonal(double value)
    {
        for (var i = 0; i < Math.Min(rows, columns); i++) this[i, i] += value;
    }

    /// <summary>Adds a multiple of the outer product of two vectors.</summary>
    public void AddOuter(double factor, ReadOnlySpan<double> left, ReadOnlySpan<double> right)
    {
        for (var i = 0; i < rows; i++) DoubleVectors.Add(Row(i), factor * left[i], right);
    }

    /// <summary>The same values with rows and columns changed over.</summary>
    public DoubleMatrix Transpose()
    {
        var result = new DoubleMatrix(columns, rows);
        for (var i = 0; i < rows; i++)
        {
            var row = Row(i);
            for (var j = 0; j < columns; j++) result[j, i] = row[j];
        }

        return result;
    }
}
