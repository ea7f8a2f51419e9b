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
        var force = OutputPath.CreateForceOption();
        var wishes = new PlanOptions();

        var command = new Command(Name, "Chooses the cutoffs that make a step cheapest, shows what to expect of them and writes a spec.") { table, hiddenSize, output, measure, json, force };
        wishes.AddTo(command);
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            var isForced = parsed.GetValue(force);
            var file = parsed.GetValue(output) is { } path ? OutputPath.Check(path, OutputKind.Spec, isForced) : null;
            file?.RefuseInputs(parsed.GetRequiredValue(table), wishes.MachineFileOf(parsed));
            var spec = file is null ? null : PlannedSpec.Open(file.Path, isForced);
            var options = wishes.Read(parsed, spec, cancellationToken);
            var read = InputFile.ReadTable(parsed.GetRequiredValue(table), cancellationToken);
            cancellationToken.ThrowIfCancellationRequested();
            var counts = read.Table!.Counts;
            var outcome = new PlanOutcome(Plan(counts, parsed.GetValue(hiddenSize), options, cancellationToken), options)
            {
                Frontier = wishes.LeavesWidths(parsed, spec) ? PlanFrontier.Create(counts, parsed.GetValue(hiddenSize), options, cancellationToken) : [],
            };
            if (parsed.GetValue(measure)) outcome = outcome with { Measured = PlanMeasurement.Run(outcome, counts, console, cancellationToken) };
            if (!parsed.GetValue(json)) PlanText.Write(console, outcome);
            var (tokens, entries) = (TokenShares.Sum(counts), read.Table.Count);
            if (tokens < entries) console.WriteNote(FormattableString.Invariant($"The table counts only {tokens:n0} tokens for its {entries:n0} entries, too few to plan from; count more text."));
            if (file is not null) outcome = outcome with { Written = PlanWriter.Write(file, spec!, outcome, read, console, cancellationToken) };
            if (parsed.GetValue(json)) PlanJson.Write(console.Output.Profile.Out.Writer, outcome);
            else if (outcome.Written is { } written) WriteDone(console, written);
            return ExitCode.Success;
        }, CancellationToken.None));
        return command;
    }

    private static void WriteDone(ToolConsole console, WrittenSpec written)
    {
        console.WriteLine($"Wrote {Excerpt.Line(written.File)} with fingerprint {written.Fingerprint}.");
        if (written.Kept.Count > 0) console.WriteLine($"Kept of the spec that was there: {string.Join(", ", written.Kept.Select(Excerpt.Name))}.");
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
