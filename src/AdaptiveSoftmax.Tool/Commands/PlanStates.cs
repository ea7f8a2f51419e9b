using System.CommandLine;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Tool.Weights;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>The options of <c>plan</c> that take the visits of decoding from a trained model instead of from counts.</summary>
internal sealed class PlanStates
{
    private readonly Option<string?> _states = new("--states") { Description = "Hidden states of production; with --weights and --spec, what decoding visits is measured on them.", HelpName = "FILE" };
    private readonly Option<string?> _weights = new("--weights") { Description = "The softmax that the states go into: adaptive with any cutoffs, or full.", HelpName = "FILE" };
    private readonly Option<string?> _spec = new("--spec") { Description = "The spec of these weights.", HelpName = "FILE" };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _states, _weights, _spec }) command.Add(option);
        command.Validators.Add(result =>
        {
            var given = new Option<string?>[] { _states, _weights, _spec }.Count(option => result.GetValue(option) is not null);
            if (given is 1 or 2) result.AddError("--states, --weights and --spec belong together: a model's states, the softmax that they go into, and its spec.");
        });
    }

    /// <summary>The files that are read.</summary>
    public IEnumerable<string?> FilesOf(ParseResult parsed, CancellationToken cancellationToken) =>
        [parsed.GetValue(_states), parsed.GetValue(_weights), .. parsed.GetValue(_spec) is { } spec ? SpecFile.FilesOf(spec, cancellationToken) : []];

    /// <summary>What states tell a plan; nothing where none are given.</summary>
    /// <exception cref="ToolException">The files do not fit each other, or the plan is of a kind that states say nothing about.</exception>
    public PlanFindings Measure(ParseResult parsed, TokenTable planned, SoftmaxCostModel model, ToolConsole console, CancellationToken cancellationToken)
    {
        if (parsed.GetValue(_states) is not { } file) return new PlanFindings(null, []);
        if (model.Use == SoftmaxUse.Training) throw new ToolException("--states says what decoding visits, and --for train does not decode; give --for greedy, topk, sample or serve.");
        var other = parsed.GetValue<bool>("--balance") ? "--balance" : parsed.GetValue<string?>("--keep") is null ? null : "--keep";
        if (other is not null) throw new ToolException($"{other} plans from counts alone; leave --states out.");
        using var weights = EvaluatedWeights.Read(parsed.GetValue(_weights)!, parsed.GetValue(_spec)!, tensor: null, prefix: null, AdaptiveSoftmaxOptions.Default, console, cancellationToken);
        using var states = EvaluateCommand.OpenStates(file);
        VisitSample? visits = null;
        try
        {
            WorkBar.Run(console.Error, "Running states", Math.Min(StatesVisits.DefaultCount, states.Count), advance => visits = StatesVisits.Measure(states, weights.Softmax, weights.Table, planned, model.TopK, progress: new BarUpdate(advance), cancellationToken: cancellationToken));
            return new PlanFindings(visits!, EvaluateDomains(states, weights, console, cancellationToken));
        }
        catch (ArgumentException exception)
        {
            throw new ToolException($"{Excerpt.Line(file)}: {exception.Message.Replace($" (Parameter '{exception.ParamName}')", "", StringComparison.Ordinal)}");
        }
        catch (DecodeException exception)
        {
            throw new ToolException($"{Excerpt.Line(file)}: {exception.Message}");
        }
    }

    // A sample of states says what is visited; a loss by domain wants all of them.
    private static IReadOnlyList<EvaluationFigures> EvaluateDomains(StatesFile states, EvaluatedWeights weights, ToolConsole console, CancellationToken cancellationToken)
    {
        if (states.Domains.Count == 0) return [];
        using var evaluation = new SoftmaxEvaluation(weights.Softmax, new EvaluationOptions { Table = weights.Table, TopK = 1, TimedTokens = 0, Domains = states.Domains });
        WorkBar.Run(console.Error, "Evaluating domains", states.Count, advance => evaluation.AddAll(states, rows => advance(rows), cancellationToken));
        return [.. evaluation.ToReport(cancellationToken).Domains.Where(figures => figures.Bytes > 0)];
    }

    private sealed class BarUpdate(Action<double> advance) : IProgress<int>
    {
        public void Report(int value) => advance(1);
    }
}

/// <summary>What hidden states and a trained softmax tell a plan.</summary>
/// <param name="Visits">What decoding visits; null where there are no states.</param>
/// <param name="Domains">How well the softmax does on each domain of the states; none where they have no domains.</param>
internal sealed record PlanFindings(VisitSample? Visits, IReadOnlyList<EvaluationFigures> Domains);
