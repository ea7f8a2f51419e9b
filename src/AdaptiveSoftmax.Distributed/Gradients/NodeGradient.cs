namespace AdaptiveSoftmax.Distributed;

/// <summary>The gradient of one parameter in one node of the tree.</summary>
internal abstract class NodeGradient
{
    /// <summary>Adds the gradient of the next node, which is then free to be used again.</summary>
    /// <param name="right">The next node's.</param>
    /// <param name="threads">The number of threads, the caller's included.</param>
    public abstract void Add(NodeGradient right, int threads);
}

/// <summary>A gradient with a value for each of the parameter's.</summary>
/// <param name="values">The values.</param>
/// <param name="count">Their number.</param>
/// <param name="memory">The memory that they are in; null where they are still in the parameter's own.</param>
internal sealed unsafe class DenseNodeGradient(float* values, long count, NativeFloats? memory) : NodeGradient
{
    // 128 KiB of values amortise handing a block to a thread.
    private const int BlockLength = 1 << 15;

    public float* Values => values;

    public NativeFloats? Memory => memory;

    public override void Add(NodeGradient right, int threads)
    {
        var body = new Addition { Target = values, Source = ((DenseNodeGradient)right).Values, Count = count };
        WorkerPool.Get(threads).Run(ref body, checked((int)((count + BlockLength - 1) / BlockLength)));
    }

    private struct Addition : IParallelBody
    {
        public float* Target;
        public float* Source;
        public long Count;

        public readonly void Run(int tile)
        {
            var start = (long)tile * BlockLength;
            Vectors.Add(Target + start, Source + start, (int)Math.Min(BlockLength, Count - start));
        }
    }
}

/// <summary>The gradient of the rows of an embedding that were touched, in ascending order.</summary>
/// <param name="rows">The rows.</param>
/// <param name="values">Their gradients, [rows, columns].</param>
/// <param name="columns">The number of columns.</param>
internal sealed unsafe class SparseNodeGradient(int[] rows, float[] values, int columns) : NodeGradient
{
    private int[] _rows = rows;
    private float[] _values = values;

    public ReadOnlySpan<int> Rows => _rows;

    public ReadOnlySpan<float> Values => _values;

    public override void Add(NodeGradient right, int threads)
    {
        var other = (SparseNodeGradient)right;
        int[] rows = [.. _rows.Union(other._rows).Order()];
        var values = new float[(long)rows.Length * columns];
        int mine = 0, theirs = 0;
        for (var i = 0; i < rows.Length; i++)
        {
            var target = values.AsSpan(i * columns, columns);
            var isMine = mine < _rows.Length && _rows[mine] == rows[i];
            var isTheirs = theirs < other._rows.Length && other._rows[theirs] == rows[i];
            if (isMine) _values.AsSpan(mine++ * columns, columns).CopyTo(target);
            if (!isTheirs) continue;
            var source = other._values.AsSpan(theirs++ * columns, columns);
            if (!isMine) source.CopyTo(target);
            else fixed (float* sum = target, term = source) Vectors.Add(sum, term, columns);
        }

        (_rows, _values) = (rows, values);
    }
}
