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
        new("See what three clusters would be like, without writing", "plan news.tokens --hidden-size 512 --clusters 3"),
        new("Keep more tokens at full width", "plan news.tokens --hidden-size 512 --head-coverage 0.95 --output news.softmax.json"),
    ];

    public static Command Create(ToolConsole console)
    {
        var defaults = new ClusterPlanOptions();
        var table = new Argument<string>("TABLE") { Description = "The token table, as adaptive-softmax count writes it." };
        var hiddenSize = new Option<int>("--hidden-size", "-H") { Description = "The size of the hidden vectors that the softmax takes.", HelpName = "N", Required = true };
        hiddenSize.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is var size and (< 1 or > SoftmaxLayout.MaximumWidth))
                result.AddError(FormattableString.Invariant($"--hidden-size is {size}; give a whole number from 1 to {SoftmaxLayout.MaximumWidth}."));
        });
        var output = new Option<string?>("--output", "-o") { Description = "The spec to write, by convention *.softmax.json, in the table's folder. Without it the plan is only shown.", HelpName = "FILE" };
        var clusters = new Option<int?>("--clusters", "-k") { Description = "The number of tail clusters. By default the planner chooses.", HelpName = "N" };
        var divValue = new Option<double?>("--div-value") { Description = $"The factor by which each cluster's projection narrows. By default that of a spec that is there, else {defaults.DivValue}.", HelpName = "X" };
        var headCoverage = new Option<double>("--head-coverage") { Description = "The share of occurrences that the shortlist covers at least.", HelpName = "X", DefaultValueFactory = _ => defaults.MinimumHeadCoverage };
        var batchSize = new Option<int>("--batch-size") { Description = "The targets of a training step.", HelpName = "N", DefaultValueFactory = _ => defaults.CostModel.BatchSize };
        var headBias = new Option<bool?>("--head-bias") { Description = "Give the head a bias, or take it with --head-bias false. By default as in a spec that is there, else none.", Arity = ArgumentArity.ZeroOrOne };
        var force = OutputPath.CreateForceOption();

        var command = new Command(Name, "Chooses cutoffs that make a training step on a CPU cheapest, shows what to expect of them and writes a spec.")
        {
            table, hiddenSize, output, clusters, divValue, headCoverage, batchSize, headBias, force,
        };
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            if (parsed.GetValue(batchSize) < 1) throw new ToolException($"--batch-size is {parsed.GetValue(batchSize)}; give at least 1.");
            var isForced = parsed.GetValue(force);
            var file = parsed.GetValue(output) is { } path ? OutputPath.Check(path, OutputKind.Spec, isForced) : null;
            file?.RefuseInputs(parsed.GetRequiredValue(table));
            var spec = file is null ? null : PlannedSpec.Open(file.Path, isForced);
            var options = new ClusterPlanOptions
            {
                Clusters = parsed.GetValue(clusters),
                DivValue = parsed.GetValue(divValue) ?? spec?.DivValue ?? defaults.DivValue,
                MinimumHeadCoverage = parsed.GetValue(headCoverage),
                HasHeadBias = parsed.GetValue(headBias) ?? spec?.HeadBias ?? defaults.HasHeadBias,
                CostModel = new TrainingCostModel { BatchSize = parsed.GetValue(batchSize) },
            };
            var read = InputFile.ReadTable(parsed.GetRequiredValue(table), cancellationToken);
            cancellationToken.ThrowIfCancellationRequested();
            var plan = Plan(read.Table!.Counts, parsed.GetValue(hiddenSize), options, cancellationToken);
            PlanTable.Write(console, plan, options.CostModel.BatchSize);
            var (tokens, entries) = (TokenShares.Sum(read.Table!.Counts), read.Table.Count);
            if (tokens < entries) console.WriteNote(FormattableString.Invariant($"The table counts only {tokens:n0} tokens for its {entries:n0} entries, too few to plan from; count more text."));
            if (file is not null) Write(file, spec!, plan, options, read, console, cancellationToken);
            return ExitCode.Success;
        }, CancellationToken.None));
        return command;
    }

    private static void Write(OutputPath file, PlannedSpec planned, ClusterPlan plan, ClusterPlanOptions options, TokenTableReadResult table, ToolConsole console, CancellationToken cancellationToken)
    {
        var spec = new SoftmaxSpec
        {
            HiddenSize = plan.Layout.HiddenSize,
            TableFile = SpecFile.NameTable(file.Path, table.File),
            Cutoffs = plan.Cutoffs,
            DivValue = options.DivValue,
            HeadBias = options.HasHeadBias,
            TailPrecisions = new EquatableArray<WeightPrecision>(new WeightPrecision[plan.Cutoffs.Count]),
        };
        var notes = new List<string>();
        var text = planned.Write(spec, notes);
        var definition = planned.Check(text, table);
        cancellationToken.ThrowIfCancellationRequested();
        AtomicFile.WriteText(file.Path, writer => writer.Write(text), cancellationToken);

        console.WriteLine($"Wrote {Excerpt.Line(file.Path)} with fingerprint {definition.Fingerprint}.");
        if (planned.Kept.Count > 0) console.WriteLine($"Kept of the spec that was there: {string.Join(", ", planned.Kept.Select(Excerpt.Name))}.");
        foreach (var note in notes) console.WriteNote(note);
        file.Remark(console);
    }

    /// <exception cref="ToolException">No plan keeps to the options.</exception>
    public static ClusterPlan Plan(ReadOnlySpan<long> counts, int hiddenSize, ClusterPlanOptions options, CancellationToken cancellationToken)
    {
        // The planner takes unseen tokens for equally likely, which is no plan of anybody's text.
        if (!counts.ContainsAnyExcept(0)) throw new ToolException("All counts are 0, so nothing tells frequent tokens from rare ones; count a corpus with `adaptive-softmax count`.");
        try
        {
            return ClusterPlanner.Plan(counts, hiddenSize, options, cancellationToken);
        }
        catch (ArgumentException exception)
        {
            // The name of the planner's parameter means nothing on a command line.
            throw new ToolException(exception.Message.Replace($" (Parameter '{exception.ParamName}')", "", StringComparison.Ordinal));
        }
    }
}
