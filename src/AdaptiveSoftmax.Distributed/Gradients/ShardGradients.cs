namespace AdaptiveSoftmax.Distributed;

/// <summary>The gradients of replicas over the shards of a batch: taken shard by shard, and then added up over all ranks.</summary>
internal sealed class ShardGradients : IDisposable
{
    private readonly Collectives _collectives;
    private readonly GradientNodes _nodes;
    private readonly GradientSum _sum;
    private readonly Parameter[] _parameters;

    // How often each gradient had been touched when the last shard ended.
    private readonly int[] _touches;
    private int _done;

    public ShardGradients(Collectives collectives, Parameter[] parameters, int shards)
    {
        (_collectives, _parameters, _touches) = (collectives, parameters, new int[parameters.Length]);
        var tree = new SumTree(shards, collectives.Size);
        _nodes = new GradientNodes(tree, parameters);
        _sum = new GradientSum(collectives, tree, parameters);
        var (start, end) = tree.LeavesOf(collectives.Rank);
        Own = [.. Enumerable.Range(start, end - start)];
    }

    /// <summary>The shards of this rank, ascending.</summary>
    public IReadOnlyList<int> Own { get; }

    /// <summary>Takes the gradients of a shard out of the parameters.</summary>
    /// <returns>Which of the own shards it is.</returns>
    /// <exception cref="InvalidOperationException">It is another shard's turn.</exception>
    public int End(int shard, int threads)
    {
        if (_done == Own.Count)
            throw new InvalidOperationException(FormattableString.Invariant($"Shard {shard} is not expected: all {_done} shards of rank {_collectives.Rank} are done; call Reduce."));
        if (shard != Own[_done])
            throw new InvalidOperationException(FormattableString.Invariant($"Rank {_collectives.Rank} ends shard {shard} where shard {Own[_done]} is next; take the shards of OwnShards in their order."));
        _nodes.TakeShard(shard, isLast: _done == Own.Count - 1, threads);
        for (var i = 0; i < _touches.Length; i++) _touches[i] = _parameters[i].GradientTouches;
        return _done++;
    }

    /// <exception cref="InvalidOperationException">All shards of this rank are done, so that nothing may be added to their gradients.</exception>
    public void CheckOpen()
    {
        if (_done == Own.Count)
            throw new InvalidOperationException(FormattableString.Invariant($"All {_done} shards of rank {_collectives.Rank} are done; call Reduce before the next batch."));
    }

    /// <summary>Begins the next batch.</summary>
    /// <exception cref="InvalidOperationException">A shard of this rank is missing, or a gradient was touched behind the last.</exception>
    public void EndBatch()
    {
        if (_done < Own.Count)
            throw new InvalidOperationException(FormattableString.Invariant($"Shard {Own[_done]} of rank {_collectives.Rank} is missing; call EndShard for each of OwnShards, also where a shard has no targets."));

        // It would count where the last shard is still in the parameter, and not where it was added to another, as the number of ranks has it.
        for (var i = 0; i < _touches.Length; i++)
        {
            if (_parameters[i].RequiresGradient && _parameters[i].GradientTouches != _touches[i])
                throw new InvalidOperationException(FormattableString.Invariant($"The gradient of '{_parameters[i].Name}' was added to or cleared on rank {_collectives.Rank} behind the end of its last shard, {Own[^1]}: whether that counts would depend on the number of ranks. Do it before EndShard, for one shard of the batch, or after Reduce, on all ranks."));
        }

        _done = 0;
    }

    /// <summary>Sets the gradients of the parameters, on all ranks, to the sum over all shards times a scale.</summary>
    public void Sum(float scale)
    {
        _sum.Run(_nodes, scale);
        _nodes.Clear();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _nodes.Dispose();
        _sum.Dispose();
    }
}
