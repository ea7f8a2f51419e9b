namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// Which tokens a draft of any size knows: those that always have to be in it, then the most frequent ones, of equally frequent ones those
/// of smaller ids. A smaller draft's tokens are all in a larger one.
/// </summary>
public sealed class DraftChoice
{
    private readonly int[] _order;

    private DraftChoice(TokenTable table, int[] order, int alwaysCount) => (Table, _order, AlwaysCount) = (table, order, alwaysCount);

    /// <summary>The vocabulary.</summary>
    public TokenTable Table { get; }

    /// <summary>The tokens that every draft has: those that are pinned in the table, special ones by their bytes, and those that were named.</summary>
    public int AlwaysCount { get; }

    /// <summary>Orders the tokens of a vocabulary.</summary>
    /// <param name="table">The vocabulary, with counts of the text that is to be drafted; the best are of a model's own output.</param>
    /// <param name="always">Slots of tokens that every draft has, beside pinned and special ones.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such slot.</exception>
    public static DraftChoice Create(TokenTable table, IEnumerable<int>? always = null)
    {
        if (table is null) throw new ArgumentNullException(nameof(table));
        var isAlways = new bool[table.Count];
        for (var slot = 0; slot < table.PinnedCount; slot++) isAlways[slot] = true;
        foreach (var slot in PinGroups.Find(table, PinGroup.Special).Concat(always ?? []))
        {
            if (slot < 0 || slot >= table.Count) throw new ArgumentOutOfRangeException(nameof(always), slot, "There is no such slot.");
            isAlways[slot] = true;
        }

        var order = new int[table.Count];
        for (var slot = 0; slot < order.Length; slot++) order[slot] = slot;
        Array.Sort(order, (left, right) =>
        {
            if (isAlways[left] != isAlways[right]) return isAlways[left] ? -1 : 1;
            var byCount = table.GetCount(right).CompareTo(table.GetCount(left));
            return byCount != 0 ? byCount : table.GetId(left).CompareTo(table.GetId(right));
        });
        return new DraftChoice(table, order, isAlways.Count(value => value));
    }

    /// <summary>The ids of the tokens of a draft, ascending; a token's place is its number in the draft.</summary>
    /// <param name="size">The number of tokens.</param>
    /// <exception cref="ArgumentOutOfRangeException">The vocabulary has fewer, or more of them always have to be in it.</exception>
    public int[] TokensOf(int size)
    {
        if (size < 1 || size > Table.Count) throw new ArgumentOutOfRangeException(nameof(size), size, FormattableString.Invariant($"A draft of {Table.Count} tokens knows from 1 to {Table.Count} of them."));
        if (size < AlwaysCount) throw new ArgumentOutOfRangeException(nameof(size), size, FormattableString.Invariant($"{AlwaysCount} tokens are pinned, special or named, and always in a draft; give at least that size."));
        var ids = new int[size];
        for (var i = 0; i < size; i++) ids[i] = Table.GetId(_order[i]);
        Array.Sort(ids);
        return ids;
    }

    /// <summary>The share of occurrences that drafts of some sizes know: no more tokens of such text can be accepted.</summary>
    /// <param name="counts">The occurrences by slot, of the whole text or of one domain.</param>
    /// <param name="sizes">The sizes, ascending, at most the vocabulary's.</param>
    /// <returns>A share each; NaN where nothing was counted.</returns>
    /// <exception cref="ArgumentException">The counts are not of this vocabulary, or the sizes not as asked.</exception>
    public double[] CoverageOf(ReadOnlySpan<long> counts, ReadOnlySpan<int> sizes)
    {
        if (counts.Length != _order.Length) throw new ArgumentException(FormattableString.Invariant($"There are {counts.Length} counts of {_order.Length} tokens; give one each, by slot."), nameof(counts));
        var total = TokenShares.Sum(counts);
        var shares = new double[sizes.Length];
        var (sum, known) = (0.0, 0);
        for (var i = 0; i < sizes.Length; i++)
        {
            if (sizes[i] < known || sizes[i] > _order.Length) throw new ArgumentException(FormattableString.Invariant($"Size {i} is {sizes[i]}; sizes must ascend, to {_order.Length} at most."), nameof(sizes));
            for (; known < sizes[i]; known++) sum += counts[_order[known]];
            shares[i] = total > 0 ? sum / total : double.NaN;
        }

        return shares;
    }

    /// <summary>The tokens that a verification is expected to give: 1 + a + a² + …, where each drafted token is accepted with probability a if those before it are.</summary>
    /// <param name="acceptance">a.</param>
    /// <param name="drafted">The tokens that are drafted.</param>
    public static double TokensPerVerification(double acceptance, int drafted)
    {
        var (sum, power) = (1.0, 1.0);
        for (var i = 0; i < drafted; i++) sum += power *= acceptance;
        return sum;
    }
}
