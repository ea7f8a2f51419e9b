using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>The options of <c>plan</c> that say what a plan is for and what it must keep to.</summary>
internal sealed class PlanOptions
{
    private static readonly string[] s_uses = ["train", "greedy", "topk", "sample", "serve"];
    private static readonly ClusterPlanOptions s_defaults = new();

    private readonly Option<string> _use = new("--for") { Description = "What the softmax does: a training step, decoding that takes the most probable token, asks for the best k or draws, or a server's mixed steps.", HelpName = string.Join('|', s_uses), DefaultValueFactory = _ => s_uses[0] };
    private readonly Option<int?> _batch = new("--batch", "--batch-size") { Description = "The targets of a training step, or the sequences that are decoded together. By default 256 for train, 16 for serve, 1 else.", HelpName = "N" };
    private readonly Option<int> _topK = new("--top-k") { Description = "The k of --for topk.", HelpName = "N", DefaultValueFactory = _ => s_defaults.CostModel.TopK };
    private readonly Option<string?> _machine = new("--machine") { Description = "What the machine or a device takes, as adaptive-softmax calibrate writes it. Without it a machine with two cores is built in.", HelpName = "FILE" };
    private readonly Option<int?> _clusters = new("--clusters", "-k") { Description = "The number of tail clusters. By default the planner chooses.", HelpName = "N" };
    private readonly Option<double?> _divValue = new("--div-value") { Description = $"The factor by which each cluster's projection narrows. By default that of a spec that is there, else {s_defaults.DivValue}.", HelpName = "X" };
    private readonly Option<int[]> _projections = new("--projections") { Description = "The projection width of each tail cluster, instead of a div value.", HelpName = "N", AllowMultipleArgumentsPerToken = true };
    private readonly Option<double> _headCoverage = new("--head-coverage") { Description = "The share of occurrences that the shortlist covers at least.", HelpName = "X", DefaultValueFactory = _ => s_defaults.MinimumHeadCoverage };
    private readonly Option<int> _leastHead = new("--least-head") { Description = "The tokens that the shortlist has at least.", HelpName = "N" };
    private readonly Option<double?> _memory = new("--memory") { Description = "The megabytes that the weights take at most, in float32.", HelpName = "MB" };
    private readonly Option<bool?> _headBias = new("--head-bias") { Description = "Give the head a bias, or take it with --head-bias false. By default as in a spec that is there, else none.", Arity = ArgumentArity.ZeroOrOne };

    public PlanOptions()
    {
        _use.CompletionSources.Add(s_uses);
        _use.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string>() is { } text && !s_uses.Contains(text)) result.AddError($"--for {text} is none of {string.Join(", ", s_uses)}.");
        });
    }

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _use, _batch, _topK, _machine, _clusters, _divValue, _projections, _headCoverage, _leastHead, _memory, _headBias }) command.Add(option);
    }

    /// <summary>Adds what says which step is planned for alone, for a command that takes all else from a spec.</summary>
    public void AddStepTo(Command command)
    {
        foreach (var option in Step) command.Add(option);
    }

    /// <summary>Those of them that are given.</summary>
    public IEnumerable<string> GivenStepOptions(CommandResult result) => Step.Where(option => result.GetResult(option) is { Implicit: false }).Select(option => option.Name);

    /// <summary>The same as a command line has them.</summary>
    public string SpellStep(ParseResult parsed) =>
        string.Concat(Step.Select(option => (option.Name, Result: parsed.GetResult(option))).Where(option => option.Result is { Implicit: false }).Select(option => $" {option.Name} {string.Join(' ', option.Result!.Tokens.Select(token => token.Value))}"));

    private Option[] Step => [_use, _batch, _topK, _machine];

    /// <summary>The file of the machine, which must not be written over.</summary>
    public string? MachineFileOf(ParseResult parsed) => parsed.GetValue(_machine);

    /// <summary>Whether nothing says how wide tails are, so that several ways are compared.</summary>
    public bool LeavesWidths(ParseResult parsed, PlannedSpec? spec) => parsed.GetValue(_divValue) is null && spec?.DivValue is null && parsed.GetValue(_projections) is not { Length: > 0 };

    /// <summary>What a step costs.</summary>
    /// <exception cref="ToolException">A value is out of range, or the machine cannot be read.</exception>
    public SoftmaxCostModel ReadStep(ParseResult parsed, CancellationToken cancellationToken)
    {
        var use = (SoftmaxUse)Array.IndexOf(s_uses, parsed.GetValue(_use));
        var batch = parsed.GetValue(_batch) ?? SoftmaxCostModel.DefaultBatch(use);
        if (batch < 1) throw new ToolException($"--batch is {batch}; give at least 1.");
        if (parsed.GetValue(_topK) < 1) throw new ToolException($"--top-k is {parsed.GetValue(_topK)}; give at least 1.");
        var machine = MachineFile.Read(parsed.GetValue(_machine), cancellationToken);
        if (!machine.HasTimesOf(use)) throw new ToolException($"{Excerpt.Line(parsed.GetValue(_machine)!)} is of the device {Excerpt.Line(machine.Device ?? machine.Name)}, which trains and decodes greedily; --for {s_uses[(int)use]} needs a profile of the processor.");
        return new SoftmaxCostModel { Machine = machine, Use = use, Batch = batch, TopK = parsed.GetValue(_topK) };
    }

    /// <exception cref="ToolException">A value is out of range, or the machine cannot be read.</exception>
    public ClusterPlanOptions Read(ParseResult parsed, PlannedSpec? spec, CancellationToken cancellationToken)
    {
        if (parsed.GetValue(_memory) is { } memory && !(memory > 0 && memory < 1e12)) throw new ToolException(string.Create(CultureInfo.InvariantCulture, $"--memory is {memory}; give megabytes above 0."));
        var model = ReadStep(parsed, cancellationToken);
        if (parsed.GetValue(_projections) is { Length: > 0 } && parsed.GetValue(_divValue) is not null) throw new ToolException("--projections and --div-value both say how wide tails are; give one of them.");
        return new ClusterPlanOptions
        {
            Clusters = parsed.GetValue(_clusters),
            DivValue = parsed.GetValue(_divValue) ?? spec?.DivValue ?? s_defaults.DivValue,
            Projections = new EquatableArray<int>(parsed.GetValue(_projections)),
            MinimumHeadCoverage = parsed.GetValue(_headCoverage),
            MinimumHeadSize = parsed.GetValue(_leastHead),
            // Who gives a div value has decided how narrow tails may be; a spec that is there, by the narrowest that it has.
            MinimumWidthShare = parsed.GetValue(_divValue) is null && parsed.GetValue(_projections) is not { Length: > 0 } ? WidthShare(spec?.NarrowestShare) : 0,
            MaximumWeightBytes = (long?)(parsed.GetValue(_memory) * 1e6),
            HasHeadBias = parsed.GetValue(_headBias) ?? spec?.HeadBias ?? s_defaults.HasHeadBias,
            CostModel = model,
        };
    }

    /// <summary>The least width of a tail, as a share of the hidden size, of a plan that takes the place of another.</summary>
    /// <param name="narrowest">The share that the narrowest tail so far has; null where there is none.</param>
    public static double WidthShare(double? narrowest) => Math.Min(s_defaults.MinimumWidthShare, narrowest ?? 1);

    /// <summary>The same of a layout.</summary>
    public static double WidthShare(SoftmaxLayout layout) => WidthShare(layout.Tails.Count == 0 ? null : layout.Tails.Min(tail => tail.ProjectionWidth) / (double)layout.HiddenSize);

    /// <summary>What a step does, for people.</summary>
    public static string Describe(SoftmaxCostModel model) => FormattableString.Invariant(model.Use switch
    {
        SoftmaxUse.Training => (FormattableString)$"training step with {model.Batch:n0} targets",
        SoftmaxUse.Greedy => $"greedy step of {model.Batch:n0} sequences",
        SoftmaxUse.TopK => $"top-{model.TopK} step of {model.Batch:n0} sequences",
        SoftmaxUse.Sampling => $"sampling step of {model.Batch:n0} sequences",
        _ => $"server's step of {model.Batch:n0} sequences",
    });

    /// <summary>A use as the command line says it.</summary>
    public static string NameOf(SoftmaxUse use) => s_uses[(int)use];
}
