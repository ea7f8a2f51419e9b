namespace AdaptiveSoftmax.Vocabulary;

/// <summary>What a layout costs each of the domains that share it, such as languages or customers.</summary>
public static class DomainCosts
{
    /// <summary>Above this many times the cheapest domain's cost a domain is said to pay more.</summary>
    public const double FairRatio = 1.25;

    /// <summary>What each domain is expected to pay.</summary>
    /// <param name="layout">The layout.</param>
    /// <param name="names">The domains' names.</param>
    /// <param name="counts">How often each slot's token occurs in each domain, [domains][vocabulary].</param>
    /// <param name="model">What a step costs; its tokens are taken to be all of one domain.</param>
    /// <returns>A line for each domain, in the order given.</returns>
    /// <exception cref="ArgumentException">The lengths do not agree, or a domain has no tokens.</exception>
    public static EquatableArray<DomainCost> Of(SoftmaxLayout layout, IReadOnlyList<string> names, IReadOnlyList<long[]> counts, SoftmaxCostModel model)
    {
        if (layout is null) throw new ArgumentNullException(nameof(layout));
        if (model is null) throw new ArgumentNullException(nameof(model));
        Check(layout.VocabularySize, names, counts);
        return Of(layout, Read(names, counts, model));
    }

    private static EquatableArray<DomainCost> Of(SoftmaxLayout layout, Domain[] domains)
    {
        var lines = new DomainCost[domains.Length];
        for (var i = 0; i < lines.Length; i++)
        {
            var (name, tokens, shares, own) = domains[i];
            var coverage = shares.CoverageOf(layout);
            lines[i] = new DomainCost(name, tokens, coverage[0], layout.Tails.Sum(tail => own.VisitProbability(coverage[tail.Cluster])), own.CostOf(layout, coverage), 1);
        }

        var cheapest = lines.Length == 0 ? 1 : lines.Min(line => line.Cost);
        for (var i = 0; i < lines.Length; i++) lines[i] = lines[i] with { Ratio = lines[i].Cost / cheapest };
        return new EquatableArray<DomainCost>(lines);
    }

    /// <summary>
    /// Chooses cutoffs that are cheap for the domain that pays most: plans for mixtures of the domains, in which those that pay
    /// more come to count more, and keeps the one whose dearest domain pays least.
    /// </summary>
    /// <param name="names">The domains' names.</param>
    /// <param name="counts">How often each slot's token occurs in each domain, [domains][vocabulary].</param>
    /// <param name="hiddenSize">The hidden size H.</param>
    /// <param name="options">What the plan must keep to; the head covers its share of all domains together.</param>
    /// <param name="cancellationToken">Stops the search.</param>
    /// <exception cref="ArgumentException">The lengths do not agree, a domain has no tokens, or no layout fits the options.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static SoftmaxLayout Balance(IReadOnlyList<string> names, IReadOnlyList<long[]> counts, int hiddenSize, ClusterPlanOptions options, CancellationToken cancellationToken = default)
    {
        const int Rounds = 12;
        if (options is null) throw new ArgumentNullException(nameof(options));
        if (counts is null || counts.Count == 0) throw new ArgumentException("There are no domains to balance; give at least one.", nameof(counts));
        Check(counts[0].Length, names, counts);
        var domains = Read(names, counts, options.CostModel);
        var totals = domains.Select(domain => domain.Tokens).ToArray();
        // The first round is the corpus as it is: balancing never leaves the dearest domain worse off than not balancing.
        var weights = (double[])totals.Clone();
        var all = Add(counts);
        // The head covers what it must of all domains together, whatever a mixture makes of them.
        var shortlist = Math.Min(TokenShares.Create(all).SlotsCovering(options.MinimumHeadCoverage), all.Length - (options.Clusters ?? Math.Max(1, options.Projections.Count)));
        var mixed = options with { MinimumHeadSize = Math.Max(options.MinimumHeadSize, shortlist), MinimumHeadCoverage = 0 };
        SoftmaxLayout? best = null;
        var leastWorst = double.PositiveInfinity;
        for (var round = 0; round < Rounds; round++)
        {
            var layout = ClusterPlanner.Plan(round == 0 ? all : Mix(counts, totals, weights), hiddenSize, mixed, cancellationToken).Layout;
            var costs = Of(layout, domains);
            var worst = costs.Max(cost => cost.Cost);
            if (worst < leastWorst) (best, leastWorst) = (layout, worst);
            var sum = weights.Sum();
            for (var i = 0; i < weights.Length; i++)
            {
                // From the second round on domains start alike, whatever they have written.
                var weight = round == 0 ? 1.0 / weights.Length : weights[i] / sum;
                var dearness = costs[i].Cost / worst;
                weights[i] = weight * dearness * dearness;
            }
        }

        return best!;
    }

    private static Domain[] Read(IReadOnlyList<string> names, IReadOnlyList<long[]> counts, SoftmaxCostModel model) =>
        [.. names.Select((name, i) => new Domain(name, TokenShares.Sum(counts[i]), TokenShares.Create(counts[i]), model.For(counts[i])))];

    // Whole numbers, as the planner takes them: a share of 10^15 loses nothing that counts had.
    private static long[] Mix(IReadOnlyList<long[]> counts, double[] totals, double[] weights)
    {
        const double Whole = 1e15;
        var sum = weights.Sum();
        var parts = weights.Select(weight => weight / sum).ToArray();
        var mixture = new long[counts[0].Length];
        for (var slot = 0; slot < mixture.Length; slot++)
        {
            var share = 0.0;
            for (var domain = 0; domain < totals.Length; domain++) share += parts[domain] * counts[domain][slot] / totals[domain];
            mixture[slot] = (long)(share * Whole);
        }

        return mixture;
    }

    private static long[] Add(IReadOnlyList<long[]> counts)
    {
        var all = new long[counts[0].Length];
        foreach (var domain in counts)
        {
            for (var slot = 0; slot < all.Length; slot++) all[slot] = checked(all[slot] + domain[slot]);
        }

        return all;
    }

    private static void Check(int vocabularySize, IReadOnlyList<string> names, IReadOnlyList<long[]> counts)
    {
        if (names is null) throw new ArgumentNullException(nameof(names));
        if (counts is null) throw new ArgumentNullException(nameof(counts));
        if (names.Count != counts.Count) throw new ArgumentException(FormattableString.Invariant($"There are {counts.Count} lists of counts for {names.Count} domains; give one each."), nameof(counts));
        for (var i = 0; i < names.Count; i++)
        {
            if (counts[i].Length != vocabularySize) throw new ArgumentException(FormattableString.Invariant($"The domain {names[i]} has {counts[i].Length} counts for {vocabularySize} tokens; give one each."), nameof(counts));
            if (TokenShares.Sum(counts[i]) == 0) throw new ArgumentException(FormattableString.Invariant($"The domain {names[i]} has no tokens of the table; leave it out."), nameof(counts));
        }
    }

    // What is the same of every layout.
    private sealed record Domain(string Name, double Tokens, TokenShares Shares, SoftmaxCostModel Model);
}

/// <summary>What a domain is expected to pay.</summary>
/// <param name="Name">The domain.</param>
/// <param name="Tokens">Its tokens.</param>
/// <param name="HeadShare">The share of them in the head.</param>
/// <param name="VisitsPerToken">The tails that one of them visits on average.</param>
/// <param name="Cost">The nanoseconds of a step over tokens of this domain alone.</param>
/// <param name="Ratio">How many times the cheapest domain's cost that is.</param>
public sealed record DomainCost(string Name, double Tokens, double HeadShare, double VisitsPerToken, double Cost, double Ratio)
{
    /// <summary>Whether the domain pays more than is fair.</summary>
    public bool PaysMore => Ratio > DomainCosts.FairRatio;
}
