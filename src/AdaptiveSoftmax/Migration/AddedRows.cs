namespace AdaptiveSoftmax;

/// <summary>Effective rows of tokens that the source does not have.</summary>
internal sealed class AddedRows(int count, int size)
{
    /// <summary>The rows, [count, hidden].</summary>
    public DoubleMatrix Rows { get; } = new(count, size);

    /// <summary>What is added to each score.</summary>
    public double[] Offsets { get; } = new double[count];

    /// <summary>What scores some of them.</summary>
    public RowScorer CreateScorer(int[] numbers)
    {
        var rows = new Parameter("rows", numbers.Length, size);
        var bias = Parameter.CreateVector("bias", numbers.Length);
        for (var i = 0; i < numbers.Length; i++)
        {
            var from = Rows.Row(numbers[i]);
            var to = rows.WritableRow(i);
            for (var j = 0; j < size; j++) to[j] = (float)from[j];
        }

        bias.Edit(values =>
        {
            for (var i = 0; i < numbers.Length; i++) values[i] = (float)Offsets[numbers[i]];
        });
        return new RowScorer(rows, bias, null, ownsRows: true);
    }
}
