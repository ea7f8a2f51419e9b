using System.CommandLine;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary><c>adaptive-softmax draft</c>: the frequent tokens of a vocabulary as that of a draft model.</summary>
internal static class DraftCommand
{
    public const string Name = "draft";

    private static readonly OutputKind s_draft = new("a draft's output layer", [".safetensors"], "most libraries tell safetensors by that ending", path => FileContent.Find(path) == FileContentKind.Safetensors);
    private static readonly OutputKind s_map = new("a token map", [".pt"], "it is what torch.save writes", path => FileContent.Find(path) == FileContentKind.PyTorch);

    public static IReadOnlyList<Example> Examples { get; } =
    [
        new("See what drafts of some sizes cover", "draft counts.tokens --size 32768"),
        new("Write the output layer of a draft and the maps of EAGLE-3", "draft counts.tokens --size 32768 --lm-head model/ --output draft.safetensors"),
        new("Write SGLang's map of tokens for the model's own output layer", "draft counts.tokens --size 32768 --token-map hot-tokens.pt"),
    ];

    public static Command Create(ToolConsole console)
    {
        var table = new Argument<string>("TABLE") { Description = "The token table with counts of what is to be drafted: the model's own output is best." };
        var size = new Option<int>("--size") { Description = "The tokens that the draft knows.", HelpName = "N", Required = true };
        var model = new Option<string?>("--lm-head") { Description = "The target model, whose output layer's rows are written for these tokens: a file, the index of a model in several files, or its folder.", HelpName = "MODEL" };
        var head = new Option<string?>("--head") { Description = "The name of the output layer's weight. By default common ones are looked for, and an embedding that it is tied to where there is none.", HelpName = "TENSOR" };
        var special = new Option<string[]>("--special") { Description = "Tokens that the draft knows whatever their counts, as the table writes them, beside those that are pinned or look special.", HelpName = "TOKEN", Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = true };
        var output = new Option<string?>("--output", "-o") { Description = "The file to write: both maps (d2t, t2d), and with --lm-head the rows, as lm_head.weight. Without it the draft is only shown.", HelpName = "FILE" };
        var map = new Option<string?>("--token-map") { Description = "Write the token ids too as torch.save does, for SGLang's --speculative-token-map.", HelpName = "FILE.pt" };
        var acceptance = new Option<double>("--acceptance") { Description = "The share of tokens that the draft gets right where it knows them, to expect by.", HelpName = "X", DefaultValueFactory = _ => 1 };
        var drafted = new Option<int>("--drafted") { Description = "The tokens that are drafted at a time.", HelpName = "N", DefaultValueFactory = _ => 4 };
        var json = new Option<bool>("--json") { Description = "Write the result as JSON." };
        var page = ReportFile.CreateOption();
        var force = OutputPath.CreateForceOption();
        var domains = new PlanDomains();
        size.Validators.Add(result => RequireAtLeastOne(result, result.GetValueOrDefault<int>()));
        drafted.Validators.Add(result => RequireAtLeastOne(result, result.GetValueOrDefault<int>()));
        acceptance.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double>() is not (> 0 and <= 1)) result.AddError("--acceptance is a share: above 0 and at most 1.");
        });
        head.Validators.Add(result =>
        {
            if (result.GetValue(model) is null) result.AddError("--head names a tensor of the target model; give --lm-head.");
        });
        model.Validators.Add(result =>
        {
            if (result.GetValue(output) is null) result.AddError("--lm-head has rows to write; give --output.");
        });

        var command = new Command(Name, "Takes the frequent tokens of a vocabulary as that of a draft model for speculative decoding, and shows what drafts of other sizes would cover.") { table, size, model, head, special, output, map, acceptance, drafted, json, page, force };
        domains.AddFileTo(command);
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            var isForced = parsed.GetValue(force);
            var (tableFile, modelFile) = (parsed.GetRequiredValue(table), parsed.GetValue(model));
            var file = parsed.GetValue(output) is { } path ? OutputPath.Check(path, s_draft, isForced) : null;
            var mapFile = parsed.GetValue(map) is { } mapPath ? OutputPath.Check(mapPath, s_map, isForced, map.Name) : null;
            if (modelFile is not null) InputFile.CheckWeights(modelFile);
            string?[] inputs = [tableFile, domains.FileOf(parsed, tableFile), .. modelFile is null ? [] : InputFile.FindWeights(modelFile)];
            file?.RefuseInputs(inputs);
            mapFile?.RefuseInputs(inputs);
            mapFile?.RefuseOutputs(file);
            var report = ReportFile.Check(parsed.GetValue(page), isForced, inputs);
            report?.RefuseOutputs(file, mapFile);
            var tokens = InputFile.ReadTable(tableFile, cancellationToken).Table!;
            if (!tokens.Counts.ContainsAnyExcept(0)) throw new ToolException("All counts are 0, so nothing tells frequent tokens from rare ones; count a corpus with `adaptive-softmax count`.");
            var choice = DraftChoice.Create(tokens, PlanEdits.FindTokens(tokens, parsed.GetValue(special) ?? [], special.Name));
            CheckSize(tableFile, choice, parsed.GetValue(size));
            var (names, counts) = domains.Read(parsed, tableFile, tokens, tokens, cancellationToken);
            var outcome = DraftOutcome.Create(choice, parsed.GetValue(size), parsed.GetValue(acceptance), parsed.GetValue(drafted), names, counts);
            using (var weights = modelFile is null ? null : WeightsFile.Open(modelFile))
            {
                var layer = weights is null ? null : DenseHead.Find(weights, parsed.GetValue(head));
                outcome = outcome with { Head = layer };
                if (file is not null || mapFile is not null)
                {
                    var vocabulary = CreateVocabulary(tableFile, choice, outcome.Size, weights, layer);
                    if (file is not null) Write(file, vocabulary, weights, layer, console, cancellationToken);
                    if (mapFile is not null) DraftFile.WriteTokenMap(mapFile.Path, vocabulary, cancellationToken);
                    outcome = outcome with { Written = new WrittenDraft(file?.Path, mapFile?.Path, vocabulary.TargetSize, vocabulary.Fingerprint) };
                }
            }

            report?.Write(DraftPage.Create(outcome), console, CancellationToken.None);
            if (parsed.GetValue(json)) DraftText.WriteJson(console.Output.Profile.Out.Writer, outcome);
            else DraftText.Write(console, outcome);
            file?.Remark(console);
            mapFile?.Remark(console);
            return ExitCode.Success;
        }, CancellationToken.None));
        return command;
    }

    private static void CheckSize(string tableFile, DraftChoice choice, int size)
    {
        if (size > choice.Table.Count) throw new ToolException(FormattableString.Invariant($"--size is {size}, and {Excerpt.Line(tableFile)} has {choice.Table.Count} tokens; give fewer."));
        if (size < choice.AlwaysCount) throw new ToolException(FormattableString.Invariant($"--size is {size}, and {choice.AlwaysCount} tokens of {Excerpt.Line(tableFile)} are pinned, special or named by --special, and always in a draft; give at least that many."));
    }

    private static DraftVocabulary CreateVocabulary(string tableFile, DraftChoice choice, int size, WeightsFile? weights, DenseHead? head)
    {
        var largest = 0;
        foreach (var id in choice.Table.Ids) largest = Math.Max(largest, id);
        if (head?.Rows <= largest)
            throw new ToolException(FormattableString.Invariant($"'{Excerpt.Name(head.Weight.Name)}' of {Excerpt.Line(weights!.FileName)} has {head.Rows} rows, which are token ids, and {Excerpt.Line(tableFile)} has ids up to {largest}; give the table of this model's tokenizer."));
        return DraftVocabulary.Create(choice, size, head?.Rows);
    }

    private static void Write(OutputPath file, DraftVocabulary vocabulary, WeightsFile? weights, DenseHead? head, ToolConsole console, CancellationToken cancellationToken)
    {
        try
        {
            WorkBar.Run(console.Error, "rows", vocabulary.Count, advance =>
            {
                var before = 0;
                DraftFile.Write(file.Path, vocabulary, weights, head, Report, cancellationToken);

                void Report(int rows)
                {
                    advance(rows - before);
                    before = rows;
                }
            });
        }
        catch (CheckpointMismatchException exception)
        {
            throw new ToolException(exception.Message);
        }
    }

    private static void RequireAtLeastOne(System.CommandLine.Parsing.OptionResult result, int value)
    {
        if (value < 1) result.AddError(FormattableString.Invariant($"{result.Option.Name} is {value}; give at least 1."));
    }
}
