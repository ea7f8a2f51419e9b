namespace AdaptiveSoftmax.Gpu.Tests.Emulation;

/// <summary>Finds where threads that a branch parted meet again.</summary>
internal static class ControlFlow
{
    /// <summary>What stands for no place: the paths end apart.</summary>
    public const int Nowhere = int.MaxValue;

    /// <summary>
    /// For each instruction the first one that all paths from it to an end lead through: the immediate post-dominator, by the
    /// algorithm of Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm" (2001), on the reversed graph.
    /// </summary>
    public static int[] MeetingPoints(IReadOnlyList<PtxInstruction> instructions, IReadOnlyDictionary<string, int> labels)
    {
        var end = instructions.Count;
        var successors = new int[end + 1][];
        var predecessors = new List<int>[end + 1];
        for (var i = 0; i <= end; i++) predecessors[i] = [];
        for (var i = 0; i < end; i++)
        {
            successors[i] = [.. Successors(instructions[i], i, end, labels)];
            foreach (var next in successors[i]) predecessors[next].Add(i);
        }

        successors[end] = [];
        var order = PostOrder(predecessors, end);
        var rank = new int[end + 1];
        Array.Fill(rank, -1);
        for (var i = 0; i < order.Count; i++) rank[order[i]] = i;
        var result = new int[end + 1];
        Array.Fill(result, -1);
        result[end] = end;
        for (var changed = true; changed;)
        {
            changed = false;
            for (var i = order.Count - 2; i >= 0; i--)
            {
                var node = order[i];
                var best = -1;
                foreach (var next in successors[node])
                {
                    if (result[next] < 0) continue;
                    best = best < 0 ? next : Common(best, next);
                }

                if (result[node] == best) continue;
                result[node] = best;
                changed = true;
            }
        }

        return [.. result.Take(end).Select(point => point < 0 || point == end ? Nowhere : point)];

        int Common(int a, int b)
        {
            while (a != b)
            {
                while (rank[a] < rank[b]) a = result[a];
                while (rank[b] < rank[a]) b = result[b];
            }

            return a;
        }
    }

    private static IEnumerable<int> Successors(PtxInstruction instruction, int at, int end, IReadOnlyDictionary<string, int> labels)
    {
        var isBranch = instruction.Opcode is "bra" or "bra.uni";
        var isEnd = instruction.Opcode is "ret" or "exit";
        if (isBranch && labels.TryGetValue(instruction.Operands[0].Name, out var target)) yield return target;
        if (isEnd) yield return end;
        if ((!isBranch && !isEnd) || instruction.Guard is not null) yield return Math.Min(at + 1, end);
    }

    // From the end backwards; each node after all that are reached from it.
    private static List<int> PostOrder(List<int>[] predecessors, int end)
    {
        var order = new List<int>();
        var seen = new bool[predecessors.Length];
        var stack = new Stack<(int Node, int Next)>();
        stack.Push((end, 0));
        seen[end] = true;
        while (stack.TryPop(out var top))
        {
            if (top.Next == predecessors[top.Node].Count)
            {
                order.Add(top.Node);
                continue;
            }

            stack.Push((top.Node, top.Next + 1));
            var before = predecessors[top.Node][top.Next];
            if (seen[before]) continue;
            seen[before] = true;
            stack.Push((before, 0));
        }

        return order;
    }
}
