namespace AdaptiveSoftmax.Vocabulary;

/// <summary>Chooses the cutoffs with the least expected cost of a step, within what the options ask for.</summary>
public static class ClusterPlanner
{
    /// <summary>The most clusters that a plan has; beyond a handful they save nothing.</summary>
    public const int MaximumClusters = 16;

    private const int MaximumChosenClusters = 8;

    // Some ten milliseconds: two clusters of 200 tokens, three of 50.
    private const int MostTried = 20_000;

    /// <summary>Chooses the cutoffs.</summary>
    /// <param name="counts">How often each token occurs, in slot order: descending, save where tokens are pinned or kept elsewhere.</param>
    /// <param name="hiddenSize">The hidden size H, from 1 to <see cref="SoftmaxLayout.MaximumWidth"/>.</param>
    /// <param name="options">What the plan must keep to.</param>
    /// <param name="cancellationToken">Stops the search.</param>
    /// <exception cref="ArgumentException">A count is negative, or no layout fits the options; the message says why.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static ClusterPlan Plan(ReadOnlySpan<long> counts, int hiddenSize, ClusterPlanOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new ClusterPlanOptions();
        var shares = TokenShares.Create(counts);
        var model = options.CostModel.For(counts);
        if (options.Visits is { } sample && sample.VocabularySize != counts.Length)
            throw new ArgumentException(FormattableString.Invariant($"The sample of visits is of {sample.VocabularySize} tokens, and there are {counts.Length} counts; give the sample of the same vocabulary."), nameof(options));
        IShareModel visits = options.Visits is null || model.Use == SoftmaxUse.Training ? new CountedVisits(shares, model) : options.Visits;
        return Choose(shares, visits, model, counts.Length, hiddenSize, options, cancellationToken);
    }

    /// <summary>What to expect of a layout that is given.</summary>
    /// <param name="layout">The layout.</param>
    /// <param name="counts">How often each slot's token occurs, [vocabulary].</param>
    /// <param name="model">What a step costs.</param>
    /// <exception cref="ArgumentException">There is not one count for each token, or one is negative.</exception>
    public static ClusterPlan Evaluate(SoftmaxLayout layout, ReadOnlySpan<long> counts, SoftmaxCostModel model)
    {
        if (layout is null) throw new ArgumentNullException(nameof(layout));
        if (model is null) throw new ArgumentNullException(nameof(model));
        if (counts.Length != layout.VocabularySize)
            throw new ArgumentException(FormattableString.Invariant($"There are {counts.Length} counts for {layout.VocabularySize} tokens; give one each."), nameof(counts));
        var shares = TokenShares.Create(counts);
        var own = model.For(counts);
        double[] expected = [shares.Between(0, layout.ShortlistSize), .. layout.Tails.Select(tail => shares.Between(tail.Start, tail.Start + tail.Size))];
        return new ClusterPlan(
            layout,
            new EquatableArray<int>(layout.Tails.Select(tail => tail.Start)),
            new EquatableArray<double>(shares.CoverageOf(layout)),
            new EquatableArray<double>(layout.Tails.Select(tail => own.VisitProbability(expected[tail.Cluster]))),
            own.CostOf(layout, expected),
            own.CostOfHead(layout.VocabularySize, layout.HiddenSize));
    }

    internal static ClusterPlan Choose(TokenShares shares, IShareModel visits, SoftmaxCostModel model, int tokens, int hiddenSize, ClusterPlanOptions options, CancellationToken cancellationToken)
    {
        var full = SoftmaxLayout.CreateFull(hiddenSize, tokens, options.HasHeadBias);
        var widths = WidthsOf(tokens, hiddenSize, options);
        var asked = options.Projections.Count > 0 ? options.Projections.Count : options.Clusters;
        if (!(options.MinimumHeadCoverage is >= 0 and <= 1))
            throw new ArgumentException(FormattableString.Invariant($"The head's coverage is {options.MinimumHeadCoverage}; it must be from 0 to 1."), nameof(options));
        if (options.MinimumHeadSize < 0 || options.MinimumHeadSize > tokens - (asked ?? 1))
            throw new ArgumentException(FormattableString.Invariant($"The head is to have at least {options.MinimumHeadSize} tokens; with {asked ?? 1} clusters of {tokens} tokens it can have 0 to {tokens - (asked ?? 1)}."), nameof(options));
        var shortlist = Math.Min(Math.Max(shares.SlotsCovering(options.MinimumHeadCoverage), options.MinimumHeadSize), tokens - (asked ?? 1));

        // No cluster begins within the least shortlist, which is often most of the candidates.
        int[] candidates = [.. CutoffCandidates.Create(tokens, shares.SeenTokens, shortlist).Where(candidate => candidate >= shortlist)];
        var search = new ClusterSearch(candidates, visits, widths, hiddenSize, model, mayBeSmall: asked is not null, cancellationToken);

        var best = Enumerable.Range(asked ?? 1, widths.Length - (asked ?? 1) + 1)
            .Select(clusters => FindCutoffs(search, clusters, options.MaximumWeightBytes, cancellationToken))
            .Where(found => found is not null)
            .Select(found => (Cutoffs: found!, Cost: search.CostOf(found!)))
            .Aggregate(((int[] Cutoffs, double Cost)?)null, (least, next) => least is null || next.Cost < least.Value.Cost ? next : least)
            ?? throw OutOfMemory(search, widths.Length, asked, options);
        var cutoffs = best.Cutoffs.Select(index => candidates[index]).ToArray();
        var layout = options.Projections.Count > 0
            ? SoftmaxLayout.Create(hiddenSize, tokens, cutoffs, options.Projections, options.HasHeadBias)
            : SoftmaxLayout.Create(hiddenSize, tokens, cutoffs, options.DivValue, options.HasHeadBias);
        return new ClusterPlan(
            layout,
            new EquatableArray<int>(cutoffs),
            new EquatableArray<double>(shares.CoverageOf(layout)),
            new EquatableArray<double>(layout.Tails.Select(tail => visits.VisitProbability(model.Use, tail.Start, tail.Start + tail.Size))),
            best.Cost,
            model.CostOfHead(full.HeadRows, hiddenSize));
    }

    /// <summary>The projection widths of as many clusters as the search may use.</summary>
    private static int[] WidthsOf(int vocabularySize, int hiddenSize, ClusterPlanOptions options)
    {
        if (!(options.DivValue > 0) || double.IsInfinity(options.DivValue))
            throw new ArgumentException(FormattableString.Invariant($"The div value is {options.DivValue}; it must be a positive finite number."), nameof(options));
        var asked = options.Projections.Count > 0 ? options.Projections.Count : options.Clusters;
        if (options.Projections.Count > 0 && options.Clusters is { } both && both != options.Projections.Count)
            throw new ArgumentException(FormattableString.Invariant($"{both} clusters were asked for and {options.Projections.Count} projections given; give one projection a cluster."), nameof(options));
        if (asked is { } count && (count < 1 || count > Math.Min(vocabularySize - 1, MaximumClusters)))
            throw new ArgumentException(FormattableString.Invariant($"{count} clusters were asked for; {vocabularySize} tokens can have 1 to {Math.Min(vocabularySize - 1, MaximumClusters)}."), nameof(options));
        foreach (var width in options.Projections)
        {
            if (width is < 1 or > SoftmaxLayout.MaximumWidth)
                throw new ArgumentException(FormattableString.Invariant($"A projection has width {width}; it must be from 1 to {SoftmaxLayout.MaximumWidth}."), nameof(options));
        }

        if (options.Projections.Count > 0) return [.. options.Projections];

        var most = Math.Min(asked ?? MaximumChosenClusters, vocabularySize - 1);
        var widths = new List<int>(most);
        for (var i = 0; i < most; i++)
        {
            var width = ProjectionWidth.Compute(hiddenSize, options.DivValue, i);
            if (width > SoftmaxLayout.MaximumWidth)
                throw new ArgumentException(FormattableString.Invariant($"A hidden size of {hiddenSize} with a div value of {options.DivValue} makes the projection of tail cluster {i} wider than {SoftmaxLayout.MaximumWidth}; give a greater div value or a smaller hidden size."), nameof(options));
            // One cluster is the least that an adaptive softmax has, however narrow.
            if (width < (asked is null && i > 0 ? options.LeastChosenWidth(hiddenSize) : 1)) break;
            widths.Add(width);
        }

        if (widths.Count == 0 || widths.Count < asked)
            throw new ArgumentException(FormattableString.Invariant($"A hidden size of {hiddenSize} with a div value of {options.DivValue} leaves no width for cluster {widths.Count}; ask for fewer clusters, a smaller div value or a greater hidden size."), nameof(options));
        return [.. widths];
    }

    private static int[]? FindCutoffs(ClusterSearch search, int clusters, long? maximumBytes, CancellationToken cancellationToken)
    {
        if (search.SharesCaches)
        {
            var (tried, areAll) = search.TryAll(clusters, maximumBytes ?? double.PositiveInfinity, MostTried);
            if (areAll) return tried;
            if (tried is not null) search.Refine(tried, maximumBytes ?? double.PositiveInfinity);
            var summed = FindBySums(search, clusters, maximumBytes, cancellationToken);
            return tried is null || (summed is not null && search.CostOf(summed) < search.CostOf(tried)) ? summed : tried;
        }

        return FindBySums(search, clusters, maximumBytes, cancellationToken);
    }

    // With a limit of memory each byte is given a price, the least at which the cheapest cutoffs fit; what is left of the
    // limit is used by moving single cutoffs.
    private static int[]? FindBySums(ClusterSearch search, int clusters, long? maximumBytes, CancellationToken cancellationToken)
    {
        const int Halvings = 24;
        const double UnpayablePrice = 1e9;
        var free = search.FindCutoffs(clusters, pricePerByte: 0);
        if (free is null) return null;
        if (maximumBytes is not { } limit || search.BytesOf(free) <= limit)
        {
            if (search.SharesCaches) search.Refine(free, maximumBytes ?? double.PositiveInfinity);
            return free;
        }

        var best = search.FindCutoffs(clusters, UnpayablePrice)!;
        if (search.BytesOf(best) > limit) return null;
        // From a thousandth of a bit a nanosecond to far more than any weight takes.
        var (low, high) = (1e-9, UnpayablePrice);
        for (var i = 0; i < Halvings; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var price = Math.Sqrt(low * high);
            var found = search.FindCutoffs(clusters, price)!;
            if (search.BytesOf(found) > limit)
            {
                low = price;
            }
            else
            {
                high = price;
                if (search.CostOf(found) < search.CostOf(best)) best = found;
            }
        }

        search.Refine(best, limit);
        return best;
    }

    private static ArgumentException OutOfMemory(ClusterSearch search, int most, int? asked, ClusterPlanOptions options)
    {
        var least = Enumerable.Range(asked ?? 1, most - (asked ?? 1) + 1)
            .Select(clusters => search.FindCutoffs(clusters, pricePerByte: 1e9))
            .Where(found => found is not null)
            .Min(found => search.BytesOf(found!));
        return new ArgumentException(FormattableString.Invariant($"The weights may take {options.MaximumWeightBytes / 1e6:#,0.######} MB, and the least that fits the other wishes takes {least / 1e6:#,0.######} MB; allow more, or ask for a smaller head or narrower projections."), nameof(options));
    }
}
