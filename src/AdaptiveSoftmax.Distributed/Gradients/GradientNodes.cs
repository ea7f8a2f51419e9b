namespace AdaptiveSoftmax.Distributed;

/// <summary>
/// The gradients of this rank's shards, added up as far as the tree lets one rank: it holds at most one node a level, so their
/// number grows with the logarithm of the number of shards.
/// </summary>
internal sealed unsafe class GradientNodes(SumTree tree, Parameter[] parameters) : IDisposable
{
    private readonly List<(TreeNode Place, NodeGradient?[] Gradients)> _nodes = [];
    private readonly Stack<NativeFloats>[] _free = [.. parameters.Select(_ => new Stack<NativeFloats>())];

    /// <summary>Takes memory for the gradient of a parameter.</summary>
    internal Func<long, NativeFloats> Allocate { get; set; } = count => new NativeFloats(count);

    /// <summary>The nodes, in the order of their leaves.</summary>
    public IReadOnlyList<(TreeNode Place, NodeGradient?[] Gradients)> Nodes => _nodes;

    /// <summary>
    /// Takes the gradients of a shard out of the parameters, which then have none. Where it throws, some have been taken out. After the last shard none follow, so a gradient that
    /// has no neighbour to be added to stays in its parameter.
    /// </summary>
    /// <param name="shard">The shard.</param>
    /// <param name="isLast">Whether it is this rank's last.</param>
    /// <param name="threads">The number of threads, the caller's included.</param>
    public void TakeShard(int shard, bool isLast, int threads)
    {
        foreach (var parameter in parameters) ObjectDisposedException.ThrowIf(parameter.IsDisposed, parameter);
        var leaf = new NodeGradient?[parameters.Length];
        for (var i = 0; i < leaf.Length; i++) leaf[i] = Find(parameters[i]);
        _nodes.Add((tree.Leaf(shard), leaf));

        // What a node has stands in one of the nodes at all times, so that it is freed where something throws.
        while (_nodes.Count > 1 && tree.Parent(_nodes[^2].Place, _nodes[^1].Place) is { } parent)
        {
            Add(_nodes[^2].Gradients, _nodes[^1].Gradients, threads);
            _nodes.RemoveAt(_nodes.Count - 1);
            _nodes[^1] = (parent, _nodes[^1].Gradients);
        }

        var gradients = _nodes[^1].Gradients;
        for (var i = 0; i < gradients.Length; i++)
        {
            if (gradients[i] is DenseNodeGradient { Memory: null })
            {
                if (isLast) continue;
                gradients[i] = Copy(i);
            }

            parameters[i].ZeroGradient();
        }
    }

    /// <summary>Forgets the nodes and keeps their memory.</summary>
    public void Clear()
    {
        foreach (var (_, gradients) in _nodes)
        {
            for (var i = 0; i < gradients.Length; i++) Free(i, gradients[i]);
        }

        _nodes.Clear();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Clear();
        foreach (var free in _free)
        {
            while (free.TryPop(out var memory)) memory.Dispose();
        }
    }

    private static NodeGradient? Find(Parameter parameter)
    {
        if (!parameter.HasGradient) return null;
        if (parameter.GradientLayout == GradientLayout.Dense) return new DenseNodeGradient(parameter.GradientPointer, parameter.Count, memory: null);
        int[] rows = [.. parameter.SortTouchedRows()];
        var values = new float[(long)rows.Length * parameter.Columns];
        for (var i = 0; i < rows.Length; i++) parameter.GradientRow(rows[i]).CopyTo(values.AsSpan(i * parameter.Columns));
        return new SparseNodeGradient(rows, values, parameter.Columns);
    }

    private DenseNodeGradient Copy(int index)
    {
        var parameter = parameters[index];
        var memory = _free[index].TryPop(out var free) ? free : Allocate(parameter.Count);
        Buffer.MemoryCopy(parameter.GradientPointer, memory.Pointer, parameter.Count * sizeof(float), parameter.Count * sizeof(float));
        return new DenseNodeGradient(memory.Pointer, parameter.Count, memory);
    }

    // The right node is left with nothing.
    private void Add(NodeGradient?[] left, NodeGradient?[] right, int threads)
    {
        for (var i = 0; i < left.Length; i++)
        {
            if (right[i] is not { } term) continue;
            if (left[i] is { } sum)
            {
                sum.Add(term, threads);
                Free(i, term);
            }
            else
            {
                left[i] = term;
            }

            right[i] = null;
        }
    }

    private void Free(int index, NodeGradient? gradient)
    {
        if (gradient is DenseNodeGradient { Memory: { } memory }) _free[index].Push(memory);
    }
}
