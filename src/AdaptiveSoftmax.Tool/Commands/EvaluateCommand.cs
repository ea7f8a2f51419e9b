using System.CommandLine;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Tool.Weights;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary><c>adaptive-softmax evaluate</c>: how well softmaxes do on hidden states whose next tokens are known.</summary>
internal static class EvaluateCommand
{
    public const string Name = "evaluate";

    private static readonly string[] s_copies = ["int4", "int8", "bfloat16", "certified"];

    public static IReadOnlyList<Example> Examples { get; } =
    [
        new("Judge a softmax by states that a model wrote (docs/states.md)", "evaluate states.safetensors --weights news.safetensors --spec news.softmax.json"),
        new("Compare it with its successor, and with its int8 copy, and look at the curves", "evaluate states.safetensors --weights old.safetensors new.safetensors --spec old.softmax.json new.softmax.json --quantize int8 --report evaluation.html"),
        new("Judge the full softmax of a checkpoint", "evaluate states.safetensors --weights model.safetensors --spec news.softmax.json --tensor lm_head.weight --json"),
    ];

    public static Command Create(ToolConsole console)
    {
        var states = new Argument<string>("STATES") { Description = "Hidden states and the tokens that followed them: safetensors with hidden [N, H] and targets [N] (docs/states.md)." };
        var weights = new Option<string[]>("--weights") { Description = "The weights: a file with an adaptive softmax, or with the matrix of a full one. Several are compared with the first.", HelpName = "FILE", Required = true, AllowMultipleArgumentsPerToken = true };
        var specs = new Option<string[]>("--spec") { Description = "The spec of the weights, by convention *.softmax.json: one for all, or one each in the same order.", HelpName = "FILE", Required = true, AllowMultipleArgumentsPerToken = true };
        var tensor = new Option<string?>("--tensor") { Description = "The matrix of a full softmax, [ids, hidden], such as lm_head.weight; found by itself where a file has no adaptive softmax.", HelpName = "NAME" };
        var prefix = new Option<string?>("--prefix") { Description = "What stands before the names of the adaptive softmax, where a file has several.", HelpName = "TEXT" };
        var quantize = new Option<string[]>("--quantize") { Description = "Judge copies beside each: int4, int8, bfloat16, or certified for exact greedy decoding over int8.", HelpName = "KIND", AllowMultipleArgumentsPerToken = true };
        quantize.AcceptOneOf(s_copies);
        var top = new Option<int>("--top-k") { Description = "Count a target as found among so many of the most probable tokens.", HelpName = "N", DefaultValueFactory = _ => new EvaluationOptions().TopK };
        var timed = new Option<int>("--timed") { Description = "Measure the time of greedy predictions of so many states, spread over all.", HelpName = "N", DefaultValueFactory = _ => new EvaluationOptions().TimedTokens };
        var json = new Option<bool>("--json") { Description = "Write the result as JSON." };
        var report = ReportFile.CreateOption();
        var force = OutputPath.CreateForceOption();
        var threads = ThreadsOption.Create();
        top.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 1) result.AddError("--top-k must be at least 1.");
        });
        timed.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 0) result.AddError("--timed must be 0 or more.");
        });
        var command = new Command(Name, "Judges softmaxes by hidden states whose next tokens are known: perplexity, bits a byte, accuracy, calibration, and what exact greedy decoding costs; as a whole, by cluster, by tenths of the occurrences and by domain.")
        {
            states, weights, specs, tensor, prefix, quantize, top, timed, json, report, force, threads,
        };
        command.Validators.Add(result =>
        {
            var (files, given) = (result.GetValue(weights)?.Length ?? 0, result.GetValue(specs)?.Length ?? 0);
            if (given > 1 && given != files) result.AddError(FormattableString.Invariant($"There are {files} files of weights and {given} specs; give one spec for all, or one each in the same order."));
        });
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            var files = parsed.GetRequiredValue(weights);
            var given = parsed.GetRequiredValue(specs);
            var page = ReportFile.Check(parsed.GetValue(report), parsed.GetValue(force), [parsed.GetRequiredValue(states), .. files, .. given.SelectMany(path => SpecFile.FilesOf(path, cancellationToken))]);
            var request = new EvaluateRequest(parsed.GetRequiredValue(states), files, given, parsed.GetValue(tensor), parsed.GetValue(prefix), [.. (parsed.GetValue(quantize) ?? []).Distinct()], parsed.GetValue(top), parsed.GetValue(timed), parsed.GetValue(threads));
            var outcome = Evaluate(request, console, cancellationToken);
            page?.Write(EvaluatePage.Create(outcome), console, cancellationToken);
            if (parsed.GetValue(json)) EvaluateJson.Write(console.Output.Profile.Out.Writer, outcome);
            else EvaluateText.Write(console, outcome);
            return ExitCode.Success;
        }, CancellationToken.None));
        return command;
    }

    private static EvaluateOutcome Evaluate(EvaluateRequest request, ToolConsole console, CancellationToken cancellationToken)
    {
        using var states = OpenStates(request.States);
        var softmaxes = new List<EvaluatedWeights>();
        try
        {
            for (var i = 0; i < request.Weights.Count; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var spec = request.Specs[request.Specs.Count == 1 ? 0 : i];
                var read = EvaluatedWeights.Read(request.Weights[i], spec, request.Tensor, request.Prefix, new AdaptiveSoftmaxOptions { Threads = request.Threads }, console, cancellationToken);
                softmaxes.Add(read);
                if (read.Softmax.Layout.HiddenSize != states.HiddenSize)
                    throw new ToolException(FormattableString.Invariant($"{Excerpt.Line(request.States)} holds states of {states.HiddenSize} values, and {Excerpt.Line(read.File)} has the hidden size {read.Softmax.Layout.HiddenSize}; write the states that go into this very softmax."));
                if (request.TopK > read.Softmax.Layout.VocabularySize) throw new ToolException(FormattableString.Invariant($"--top-k is {request.TopK}, and {Excerpt.Line(read.File)} has {read.Softmax.Layout.VocabularySize} tokens; give fewer."));
                foreach (var copy in request.Copies) softmaxes.Add(read.Quantize(copy));
            }

            return new EvaluateRun(softmaxes, states, request).Execute(console, cancellationToken);
        }
        finally
        {
            // Copies before the layers whose weights they may read.
            for (var i = softmaxes.Count - 1; i >= 0; i--) softmaxes[i].Dispose();
        }
    }

    /// <exception cref="ToolException">There is no such file, or it holds no states.</exception>
    internal static StatesFile OpenStates(string path)
    {
        if (FileContent.Find(path) == FileContentKind.Missing) throw new ToolException($"{Excerpt.Line(path)} does not exist; docs/states.md shows how a model writes its states.");
        InputFile.CheckWeights(path);
        return StatesFile.Open(path);
    }

    /// <summary>Runs states through all softmaxes.</summary>
    private sealed class EvaluateRun(IReadOnlyList<EvaluatedWeights> softmaxes, StatesFile states, EvaluateRequest request)
    {
        public EvaluateOutcome Execute(ToolConsole console, CancellationToken cancellationToken)
        {
            var evaluations = softmaxes.Select(softmax => new SoftmaxEvaluation(softmax.Softmax, new EvaluationOptions { Table = softmax.Table, TopK = request.TopK, TimedTokens = request.Timed, Domains = states.Domains })).ToArray();
            var agreements = softmaxes.Skip(1).Select(other => new SoftmaxAgreement(softmaxes[0].Softmax, other.Softmax, new AgreementOptions { FirstTable = softmaxes[0].Table, SecondTable = other.Table, Domains = states.Domains })).ToArray();
            try
            {
                RequireTargets();
                WorkBar.Run(console.Error, "Evaluating", (double)states.Count * (evaluations.Length + agreements.Length), advance =>
                {
                    for (var i = 0; i < softmaxes.Count; i++) Add(softmaxes[i], () => evaluations[i].AddAll(states, rows => advance(rows), cancellationToken));
                    for (var i = 0; i < agreements.Length; i++) Add(softmaxes[i + 1], () => agreements[i].AddAll(states, rows => advance(rows), cancellationToken));
                });
                return new EvaluateOutcome(
                    request.States,
                    [.. evaluations.Select((evaluation, i) => new EvaluateResult(softmaxes[i].Name, evaluation.ToReport(cancellationToken)))],
                    [.. agreements.Select((agreement, i) => new EvaluateAgreement(softmaxes[0].Name, softmaxes[i + 1].Name, agreement.ToReport(cancellationToken)))]);
            }
            finally
            {
                foreach (var evaluation in evaluations) evaluation.Dispose();
                foreach (var agreement in agreements) agreement.Dispose();
            }
        }

        // A target must be in every vocabulary, and the reader says in which row it is not.
        private void RequireTargets()
        {
            var decoders = softmaxes.Select(softmax => softmax.Softmax).ToArray();
            var tables = softmaxes.Select(softmax => softmax.Table).Distinct().Select(table => table.Ids.ToArray().ToHashSet()).ToArray();
            states.Require(decoders[0].Layout.HiddenSize, id => tables.All(ids => ids.Contains(id)));
        }

        private static void Add(EvaluatedWeights softmax, Action add)
        {
            try
            {
                add();
            }
            catch (DecodeException exception)
            {
                throw new ToolException($"{Excerpt.Line(softmax.Name)}: {exception.Message} adaptive-softmax inspect {ShellText.Argument(softmax.File)} --values lists such tensors.");
            }
        }
    }

    private sealed record EvaluateRequest(
        string States, IReadOnlyList<string> Weights, IReadOnlyList<string> Specs, string? Tensor, string? Prefix, IReadOnlyList<string> Copies, int TopK, int Timed, int Threads);
}
