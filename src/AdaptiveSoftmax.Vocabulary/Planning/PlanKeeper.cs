using System.Text;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// Plans anew on fresh counts without moving what only noise moved. Tokens are the same where their bytes are; ids may differ. A token changes its cluster where its share of all
/// occurrences has changed by more than a tenth, its count by more than three standard deviations of what both corpora
/// together let expect, and the new share lies beyond the old clusters' border: the middle between the counts on either side
/// of the cutoff. Tokens that either table pins stand in the head, in front. All others keep cluster and order; cutoffs move by the tokens that come and go, and in no other way.
/// </summary>
public static class PlanKeeper
{
    private const double Deviations = 3;
    private const double LeastChange = 0.1;

    private static readonly Encoding s_latin1 = Encoding.GetEncoding("iso-8859-1");

    /// <summary>Finds what must move.</summary>
    /// <param name="spec">The old spec.</param>
    /// <param name="old">The table that it was planned from.</param>
    /// <param name="fresh">The fresh counts.</param>
    /// <exception cref="ArgumentException">Either table has no counts, or a cluster would have no token left; the message says which.</exception>
    public static KeptPlan Keep(SoftmaxSpec spec, TokenTable old, TokenTable fresh)
    {
        if (spec is null) throw new ArgumentNullException(nameof(spec));
        if (old is null) throw new ArgumentNullException(nameof(old));
        if (fresh is null) throw new ArgumentNullException(nameof(fresh));
        var (before, now) = (TokenShares.Sum(old.Counts), TokenShares.Sum(fresh.Counts));
        if (before == 0 || now == 0) throw new ArgumentException($"All counts of the {(before == 0 ? "old" : "fresh")} table are 0, so nothing says what has changed.", before == 0 ? nameof(old) : nameof(fresh));
        var layout = spec.CreateLayout(old.Count);
        var borders = FindBorders(old, layout, before);
        var oldSlots = SlotsByBytes(old);
        // Pinned tokens first, those of the old table in their order; then who stays in its order, then who came in.
        var behindPinned = (long)old.PinnedCount;
        var members = Enumerable.Range(0, layout.TailCount + 1).Select(_ => new List<(int FreshSlot, long Place)>()).ToArray();
        var moves = new List<TokenMove>();
        var pinnedCount = 0;
        for (var slot = 0; slot < fresh.Count; slot++)
        {
            var share = fresh.GetCount(slot) / now;
            var isPinned = slot < fresh.PinnedCount;
            var oldSlot = Find(oldSlots, fresh, slot);
            if (oldSlot < 0)
            {
                var entered = isPinned ? 0 : ClusterOf(share, borders);
                members[entered].Add((slot, isPinned ? behindPinned : long.MaxValue));
                moves.Add(new TokenMove(fresh.GetId(slot), null, entered, 0, share, double.PositiveInfinity));
                if (isPinned) pinnedCount++;
                continue;
            }

            var cluster = layout.ClusterOf(oldSlot);
            var wasPinned = cluster == 0 && oldSlot < old.PinnedCount;
            var oldShare = old.GetCount(oldSlot) / before;
            var deviations = DeviationsOf(old.GetCount(oldSlot), before, fresh.GetCount(slot), now);
            var hasChanged = deviations > Deviations && Math.Abs(share - oldShare) > LeastChange * Math.Max(share, oldShare);
            var target = isPinned || wasPinned ? 0 : hasChanged ? ClusterOf(share, borders) : cluster;
            members[target].Add((slot, wasPinned ? oldSlot : isPinned ? behindPinned : target == cluster ? behindPinned + 1 + oldSlot : long.MaxValue));
            if (target != cluster) moves.Add(new TokenMove(fresh.GetId(slot), cluster, target, oldShare, share, deviations));
            if (isPinned || wasPinned) pinnedCount++;
        }

        AddRemoved(old, fresh, layout, before, moves);
        return Arrange(spec, members, moves, fresh) with { PinnedCount = pinnedCount };
    }

    private static KeptPlan Arrange(SoftmaxSpec spec, List<(int FreshSlot, long Place)>[] members, List<TokenMove> moves, TokenTable fresh)
    {
        var order = new List<int>(fresh.Count);
        var cutoffs = new List<int>();
        for (var cluster = 0; cluster < members.Length; cluster++)
        {
            if (members[cluster].Count == 0) throw new ArgumentException(FormattableString.Invariant($"No token is left in {(cluster == 0 ? "the head" : FormattableString.Invariant($"tail {cluster - 1}"))} with these counts; plan without keeping the old clusters."), nameof(fresh));
            if (cluster > 0) cutoffs.Add(order.Count);
            // Who came in stands by rank, which is the order of the fresh table.
            order.AddRange(members[cluster].OrderBy(member => member.Place).ThenBy(member => member.FreshSlot).Select(member => member.FreshSlot));
        }

        var kept = spec with { Cutoffs = new EquatableArray<int>(cutoffs) };
        return new KeptPlan(kept.CreateLayout(fresh.Count), kept.Cutoffs, new EquatableArray<int>(order), new EquatableArray<TokenMove>(moves.OrderByDescending(move => Math.Max(move.OldShare, move.NewShare)).ThenBy(move => move.Id)));
    }

    // A table that was kept or pinned is not in the order of its counts, so that the two tokens beside a cutoff say nothing:
    // the border is where the cutoff would be among the counts in their order, without pinned tokens.
    private static double[] FindBorders(TokenTable old, SoftmaxLayout layout, double before)
    {
        var counts = old.Counts.Slice(old.PinnedCount).ToArray();
        Array.Sort(counts, (a, b) => b.CompareTo(a));
        double CountAt(int place) => counts.Length == 0 ? 0 : counts[Math.Min(Math.Max(place, 0), counts.Length - 1)];
        return [.. layout.Tails.Select(tail => tail.Start - old.PinnedCount).Select(at => (CountAt(at - 1) + CountAt(at)) / 2 / before)];
    }

    private static void AddRemoved(TokenTable old, TokenTable fresh, SoftmaxLayout layout, double before, List<TokenMove> moves)
    {
        var freshSlots = SlotsByBytes(fresh);
        for (var slot = 0; slot < old.Count; slot++)
        {
            if (Find(freshSlots, old, slot) < 0) moves.Add(new TokenMove(old.GetId(slot), layout.ClusterOf(slot), null, old.GetCount(slot) / before, 0, double.PositiveInfinity));
        }
    }

    // As far as both corpora draw from one distribution, the fresh count is binomial given the sum of both.
    private static double DeviationsOf(double oldCount, double before, double count, double now)
    {
        var sum = oldCount + count;
        if (sum == 0) return 0;
        var part = now / (before + now);
        return Math.Abs(count - (sum * part)) / Math.Sqrt(sum * part * (1 - part));
    }

    private static int ClusterOf(double share, double[] borders)
    {
        var cluster = 0;
        while (cluster < borders.Length && share <= borders[cluster]) cluster++;
        return cluster;
    }

    private static Dictionary<string, int> SlotsByBytes(TokenTable table)
    {
        var slots = new Dictionary<string, int>(table.Count, StringComparer.Ordinal);
        for (var slot = 0; slot < table.Count; slot++) slots[KeyOf(table, slot)] = slot;
        return slots;
    }

    // Tokens are the same where their bytes are: ids of words are ranks, which every count deals anew.
    private static int Find(Dictionary<string, int> slots, TokenTable other, int slot) => slots.TryGetValue(KeyOf(other, slot), out var found) ? found : -1;

    private static string KeyOf(TokenTable table, int slot) => s_latin1.GetString(table.GetToken(slot).ToArray());
}

/// <summary>Old clusters on fresh counts.</summary>
/// <param name="Layout">The layout.</param>
/// <param name="Cutoffs">Its cutoffs.</param>
/// <param name="Order">The slot in the fresh table of each new slot, [vocabulary].</param>
/// <param name="Moves">What changed its cluster, came or went; the most frequent first.</param>
public sealed record KeptPlan(SoftmaxLayout Layout, EquatableArray<int> Cutoffs, EquatableArray<int> Order, EquatableArray<TokenMove> Moves)
{
    /// <summary>How many of the first slots hold pinned tokens: those of the old table, then those that only the fresh one pins.</summary>
    public int PinnedCount { get; init; }
}

/// <summary>A token that changed its cluster, came or went.</summary>
/// <param name="Id">The token's id in the fresh table, or in the old one where it is gone.</param>
/// <param name="From">The cluster that it was in: 0 for the head, i + 1 for tail i; null where it is new.</param>
/// <param name="To">The cluster that it is in now; null where it is gone.</param>
/// <param name="OldShare">Its share of all occurrences before.</param>
/// <param name="NewShare">Its share now.</param>
/// <param name="Deviations">By how many standard deviations its count has changed; infinite where it came or went.</param>
public sealed record TokenMove(int Id, int? From, int? To, double OldShare, double NewShare, double Deviations);
