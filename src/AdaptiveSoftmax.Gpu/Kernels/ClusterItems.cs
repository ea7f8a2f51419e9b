using ILGPU;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>Into how many pieces a launch cuts its work on a cluster.</summary>
internal interface IClusterWork
{
    /// <summary>The pieces; 0 where there is nothing to do.</summary>
    int Items(BatchPlan cluster, ClusterSizes sizes, ClusterArguments arguments);
}

/// <summary>
/// The pieces of work of one launch, numbered through over its clusters, so that a group takes the next one whichever cluster it
/// belongs to. Kernels read a cluster's plan and sizes when they need them, before a product and again behind it: what stays
/// over a product takes registers from the sums.
/// </summary>
/// <param name="plan">The plan of each cluster.</param>
/// <param name="sizes">The sizes of each cluster.</param>
/// <param name="arguments">The clusters.</param>
internal readonly struct ClusterItems<TWork>(ArrayView<BatchPlan> plan, ArrayView<ClusterSizes> sizes, ClusterArguments arguments)
    where TWork : unmanaged, IClusterWork
{
    /// <summary>The piece with a number among those of all clusters.</summary>
    public ClusterItem Find(int number) => Find(0, number);

    /// <summary>The first piece of this group of threads.</summary>
    public ClusterItem First() => Find(Grid.IdxX);

    /// <summary>The one after it; behind the last there is none, of which <see cref="Exists"/> is false.</summary>
    public ClusterItem Next(ClusterItem item) => Find(item.Index, item.Item + Grid.DimX);

    /// <summary>Whether there is such a piece.</summary>
    public bool Exists(ClusterItem item) => item.Index < arguments.Count;

    private ClusterItem Find(int index, int item)
    {
        while (index < arguments.Count && item >= Items(index))
        {
            item -= Items(index);
            index++;
        }

        ClusterItem found = default;
        found.Index = index;
        found.Item = item;
        return found;
    }

    private int Items(int index) => default(TWork).Items(plan[arguments.First + index], sizes[arguments.First + index], arguments);
}

/// <summary>A piece of work.</summary>
internal struct ClusterItem
{
    /// <summary>The cluster's place in the launch.</summary>
    public int Index;

    /// <summary>The piece's number among the cluster's.</summary>
    public int Item;
}
