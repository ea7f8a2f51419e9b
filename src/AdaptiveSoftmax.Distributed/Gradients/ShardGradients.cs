using System.Text;

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

    // Why the batch can no longer be added up, and why no batch can.
    private Exception? _failure;
    private Exception? _end;

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

    /// <summary>What the shards' gradients are added up to on this rank.</summary>
    internal GradientNodes Nodes => _nodes;

    /// <summary>Takes the gradients of a shard out of the parameters. Where it throws anything but a shard out of turn, the batch can only be left out.</summary>
    /// <returns>Which of the own shards it is.</returns>
    /// <exception cref="InvalidOperationException">It is another shard's turn, or one has failed.</exception>
    public int End(int shard, int threads)
    {
        ThrowIfFailed();
        if (_done == Own.Count)
            throw new InvalidOperationException(FormattableString.Invariant($"Shard {shard} is not expected: all {_done} shards of rank {_collectives.Rank} are done; call Reduce."));
        if (shard != Own[_done])
            throw new InvalidOperationException(FormattableString.Invariant($"Rank {_collectives.Rank} ends shard {shard} where shard {Own[_done]} is next; take the shards of OwnShards in their order."));
        try
        {
            _nodes.TakeShard(shard, isLast: _done == Own.Count - 1, threads);
        }
        catch (Exception failure)
        {
            _failure = failure;
            throw;
        }

        for (var i = 0; i < _touches.Length; i++) _touches[i] = _parameters[i].GradientTouches;
        return _done++;
    }

    /// <exception cref="InvalidOperationException">All shards of this rank are done, or one has failed, so that nothing may be added to their gradients.</exception>
    public void CheckOpen()
    {
        ThrowIfFailed();
        if (_done == Own.Count)
            throw new InvalidOperationException(FormattableString.Invariant($"All {_done} shards of rank {_collectives.Rank} are done; call Reduce before the next batch."));
    }

    /// <exception cref="InvalidOperationException">An addition over the ranks has failed half way.</exception>
    public void ThrowIfEnded()
    {
        if (_end is not null)
            throw new InvalidOperationException(FormattableString.Invariant($"Rank {_collectives.Rank} has left a Reduce half way, so its gradients and those of the other ranks may differ: {_end.Message} Start again from the last checkpoint."), _end);
    }

    /// <summary>Agrees with all ranks that the batch is whole, and begins the next one.</summary>
    /// <param name="terms">What this rank gives to all, at least one.</param>
    /// <returns>The terms of all ranks, in their order.</returns>
    /// <exception cref="InvalidOperationException">It is not, on some rank, and is left out: no parameter has a gradient, on all ranks.</exception>
    public double[] EndBatch(ReadOnlySpan<double> terms)
    {
        ThrowIfEnded();
        var fault = FindFault();

        // Who has none says by it that its batch is not whole, so that agreeing on it costs nothing.
        var all = _collectives.AllGatherUneven(CollectiveKind.EndBatch, fault is null ? terms : [], 0, out var lengths);
        if (!lengths.Contains(0))
        {
            _done = 0;
            return all;
        }

        var failure = _failure;
        LeaveOut();
        var faults = _collectives.AllGatherUneven<byte>(Encoding.UTF8.GetBytes(fault ?? ""), out lengths);
        var first = Array.FindIndex(lengths, length => length > 0);
        fault ??= Encoding.UTF8.GetString(faults, 0, lengths[first]);
        throw new InvalidOperationException($"{fault} The batch is left out on all ranks, which can go on with the next.", failure);
    }

    /// <summary>Sets the gradients of the parameters, on all ranks, to the sum over all shards times a scale.</summary>
    public void Sum(float scale)
    {
        try
        {
            _sum.Run(_nodes, scale);
            _nodes.Clear();
        }
        catch (RankMismatchException)
        {
            // Thrown on all ranks, at the same place.
            LeaveOut();
            throw;
        }
        catch (Exception failure)
        {
            _end = failure;
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _nodes.Dispose();
        _sum.Dispose();
    }

    private void ThrowIfFailed()
    {
        ThrowIfEnded();
        if (_failure is not null)
            throw new InvalidOperationException(FormattableString.Invariant($"Shard {Own[_done]} of rank {_collectives.Rank} has failed; call Reduce, on all ranks, which leaves the batch out."), _failure);
    }

    // Why the batch is not whole on this rank.
    private string? FindFault()
    {
        if (_failure is not null)
            return FormattableString.Invariant($"Shard {Own[_done]} of rank {_collectives.Rank} has failed ({_failure.GetType().Name}): {_failure.Message}");
        if (_done < Own.Count)
            return FormattableString.Invariant($"Shard {Own[_done]} of rank {_collectives.Rank} is missing; call EndShard for each of OwnShards, also where a shard has no targets.");
        for (var i = 0; i < _touches.Length; i++)
        {
            var parameter = _parameters[i];
            if (parameter.IsDisposed) return FormattableString.Invariant($"'{parameter.Name}' is disposed on rank {_collectives.Rank}.");

            // It would count where the last shard is still in the parameter, and not where it was added to another, as the number of ranks has it.
            if (parameter.RequiresGradient && parameter.GradientTouches != _touches[i])
                return FormattableString.Invariant($"The gradient of '{parameter.Name}' was added to or cleared on rank {_collectives.Rank} behind the end of its last shard, {Own[^1]}: whether that counts would depend on the number of ranks. Do it before EndShard, for one shard of the batch, or after Reduce, on all ranks.");
        }

        return null;
    }

    private void LeaveOut()
    {
        _nodes.Clear();
        (_done, _failure) = (0, null);
        foreach (var parameter in _parameters)
        {
            if (!parameter.IsDisposed) parameter.ZeroGradient();
        }
    }
}
