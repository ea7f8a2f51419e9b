using System.CommandLine;
using AdaptiveSoftmax.Corpus;
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
        var output = new Option<string?>("--output", "-o") { Description = "The spec to write, by convention *.softmax.json, in the table's folder. Without it the plan is only shown.", HelpName = "FILE" };
        var clusters = new Option<int?>("--clusters", "-k") { Description = "The number of tail clusters. By default the planner chooses.", HelpName = "N" };
        var divValue = new Option<double>("--div-value") { Description = "The factor by which each cluster's projection narrows.", HelpName = "X", DefaultValueFactory = _ => defaults.DivValue };
        var headCoverage = new Option<double>("--head-coverage") { Description = "The share of occurrences that the shortlist covers at least.", HelpName = "X", DefaultValueFactory = _ => defaults.MinimumHeadCoverage };
        var batchSize = new Option<int>("--batch-size") { Description = "The targets of a training step.", HelpName = "N", DefaultValueFactory = _ => defaults.CostModel.BatchSize };
        var headBias = new Option<bool>("--head-bias") { Description = "Give the head a bias." };

        var command = new Command(Name, "Chooses cutoffs that make a training step on a CPU cheapest, shows what to expect of them and writes a spec.")
        {
            table, hiddenSize, output, clusters, divValue, headCoverage, batchSize, headBias,
        };
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            if (parsed.GetValue(batchSize) < 1) throw new ToolException($"--batch-size is {parsed.GetValue(batchSize)}; give at least 1.");
            var options = new ClusterPlanOptions
            {
                Clusters = parsed.GetValue(clusters),
                DivValue = parsed.GetValue(divValue),
                MinimumHeadCoverage = parsed.GetValue(headCoverage),
                HasHeadBias = parsed.GetValue(headBias),
                CostModel = new TrainingCostModel { BatchSize = parsed.GetValue(batchSize) },
            };
            Run(parsed.GetRequiredValue(table), parsed.GetValue(hiddenSize), options, parsed.GetValue(output), console, cancellationToken);
            return ExitCode.Success;
        }, CancellationToken.None));
        return command;
    }

    private static void Run(string tableFile, int hiddenSize, ClusterPlanOptions options, string? output, ToolConsole console, CancellationToken cancellationToken)
    {
        if (output is not null) OutputPath.Check(output);
        var read = TokenTableReader.Read(tableFile, File.ReadAllText(tableFile));
        var table = read.Table ?? throw ToolException.Of(read.Errors);
        cancellationToken.ThrowIfCancellationRequested();

        var plan = Plan(table.Counts, hiddenSize, options, cancellationToken);
        PlanTable.Write(console.Output, plan, options.CostModel.BatchSize);
        if (output is null) return;

        var spec = new SoftmaxSpec
        {
            HiddenSize = hiddenSize,
            TableFile = NameFrom(output, tableFile),
            Cutoffs = plan.Cutoffs,
            DivValue = options.DivValue,
            HeadBias = options.HasHeadBias,
            TailPrecisions = new EquatableArray<WeightPrecision>(new WeightPrecision[plan.Cutoffs.Count]),
        };
        using var text = new StringWriter();
        SpecWriter.Write(text, spec);
        var result = SoftmaxDefinitionReader.Combine(SpecReader.Read(output, text.ToString()), read);
        var definition = result.Definition ?? throw ToolException.Of(result.Errors);
        cancellationToken.ThrowIfCancellationRequested();
        OutputFile.Write(output, writer => writer.Write(text.ToString()), cancellationToken);
        console.Output.Profile.Out.Writer.WriteLine($"Wrote {output} with fingerprint {definition.Fingerprint}.");
    }

    /// <exception cref="ToolException">No plan keeps to the options.</exception>
    public static ClusterPlan Plan(ReadOnlySpan<long> counts, int hiddenSize, ClusterPlanOptions options, CancellationToken cancellationToken)
    {
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

    /// <summary>The table's name as a spec in another folder would write it.</summary>
    private static string NameFrom(string spec, string table) =>
        Path.GetRelativePath(Path.GetDirectoryName(Path.GetFullPath(spec))!, Path.GetFullPath(table)).Replace('\\', '/');
}
