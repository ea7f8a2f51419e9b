namespace AdaptiveSoftmax.Distributed;

/// <summary>
/// The order in which a sum of many terms is added up: neighbours first, then neighbouring pairs, and so on. It follows from the
/// number of leaves alone, so that a sum has the same bits wherever its leaves are; ranks hold leaves that stand side by side.
/// </summary>
public sealed class SumTree
{
    private readonly TreeNode[][] _nodes;

    /// <summary>Deals out the leaves of a tree.</summary>
    /// <param name="leaves">The number of terms.</param>
    /// <param name="ranks">The number of ranks.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are no ranks, or fewer leaves than ranks.</exception>
    public SumTree(int leaves, int ranks)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(ranks, 1);
        if (leaves < ranks)
            throw new ArgumentOutOfRangeException(nameof(leaves), leaves, FormattableString.Invariant($"A sum of {leaves} terms cannot be dealt out to {ranks} ranks; cut the batch into at least {ranks}, or start fewer ranks."));
        Leaves = leaves;
        Ranks = ranks;
        _nodes = [.. Enumerable.Range(0, ranks).Select(FindNodes)];
    }

    /// <summary>The number of terms.</summary>
    public int Leaves { get; }

    /// <summary>The number of ranks.</summary>
    public int Ranks { get; }

    /// <summary>The leaves of a rank, [start, end).</summary>
    /// <param name="rank">The rank.</param>
    public (int Start, int End) LeavesOf(int rank) => ((int)((long)Leaves * rank / Ranks), (int)((long)Leaves * (rank + 1) / Ranks));

    /// <summary>The nodes that a rank can add up by itself, in the order of their leaves: at least one.</summary>
    /// <param name="rank">The rank.</param>
    public IReadOnlyList<TreeNode> NodesOf(int rank) => _nodes[rank];

    /// <summary>A leaf, as the highest node that it is the whole of: the last ones of a tree may have no neighbour.</summary>
    internal TreeNode Leaf(int leaf) => Rise(new TreeNode(0, leaf));

    /// <summary>The node above two neighbours; null where they are none.</summary>
    internal TreeNode? Parent(TreeNode left, TreeNode right) =>
        left.Level == right.Level && left.Index % 2 == 0 && right.Index == left.Index + 1 ? Rise(new TreeNode(left.Level + 1, left.Index / 2)) : null;

    /// <summary>Adds the next node in the order of the leaves to sums that stand side by side, as far as the tree lets them be added up.</summary>
    internal void Push<T>(Stack<(TreeNode Node, T Value)> sums, TreeNode node, T value, Func<T, T, T> add)
    {
        while (sums.Count > 0 && Parent(sums.Peek().Node, node) is { } parent) (node, value) = (parent, add(sums.Pop().Value, value));
        sums.Push((node, value));
    }

    private TreeNode Rise(TreeNode node)
    {
        while (node.Index > 0 && node.Index % 2 == 0 && (node.Index + 1L) << node.Level >= Leaves) node = new TreeNode(node.Level + 1, node.Index / 2);
        return node;
    }

    private TreeNode[] FindNodes(int rank)
    {
        var (start, end) = LeavesOf(rank);
        var nodes = new List<TreeNode>();
        for (var leaf = start; leaf < end; leaf++)
        {
            nodes.Add(Leaf(leaf));
            while (nodes.Count > 1 && Parent(nodes[^2], nodes[^1]) is { } parent)
            {
                nodes.RemoveAt(nodes.Count - 1);
                nodes[^1] = parent;
            }
        }

        return [.. nodes];
    }
}
