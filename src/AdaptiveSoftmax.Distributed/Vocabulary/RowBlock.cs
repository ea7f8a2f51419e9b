namespace AdaptiveSoftmax.Distributed;

/// <summary>A block of rows of a cut cluster on the rank that has it: a linear layer of its own.</summary>
/// <param name="start">Its first row in the cluster.</param>
/// <param name="weight">The weight of its rows.</param>
/// <param name="bias">Their bias; null for none.</param>
/// <param name="groupSizes">The sizes of the groups of tokens that its last rows stand for: the head's cluster rows.</param>
/// <param name="map">What becomes of logits before the softmax.</param>
internal sealed unsafe class RowBlock(int start, Parameter weight, Parameter? bias, int[] groupSizes, LogitMap map)
{
    /// <summary>Its first row in the cluster.</summary>
    public int Start => start;

    /// <summary>Its rows.</summary>
    public int Rows => weight.Rows;

    /// <summary>What computes with its rows.</summary>
    public LinearSoftmax<MatrixShape> Layer { get; } = new(new MatrixShape(weight.Rows, weight.Columns), weight, bias) { GroupSizes = groupSizes, Map = map };

    /// <summary>The loss's weights with the targets' rows as this block counts them.</summary>
    public RowWeights Own(Scratch scratch, in RowWeights weights, int tokens)
    {
        var rows = scratch.Ints(tokens);
        for (var token = 0; token < tokens; token++)
        {
            var row = weights.TargetRow[token] - start;
            rows[token] = (uint)row < (uint)Rows ? row : TrainingBatch.Ignored;
        }

        return new RowWeights { TargetRow = rows, Target = weights.Target, Total = weights.Total, Uniform = weights.Uniform };
    }
}
