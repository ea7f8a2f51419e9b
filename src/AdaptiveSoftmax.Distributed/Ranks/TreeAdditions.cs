namespace AdaptiveSoftmax.Distributed;

/// <summary>
/// The additions that make the sum of a tree's nodes, in its order, without those that are not there. It takes the terms where they
/// lie and writes the sum alone.
/// </summary>
internal sealed unsafe class TreeAdditions
{
    // Of each term 16 KiB, so that what is between terms and sum does not leave a core's nearest cache.
    private const int BlockLength = 1 << 12;

    private readonly List<(int Left, int Right, int Target)> _additions = [];
    private readonly int _result;

    /// <summary>Finds the additions.</summary>
    /// <param name="tree">The tree.</param>
    /// <param name="present">Which nodes of each rank there are, [ranks][nodes]; at least one.</param>
    public TreeAdditions(SumTree tree, bool[][] present)
    {
        Terms = present.Sum(rank => rank.Count(there => there));
        var sums = new Stack<(TreeNode Node, int Value)>();
        var (next, betweens) = (0, 0);
        var free = new Stack<int>();
        for (var rank = 0; rank < present.Length; rank++)
        {
            for (var node = 0; node < present[rank].Length; node++) tree.Push(sums, tree.NodesOf(rank)[node], present[rank][node] ? next++ : -1, Add);
        }

        _result = sums.Pop().Value;
        WorkLength = betweens * BlockLength;

        // An addition may write where one of its own two was, and where nothing is that is still needed.
        int Add(int left, int right)
        {
            if (left < 0 || right < 0) return Math.Max(left, right);
            if (left >= Terms) free.Push(left);
            if (right >= Terms) free.Push(right);
            var between = free.Count > 0 ? free.Pop() : Terms + betweens++;
            _additions.Add((left, right, between));
            return between;
        }
    }

    /// <summary>The number of terms: the nodes that are there, rank by rank.</summary>
    public int Terms { get; }

    /// <summary>The floats of working memory that <see cref="Run"/> needs.</summary>
    public int WorkLength { get; }

    /// <summary>Sets a target to the sum times a scale.</summary>
    /// <param name="terms">The first value of each term, [<see cref="Terms"/>].</param>
    /// <param name="count">The number of values.</param>
    /// <param name="scale">The scale.</param>
    /// <param name="target">The target, [count]; it may be a term.</param>
    /// <param name="work">Working memory, [<see cref="WorkLength"/>].</param>
    public void Run(ReadOnlySpan<nint> terms, long count, float scale, float* target, float* work)
    {
        for (var start = 0L; start < count; start += BlockLength)
        {
            var length = (int)Math.Min(BlockLength, count - start);
            foreach (var (left, right, between) in _additions) Vectors.Add(At(terms, left), At(terms, right), At(terms, between), length);
            Vectors.Scale(At(terms, _result), scale, target + start, length);

            float* At(ReadOnlySpan<nint> pointers, int index) => index < Terms ? (float*)pointers[index] + start : work + ((long)(index - Terms) * BlockLength);
        }
    }
}
