using System.CommandLine;
using System.Globalization;
using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary><c>adaptive-softmax drift</c>: a token table against what is seen now.</summary>
internal static class DriftCommand
{
    public const string Name = "drift";

    private const string TableSuffix = ".tokens";

    public static IReadOnlyList<Example> Examples { get; } =
    [
        new("Compare with the counts that a DriftMonitor or another count wrote", "drift news.tokens --observed today.tokens"),
        new("Compare with text, and see what new clusters would gain", "drift news.tokens --observed inbox/ --spec news.softmax.json"),
        new("Write the next spec as soon as there is drift, and learn how to carry the weights over", "drift news.tokens --observed today.tokens --spec news.softmax.json --replan next.softmax.json"),
        new("Fail a nightly job if there is drift, and keep the figures", "drift news.tokens --observed today.tokens --threshold 0.1 --json"),
    ];

    public static Command Create(ToolConsole console)
    {
        var defaults = new DriftOptions();
        var table = new Argument<string>("TABLE") { Description = "The token table that the vocabulary was planned from." };
        var observed = new Option<string[]>("--observed")
        {
            Description = $"What is seen now: one token table (*{TableSuffix}), or text files and folders, which are counted first.",
            HelpName = "PATH",
            Arity = ArgumentArity.OneOrMore,
            AllowMultipleArgumentsPerToken = true,
        };
        var spec = new Option<string?>("--spec") { Description = "The spec of the class, by convention *.softmax.json: compares its clusters, and says what planning anew would gain.", HelpName = "FILE" };
        var threshold = new Option<double>("--threshold") { Description = "The population stability index, over clusters or over tenths of the occurrences, from which there is drift.", HelpName = "X", DefaultValueFactory = _ => defaults.StabilityThreshold };
        var divergence = new Option<double>("--divergence") { Description = "The Jensen-Shannon divergence above sampling noise, in nats, from which there is drift.", HelpName = "X", DefaultValueFactory = _ => defaults.JensenShannonThreshold };
        var replan = new Option<string?>("--replan") { Description = "Where there is drift, write a spec for what is seen now, by convention *.softmax.json, and its token table beside it. Tokens whose counts changed no more than chance makes them stay in their cluster.", HelpName = "FILE" };
        var afresh = new Option<bool>("--afresh") { Description = "Plan from scratch instead, whatever moves." };
        var step = new PlanOptions();
        var force = OutputPath.CreateForceOption();
        var json = new Option<bool>("--json") { Description = "Write the result as JSON." };
        var page = ReportFile.CreateOption();
        foreach (var option in new[] { threshold, divergence })
        {
            option.Validators.Add(result =>
            {
                if (result.Tokens.Count == 1 && double.TryParse(result.Tokens[0].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && !(value > 0))
                    result.AddError($"{option.Name} is {result.Tokens[0].Value}; give a number above 0.");
            });
        }

        var corpus = new CorpusOptions();
        var command = new Command(Name, $"Compares a token table with what is seen now. Exits with 0 if they agree, with {ExitCode.Different} if they have drifted apart, with {ExitCode.Failure} if they cannot be compared.")
        {
            table, observed, spec, replan, afresh, threshold, divergence, json, page, force,
        };
        step.AddStepTo(command);
        corpus.AddTo(command);
        command.Validators.Add(result =>
        {
            corpus.Check(result);
            if (result.GetValue(replan) is not null && result.GetValue(spec) is null) result.AddError("--replan plans anew what a spec says; give --spec as well.");
            if (result.GetValue(spec) is null)
            {
                foreach (var given in step.GivenStepOptions(result).Concat(result.GetValue(afresh) ? [afresh.Name] : [])) result.AddError($"{given} is about planning anew what a spec says; give --spec as well.");
            }

            if (result.GetResult(observed) is null && !corpus.HasSdkDocs(result)) result.AddError("There is nothing to compare with; give --observed or --sdk-docs.");
        });
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            var options = new DriftOptions { StabilityThreshold = parsed.GetValue(threshold), JensenShannonThreshold = parsed.GetValue(divergence) };
            var request = corpus.Read(parsed, [.. (parsed.GetValue(observed) ?? []).Select(path => new CorpusPath(path))]);
            string?[] inputs = [parsed.GetRequiredValue(table), .. parsed.GetValue(spec) is { } planned ? SpecFile.FilesOf(planned, cancellationToken) : [], step.MachineFileOf(parsed), .. parsed.GetValue(observed) ?? []];
            var report = ReportFile.Check(parsed.GetValue(page), parsed.GetValue(force), inputs);
            var next = parsed.GetValue(replan) is { } path ? ReplannedFiles.Check(path, request, parsed.GetValue(afresh), parsed.GetValue(force)) : null;
            next?.RefuseInputs(inputs);
            report?.RefuseOutputs(next?.Outputs ?? []);
            var model = step.ReadStep(parsed, cancellationToken);
            var outcome = Compare(parsed.GetRequiredValue(table), request, parsed.GetValue(spec), options, model, parsed.GetValue(afresh), console, cancellationToken) with { StepOptions = step.SpellStep(parsed) };
            report?.Write(DriftPage.Create(outcome), console, cancellationToken);
            if (next is not null && outcome.HasDrift) outcome = outcome with { Written = next.Write(outcome, console, cancellationToken) };
            if (parsed.GetValue(json)) DriftJson.Write(console.Output.Profile.Out.Writer, outcome);
            else DriftText.Write(console, outcome);
            return outcome.HasDrift ? ExitCode.Different : ExitCode.Success;
        }, CancellationToken.None));
        return command;
    }

    private static DriftOutcome Compare(string tableFile, CorpusRequest request, string? specFile, DriftOptions options, SoftmaxCostModel model, bool isAfresh, ToolConsole console, CancellationToken cancellationToken)
    {
        var read = InputFile.ReadTable(tableFile, cancellationToken);
        var table = read.Table!;
        var definition = specFile is null ? null : ReadSpec(specFile, read, cancellationToken);
        var observed = ReadObserved(request, table, console, cancellationToken);
        cancellationToken.ThrowIfCancellationRequested();

        // The hidden size does not matter to a layout without clusters.
        var report = CreateBaseline(tableFile, table, definition?.Layout ?? SoftmaxLayout.CreateFull(hiddenSize: 1, table.Count)).Compare(observed.Table!);
        if (report is { Tokens: 0, UnknownTokens: 0 }) throw new ToolException("No token was observed, so there is nothing to compare; give text or a table with counts.");
        return new DriftOutcome(report, options, table, tableFile, observed)
        {
            Tokens = TokenShares.Sum(observed.Table!.Counts),
            Spec = specFile,
            Definition = definition,
            Replan = definition is null ? null : DriftReplan.Create(definition, report, observed.Table!, model, isAfresh, cancellationToken),
        };
    }

    private static SoftmaxDefinition ReadSpec(string file, TokenTableReadResult table, CancellationToken cancellationToken)
    {
        var spec = SpecReader.Read(file, InputFile.ReadText(file, FileContentKind.Spec, cancellationToken));
        if (spec.Errors.Count == 0 && spec.TableFile is null)
            throw new ToolException($"{Excerpt.Line(file)} holds its vocabulary itself, without counts; give a spec that names a token table.");
        var result = SoftmaxDefinitionReader.Combine(spec, table);
        var definition = result.Definition ?? throw ToolException.Of(result.Errors);
        // The table may have another name by now, but the spec's own is what its class was built from.
        var named = SpecFile.TableOf(file, definition);
        if (named is not null && File.Exists(named) && TokenTableReader.Read(named, RegularFile.ReadText(named, cancellationToken)).Table is { } own && own.Fingerprint != definition.VocabularyFingerprint)
            throw new ToolException($"{Excerpt.Line(file)} is a spec of {Excerpt.Line(named)}, whose tokens are others than those of {Excerpt.Line(table.File)}; compare with the table that the spec names.");
        return definition;
    }

    /// <returns>The counts, and the file that holds them, which has no name where they were counted here.</returns>
    private static TokenTableReadResult ReadObserved(CorpusRequest request, TokenTable expected, ToolConsole console, CancellationToken cancellationToken)
    {
        // Text does not say what is pinned, and tokens that are stay so.
        if (!request.Paths.Any(path => IsTable(path.Path))) return new TokenTableReadResult("", PlanEdits.PinAs(expected, request.Count(console, output: null, domains: null, cancellationToken).Count.Table), default);
        if (request.Paths.Count > 1 || request.SdkDocs) throw new ToolException($"A token table cannot be observed together with others; give --observed one *{TableSuffix} file, or text alone.");
        return InputFile.ReadTable(request.Paths[0].Path, cancellationToken);
    }

    /// <summary>Whether a path holds counts rather than text.</summary>
    public static bool IsTable(string path) => path.EndsWith(TableSuffix, StringComparison.OrdinalIgnoreCase) || FileContent.Find(path) == FileContentKind.TokenTable;

    private static DriftBaseline CreateBaseline(string file, TokenTable table, SoftmaxLayout layout)
    {
        if (!table.Counts.ContainsAnyExcept(0)) throw new ToolException($"All counts of {Excerpt.Line(file)} are 0, so nothing is expected of any token; count a corpus with `adaptive-softmax count`.");
        return new DriftBaseline(table, layout);
    }
}
