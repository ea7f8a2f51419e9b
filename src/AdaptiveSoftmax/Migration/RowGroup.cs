namespace AdaptiveSoftmax;

/// <summary>Where the rows of a group come from.</summary>
internal enum RowOrigin
{
    /// <summary>The source's shortlist, or a dense head: rows of the head.</summary>
    Head,

    /// <summary>A tail of the source.</summary>
    Tail,

    /// <summary>Tokens that the source does not have.</summary>
    Added,
}

/// <summary>Members of one cluster of the target that come from one cluster of the source.</summary>
/// <param name="Origin">Where from.</param>
/// <param name="Tail">The source's tail, where it is one.</param>
/// <param name="Rows">Rows of the source's head or of the tail's output, or numbers of added tokens, [n].</param>
/// <param name="Places">Their places in the target's cluster, [n].</param>
internal sealed record RowGroup(RowOrigin Origin, int Tail, int[] Rows, int[] Places)
{
    /// <summary>The groups of a cluster of the target, the head first, then the tails in order, then what is new.</summary>
    /// <param name="map">The map.</param>
    /// <param name="start">The cluster's first slot.</param>
    /// <param name="size">Its tokens.</param>
    /// <param name="added">The number of each new token by its slot.</param>
    public static List<RowGroup> Of(TokenMap map, int start, int size, IReadOnlyDictionary<int, int> added)
    {
        var tails = map.From.TailCount;
        var rows = new List<(int Row, int Place)>[tails + 2];
        for (var i = 0; i < rows.Length; i++) rows[i] = [];
        for (var place = 0; place < size; place++)
        {
            var source = map.Sources[start + place];
            if (source < 0)
            {
                rows[^1].Add((added[start + place], place));
                continue;
            }

            var cluster = map.From.ClusterOf(source);
            rows[cluster].Add((cluster == 0 ? source : source - map.From.Tails[cluster - 1].Start, place));
        }

        var groups = new List<RowGroup>();
        for (var i = 0; i < rows.Length; i++)
        {
            if (rows[i].Count == 0) continue;
            var origin = i == 0 ? RowOrigin.Head : i <= tails ? RowOrigin.Tail : RowOrigin.Added;
            groups.Add(new RowGroup(origin, origin == RowOrigin.Tail ? i - 1 : -1, [.. rows[i].Select(row => row.Row)], [.. rows[i].Select(row => row.Place)]));
        }

        return groups;
    }
}
