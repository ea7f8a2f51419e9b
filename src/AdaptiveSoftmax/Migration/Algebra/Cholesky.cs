namespace AdaptiveSoftmax;

/// <summary>A = L Lᵀ of a symmetric positive definite matrix, and what it is needed for.</summary>
internal sealed class Cholesky
{
    private readonly DoubleMatrix _factor;

    private Cholesky(DoubleMatrix factor) => _factor = factor;

    /// <summary>L, with zeros above its diagonal.</summary>
    public DoubleMatrix Factor => _factor;

    /// <summary>
    /// Factors a second moment after adding a share of its mean diagonal to it, which makes it positive definite whatever
    /// directions were never seen.
    /// </summary>
    /// <param name="matrix">The matrix, which is left as it is.</param>
    /// <param name="ridge">The share of the mean of its diagonal.</param>
    public static Cholesky OfRidge(DoubleMatrix matrix, double ridge)
    {
        var size = matrix.Rows;
        var factor = new DoubleMatrix(size, size);
        var mean = matrix.Trace() / size;
        var added = mean > 0 ? ridge * mean : 1;
        for (var i = 0; i < size; i++)
        {
            var row = factor.Row(i);
            for (var j = 0; j <= i; j++)
            {
                var value = matrix[i, j] + (i == j ? added : 0) - DoubleVectors.Dot(row[..j], factor.Row(j)[..j]);
                row[j] = i == j ? Math.Sqrt(Math.Max(value, added * 1e-12)) : value / factor[j, j];
            }
        }

        return new Cholesky(factor);
    }

    /// <summary>Solves A x = b in place.</summary>
    public void Solve(Span<double> vector)
    {
        for (var i = 0; i < vector.Length; i++)
            vector[i] = (vector[i] - DoubleVectors.Dot(_factor.Row(i)[..i], vector[..i])) / _factor[i, i];
        SolveTransposed(vector);
    }

    /// <summary>Solves Lᵀ x = b in place.</summary>
    public void SolveTransposed(Span<double> vector)
    {
        for (var i = vector.Length - 1; i >= 0; i--)
        {
            vector[i] /= _factor[i, i];
            DoubleVectors.Add(vector[..i], -vector[i], _factor.Row(i)[..i]);
        }
    }
}
