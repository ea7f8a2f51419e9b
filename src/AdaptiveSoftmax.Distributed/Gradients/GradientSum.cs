namespace AdaptiveSoftmax.Distributed;

/// <summary>Adds the gradients of all ranks' nodes and gives the sum to the parameters of all ranks.</summary>
internal sealed unsafe class GradientSum(Collectives collectives, SumTree tree, Parameter[] parameters) : IDisposable
{
    private readonly TreeExchange _exchange = new(collectives, tree);

    /// <summary>Sets the gradients of the parameters to the sum over all shards of all ranks; a parameter that no shard reaches gets none.</summary>
    /// <exception cref="RankMismatchException">A parameter learns on some ranks and is frozen on others.</exception>
    public void Run(GradientNodes own, float scale)
    {
        CheckFrozen();
        var present = FindPresent(own);
        for (var i = 0; i < parameters.Length; i++)
        {
            var parameter = parameters[i];
            bool[][] there = [.. present.Select(rank => rank.Select(node => node[i]).ToArray())];
            if (!there.Any(rank => rank.Any(node => node))) continue;
            if (parameter.GradientLayout == GradientLayout.SparseRows)
            {
                SumRows(parameter, [.. own.Nodes.Select(node => (SparseNodeGradient?)node.Gradients[i])], there, scale);
                continue;
            }

            collectives.Begin(CollectiveKind.ReduceGradients, parameter.Count, tree.Leaves);
            nint[] nodes = [.. own.Nodes.Select(node => node.Gradients[i] is DenseNodeGradient dense ? (nint)dense.Values : 0)];
            _exchange.ReduceAll(nodes, there, parameter.Count, parameter.TouchGradientPointer(), scale);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _exchange.Dispose();

    private void CheckFrozen()
    {
        var frozen = new ulong[(parameters.Length + 63) / 64];
        for (var i = 0; i < parameters.Length; i++) frozen[i >> 6] |= parameters[i].RequiresGradient ? 0 : 1UL << (i & 63);
        var all = new ulong[(long)frozen.Length * collectives.Size];
        collectives.AllGather<ulong>(frozen, all);
        for (var i = 0; i < all.Length; i++)
        {
            var differing = all[i] ^ all[i % frozen.Length];
            if (differing == 0) continue;
            var parameter = parameters[((i % frozen.Length) << 6) + System.Numerics.BitOperations.TrailingZeroCount(differing)];
            throw new RankMismatchException(FormattableString.Invariant($"'{parameter.Name}' is frozen on one of the ranks 0 and {i / frozen.Length}, and learns on the other; freeze it on all ranks."));
        }
    }

    // Which parameters have a gradient, [ranks][nodes][parameters].
    private bool[][][] FindPresent(GradientNodes own)
    {
        var bits = new ulong[((long)own.Nodes.Count * parameters.Length + 63) / 64];
        for (var node = 0; node < own.Nodes.Count; node++)
        {
            for (var i = 0; i < parameters.Length; i++)
            {
                var bit = (node * parameters.Length) + i;
                bits[bit >> 6] |= own.Nodes[node].Gradients[i] is null ? 0 : 1UL << (bit & 63);
            }
        }

        var all = collectives.AllGatherUneven<ulong>(bits, out var lengths);
        var present = new bool[collectives.Size][][];
        var start = 0;
        for (var rank = 0; rank < present.Length; rank++)
        {
            present[rank] = new bool[tree.NodesOf(rank).Count][];
            for (var node = 0; node < present[rank].Length; node++)
            {
                present[rank][node] = new bool[parameters.Length];
                for (var i = 0; i < parameters.Length; i++)
                {
                    var bit = (node * parameters.Length) + i;
                    present[rank][node][i] = (all[start + (bit >> 6)] >> (bit & 63) & 1) != 0;
                }
            }

            start += lengths[rank];
        }

        return present;
    }

    // A batch touches few rows: each rank gets all and adds them up itself.
    private void SumRows(Parameter parameter, SparseNodeGradient?[] own, bool[][] present, float scale)
    {
        var counts = collectives.AllGatherUneven<int>([.. own.Select(node => node?.Rows.Length ?? 0)], out _);
        var rows = collectives.AllGatherUneven<int>([.. own.SelectMany(node => node is null ? [] : node.Rows.ToArray())], out _);
        var values = collectives.AllGatherUneven<float>([.. own.SelectMany(node => node is null ? [] : node.Values.ToArray())], out _);
        var stack = new Stack<(TreeNode Place, SparseNodeGradient? Gradient)>();
        int index = 0, row = 0;
        for (var rank = 0; rank < present.Length; rank++)
        {
            for (var node = 0; node < present[rank].Length; node++)
            {
                var count = counts[index++];
                var columns = parameter.Columns;
                var gradient = present[rank][node]
                    ? new SparseNodeGradient(rows[row..(row + count)], values[(row * columns)..((row + count) * columns)], columns)
                    : null;
                row += count;
                var place = tree.NodesOf(rank)[node];
                while (stack.Count > 0 && tree.Parent(stack.Peek().Place, place) is { } parent)
                {
                    var left = stack.Pop().Gradient;
                    if (left is not null && gradient is not null) left.Add(gradient, threads: 1);
                    (place, gradient) = (parent, left ?? gradient);
                }

                stack.Push((place, gradient));
            }
        }

        var sum = stack.Pop().Gradient!;
        for (var i = 0; i < sum.Rows.Length; i++)
        {
            var target = parameter.TouchGradientRow(sum.Rows[i]);
            var source = sum.Values.Slice(i * parameter.Columns, parameter.Columns);
            for (var column = 0; column < target.Length; column++) target[column] = source[column] * scale;
        }
    }
}
