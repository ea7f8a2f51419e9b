using ILGPU;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>Into how many pieces a launch cuts its work on a part.</summary>
internal interface IPartWork
{
    /// <summary>The pieces; 0 where there is nothing to do.</summary>
    int Items(PartPlan part, PartSizes sizes, PartArguments arguments);
}

/// <summary>
/// The pieces of work of one launch, numbered through over its parts, so that a group takes the next one whichever part it
/// belongs to. Kernels read a part's plan and sizes when they need them, before a product and again behind it: what stays
/// over a product takes registers from the sums.
/// </summary>
/// <param name="plan">The plan of each part.</param>
/// <param name="sizes">The sizes of each part.</param>
/// <param name="arguments">The parts.</param>
internal readonly struct PartItems<TWork>(ArrayView<PartPlan> plan, ArrayView<PartSizes> sizes, PartArguments arguments)
    where TWork : unmanaged, IPartWork
{
    /// <summary>The first piece of this group of threads.</summary>
    public PartItem First() => Find(0, Grid.IdxX);

    /// <summary>The one after it; behind the last there is none, of which <see cref="Exists"/> is false.</summary>
    public PartItem Next(PartItem item) => Find(item.Index, item.Item + Grid.DimX);

    /// <summary>Whether there is such a piece.</summary>
    public bool Exists(PartItem item) => item.Index < arguments.Count;

    private PartItem Find(int index, int item)
    {
        while (index < arguments.Count && item >= Items(index))
        {
            item -= Items(index);
            index++;
        }

        PartItem found = default;
        found.Index = index;
        found.Item = item;
        return found;
    }

    private int Items(int index) => default(TWork).Items(plan[arguments.First + index], sizes[arguments.First + index], arguments);
}

/// <summary>A piece of work.</summary>
internal struct PartItem
{
    /// <summary>The part's place in the launch.</summary>
    public int Index;

    /// <summary>The piece's number among the part's.</summary>
    public int Item;
}
