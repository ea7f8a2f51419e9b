using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>A smaller copy of rows, and how far each row's logit in it can be from the stored one.</summary>
internal sealed unsafe class RowScreen : IDisposable
{
    private readonly QuantizedMatrix _copy;

    /// <summary>Makes the copy and measures it.</summary>
    public RowScreen(WorkerPool pool, StoredRows rows, WeightPrecision precision)
    {
        _copy = new QuantizedMatrix(pool, rows.View, precision);
        Errors = new RowErrors(pool, rows, _copy.View);
    }

    /// <summary>A copy that was made before, whose memory belongs to this from then on.</summary>
    public RowScreen(QuantizedMatrix copy, RowErrors errors) => (_copy, Errors) = (copy, errors);

    public RowErrors Errors { get; }

    /// <summary>The copy and the bounds as a file has them: the parts of the copy, and <see cref="RowErrors.Of"/>.</summary>
    public IReadOnlyList<NativeFloats> Parts => [.. _copy.Parts, Errors.Memory];

    public WeightPrecision Precision => _copy.Precision;

    public long Bytes => _copy.Bytes + Errors.Bytes;

    public QuantizedView View => _copy.View;

    /// <summary>An upper bound of a row's stored logit.</summary>
    /// <param name="input">The input.</param>
    /// <param name="norm">Its <see cref="RowErrors.Norm"/>.</param>
    /// <param name="bias">[rows]; null where there is none.</param>
    /// <param name="row">The row.</param>
    public float Upper(in WholeInput input, float norm, float* bias, int row)
    {
        float logit;
        _copy.View.MultiplyRows(input, &logit - row, row, row + 1);
        if (bias is not null) logit += bias[row];
        return logit + float.MultiplyAddEstimate(Errors.Of[row], norm, Errors.Floor);
    }

    public void Dispose()
    {
        _copy.Dispose();
        Errors.Dispose();
    }
}
