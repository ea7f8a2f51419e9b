using System.CommandLine;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary><c>adaptive-softmax plan</c>: token table to spec.</summary>
internal static class PlanCommand
{
    public const string Name = "plan";

    public static IReadOnlyList<Example> Examples { get; } =
    [
        new("Plan clusters and write the spec", "plan news.tokens --hidden-size 512 --output news.softmax.json"),
        new("See what a server of 16 sequences would want on a machine that was measured", "plan news.tokens --hidden-size 512 --for serve --machine machine.json"),
        new("See what three clusters would be like, without writing", "plan news.tokens --hidden-size 512 --clusters 3"),
        new("Look at rank and frequency, at what other cutoffs would cost, and at what runs here really take", "plan news.tokens --hidden-size 512 --measure --report plan.html"),
        new("Keep more tokens at full width, within 200 MB of weights", "plan news.tokens --hidden-size 512 --head-coverage 0.95 --memory 200 --output news.softmax.json"),
    ];

    public static Command Create(ToolConsole console)
    {
        var table = new Argument<string>("TABLE") { Description = "The token table, as adaptive-softmax count writes it." };
        var hiddenSize = new Option<int>("--hidden-size", "-H") { Description = "The size of the hidden vectors that the softmax takes.", HelpName = "N", Required = true };
        hiddenSize.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is var size and (< 1 or > SoftmaxLayout.MaximumWidth))
                result.AddError(FormattableString.Invariant($"--hidden-size is {size}; give a whole number from 1 to {SoftmaxLayout.MaximumWidth}."));
        });
        var output = new Option<string?>("--output", "-o") { Description = "The spec to write, by convention *.softmax.json, in the table's folder. Without it the plan is only shown.", HelpName = "FILE" };
        var measure = new Option<bool>("--measure") { Description = "Run the best plans and a full softmax for real, and show predicted beside measured." };
        var json = new Option<bool>("--json") { Description = "Write the result as JSON." };
        var page = ReportFile.CreateOption();
        var force = OutputPath.CreateForceOption();
        var wishes = new PlanOptions();
        var edits = new PlanEdits();
        var domains = new PlanDomains();
        var states = new PlanStates();

        var command = new Command(Name, "Chooses the cutoffs that make a step cheapest, shows what to expect of them and writes a spec.") { table, hiddenSize, output, measure, json, page, force };
        wishes.AddTo(command);
        edits.AddTo(command);
        domains.AddTo(command);
        states.AddTo(command);
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            var isForced = parsed.GetValue(force);
            var file = parsed.GetValue(output) is { } path ? OutputPath.Check(path, OutputKind.Spec, isForced) : null;
            var tableFile = parsed.GetRequiredValue(table);
            var old = edits.KeptFileOf(parsed) is { } kept ? SpecFile.Read(kept, cancellationToken) : null;
            var oldTable = old is null ? null : SpecFile.TableOf(edits.KeptFileOf(parsed)!, old);
            string?[] inputs = [tableFile, domains.FileOf(parsed, tableFile), wishes.MachineFileOf(parsed), edits.KeptFileOf(parsed), oldTable, .. states.FilesOf(parsed, cancellationToken)];
            file?.RefuseInputs(inputs);
            var newTable = file is not null && edits.AreGiven(parsed) ? edits.CheckTable(parsed, file, inputs, isForced) : null;
            var report = ReportFile.Check(parsed.GetValue(page), isForced, inputs);
            report?.RefuseOutputs(file, newTable);
            var spec = file is null ? null : PlannedSpec.Open(file.Path, isForced);
            var options = wishes.Read(parsed, spec, cancellationToken);
            if (parsed.GetValue(measure) && options.CostModel.Machine.Device is { } device) throw new ToolException($"--measure runs on the processor, and {Excerpt.Line(wishes.MachineFileOf(parsed)!)} is of the device {Excerpt.Line(device)}; leave --measure out.");
            var read = InputFile.ReadTable(tableFile, cancellationToken);
            cancellationToken.ThrowIfCancellationRequested();
            var tokensOfPlan = edits.Apply(parsed, read.Table!);
            options = options with { MinimumHeadSize = Math.Max(options.MinimumHeadSize, tokensOfPlan.PinnedCount) };
            var found = states.Measure(parsed, tokensOfPlan, options.CostModel, console, cancellationToken);
            options = options with { Visits = found.Visits };
            var (outcome, planned) = old is null
                ? (PlanFresh(parsed, domains, read, tokensOfPlan, parsed.GetValue(hiddenSize), options, cancellationToken), tokensOfPlan)
                : KeepOld(old, tokensOfPlan, parsed.GetValue(hiddenSize), options, cancellationToken);
            var counts = planned.Counts;
            var (names, byDomain) = domains.Read(parsed, tableFile, read.Table!, planned, cancellationToken);
            outcome = outcome with
            {
                VisitsByCounts = options.Visits is null ? [] : ClusterPlanner.Evaluate(outcome.Plan.Layout, counts, options.CostModel).Visits,
                DomainQuality = found.Domains,
                Domains = DomainCosts.Of(outcome.Plan.Layout, names, byDomain, options.CostModel),
                Frontier = old is null && wishes.LeavesWidths(parsed, spec) ? PlanFrontier.Create(counts, parsed.GetValue(hiddenSize), options, cancellationToken) : [],
            };
            if (parsed.GetValue(measure)) outcome = outcome with { Measured = PlanMeasurement.Run(outcome, counts, console, cancellationToken) };
            report?.Write(PlanPage.Create(outcome, planned, names, byDomain), console, cancellationToken);
            if (!parsed.GetValue(json)) PlanText.Write(console, outcome);
            var (tokens, entries) = (TokenShares.Sum(counts), counts.Length);
            if (tokens < entries) console.WriteNote(FormattableString.Invariant($"The table counts only {tokens:n0} tokens for its {entries:n0} entries, too few to plan from; count more text."));
            if (old is null && read.Table!.PinnedCount is > 0 and var pinned && outcome.Plan.Layout.ShortlistSize <= pinned)
                console.WriteNote(FormattableString.Invariant($"The first {pinned:n0} tokens of the table are pinned, and so the whole head; pin fewer where that is more than you want there."));
            if (file is not null) outcome = outcome with { Written = PlanWriter.Write(file, spec!, outcome, newTable is null ? read : new TokenTableReadResult(newTable.Path, planned, default), newTable, console, cancellationToken) };
            if (parsed.GetValue(json)) PlanJson.Write(console.Output.Profile.Out.Writer, outcome);
            else if (outcome.Written is { } written) WriteDone(console, written);
            return ExitCode.Success;
        }, CancellationToken.None));
        return command;
    }

    private static PlanOutcome PlanFresh(ParseResult parsed, PlanDomains domains, TokenTableReadResult read, TokenTable table, int hiddenSize, ClusterPlanOptions options, CancellationToken cancellationToken)
    {
        var plan = Plan(table.Counts, hiddenSize, options, cancellationToken);
        if (!domains.Balances(parsed)) return new PlanOutcome(plan, options);
        var (names, counts) = domains.Read(parsed, read.File, read.Table!, table, cancellationToken);
        var balanced = Explain(() => ClusterPlanner.Evaluate(DomainCosts.Balance(names, counts, hiddenSize, options, cancellationToken), table.Counts, options.CostModel));
        return new PlanOutcome(balanced, options) { Unbalanced = new UnbalancedPlan(plan, DomainCosts.Of(plan.Layout, names, counts, options.CostModel)) };
    }

    private static (PlanOutcome Outcome, TokenTable Table) KeepOld(SoftmaxDefinition old, TokenTable table, int hiddenSize, ClusterPlanOptions options, CancellationToken cancellationToken)
    {
        if (old.Layout.HiddenSize != hiddenSize)
            throw new ToolException(FormattableString.Invariant($"The old spec has the hidden size {old.Layout.HiddenSize}, and --hidden-size is {hiddenSize}; keep clusters at one hidden size."));
        var own = options with { DivValue = old.Spec.DivValue, Projections = old.Spec.Projections, HasHeadBias = old.Spec.HeadBias };
        var fresh = Plan(table.Counts, hiddenSize, own with { MinimumWidthShare = PlanOptions.WidthShare(old.Layout), Clusters = null, Projections = default }, cancellationToken);
        var kept = Explain(() => PlanKeeper.Keep(old.Spec, old.Table, table));
        if (kept.Moves.Count(move => move.From is null) == table.Count)
            throw new ToolException("The old spec and the table have no token in common, so there is nothing to keep; give --keep the spec of the same tokenizer.");
        var reordered = table.Reorder(kept.Order, kept.PinnedCount);
        var plan = ClusterPlanner.Evaluate(kept.Layout, reordered.Counts, own.CostModel);
        return (new PlanOutcome(plan, own) { Kept = new KeptTokens(kept, fresh, table, old.Table) }, reordered);
    }

    private static void WriteDone(ToolConsole console, WrittenSpec written)
    {
        console.WriteLine($"Wrote {Excerpt.Line(written.File)} with fingerprint {written.Fingerprint}.");
        if (written.Table is { } newTable) console.WriteLine($"Wrote {Excerpt.Line(newTable)}, the table that it names.");
        if (written.Kept.Count > 0) console.WriteLine($"Kept of the spec that was there: {string.Join(", ", written.Kept.Select(Excerpt.Name))}.");
    }

    /// <exception cref="ToolException">No plan keeps to the options.</exception>
    public static ClusterPlan Plan(ReadOnlySpan<long> counts, int hiddenSize, ClusterPlanOptions options, CancellationToken cancellationToken)
    {
        // The planner takes unseen tokens for equally likely, which is no plan of anybody's text.
        if (!counts.ContainsAnyExcept(0)) throw new ToolException("All counts are 0, so nothing tells frequent tokens from rare ones; count a corpus with `adaptive-softmax count`.");
        var planned = counts.ToArray();
        return Explain(() => ClusterPlanner.Plan(planned, hiddenSize, options, cancellationToken));
    }

    private static T Explain<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (ArgumentException exception)
        {
            // The name of the planner's parameter means nothing on a command line.
            throw new ToolException(exception.Message.Replace($" (Parameter '{exception.ParamName}')", "", StringComparison.Ordinal));
        }
    }
}
