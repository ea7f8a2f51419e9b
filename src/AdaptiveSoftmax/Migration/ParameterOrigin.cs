using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>Where the rows of one of the target's parameters come from, as far as they kept their meaning.</summary>
/// <param name="Target">The target's parameter.</param>
/// <param name="Source">The source's parameter that it goes back to.</param>
/// <param name="Rows">The source's row of each row, [rows]; −1 where it has no meaning there. Columns past the source's are new.</param>
internal sealed record ParameterOrigin(Parameter Target, Parameter Source, int[] Rows)
{
    /// <summary>The origins of all of the target's parameters.</summary>
    public static List<ParameterOrigin> Of(TokenMap map, SoftmaxWeights source, TargetBuilder builder)
    {
        var target = builder.Target;
        var origins = new List<ParameterOrigin>();
        var head = new int[target.Layout.HeadRows];
        Array.Fill(head, -1);
        for (var slot = 0; slot < map.To.ShortlistSize; slot++)
        {
            if (map.Sources[slot] is var from and >= 0 && map.From.ClusterOf(from) == 0) head[slot] = from;
        }

        foreach (var tail in map.To.Tails)
        {
            if (IsCopy(builder, tail)) head[target.GateOf(tail.Index)] = source.GateOf(builder.TailGroups[tail.Index][0].Tail);
        }

        origins.Add(new ParameterOrigin(target.Head.Weight, source.Head.Weight, head));
        if (target.Head.Bias is not null) origins.Add(new ParameterOrigin(target.Head.Bias, source.Head.Bias ?? source.Head.Weight, source.Head.Bias is null ? [.. head.Select(_ => -1)] : head));
        foreach (var tail in map.To.Tails)
        {
            var layer = target.Tails[tail.Index];
            if (!IsCopy(builder, tail))
            {
                origins.Add(new ParameterOrigin(layer.Projection, source.Head.Weight, None(layer.Projection)));
                origins.Add(new ParameterOrigin(layer.Output, source.Head.Weight, None(layer.Output)));
                continue;
            }

            var group = builder.TailGroups[tail.Index][0];
            var from = source.Tails[group.Tail];
            var outputs = new int[tail.Size];
            for (var i = 0; i < group.Rows.Length; i++) outputs[group.Places[i]] = group.Rows[i];
            origins.Add(new ParameterOrigin(layer.Projection, from.Projection, [.. Enumerable.Range(0, tail.ProjectionWidth).Select(k => k < from.Projection.Rows ? k : -1)]));
            origins.Add(new ParameterOrigin(layer.Output, from.Output, outputs));
        }

        return origins;
    }

    private static bool IsCopy(TargetBuilder builder, TailCluster tail) => builder.Changes[tail.Index] is ClusterChange.Kept or ClusterChange.Reduced;

    private static int[] None(Parameter parameter)
    {
        var rows = new int[parameter.Rows];
        Array.Fill(rows, -1);
        return rows;
    }
}
