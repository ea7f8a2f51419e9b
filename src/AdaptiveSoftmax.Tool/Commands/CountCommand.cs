using System.CommandLine;
using System.Globalization;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary><c>adaptive-softmax count</c>: text to token table.</summary>
internal static class CountCommand
{
    public const string Name = "count";

    public static IReadOnlyList<Example> Examples { get; } =
    [
        new("Count the plain text files of a folder", "count --output news.tokens news/"),
        new("Count Markdown files and one more file with another encoding", "count --encoding cl100k_base --include \"*.md\" --output docs.tokens docs/ README.md"),
        new("Count with the ranks of another tokenizer", "count --encoding tokenizer.model --split cl100k_base --special \"<|end_of_text|>=128001\" --end-of-text \"<|end_of_text|>\" --output news.tokens news/"),
        new("Count the API reference that the .NET SDK brings", "count --sdk-docs --output ApiDocs.tokens"),
        new("Count the XML documentation of one's own assemblies", "count --format xmldoc --output Api.tokens bin/Release/net10.0/"),
    ];

    public static Command Create(ToolConsole console)
    {
        var paths = new Argument<string[]>("PATH")
        {
            Description = "Files, and folders whose files are read with those of all folders below.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var output = new Option<string>("--output", "-o") { Description = "The token table to write, by convention *.tokens.", HelpName = "FILE", Required = true };
        var force = OutputPath.CreateForceOption();
        var corpus = new CorpusOptions();
        var command = new Command(Name, "Tokenises text, counts each token and writes a token table: every token of the encoding, the most frequent first.")
        {
            paths, output, force,
        };
        corpus.AddTo(command);
        command.Validators.Add(result =>
        {
            if (result.GetValue(paths) is not { Length: > 0 } && !corpus.HasSdkDocs(result))
                result.AddError("There is nothing to count; give a PATH or --sdk-docs.");
        });
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            var file = OutputPath.Check(parsed.GetRequiredValue(output), OutputKind.TokenTable, parsed.GetValue(force));
            Run(file, corpus.Read(parsed, parsed.GetValue(paths) ?? []), console, cancellationToken);
            return ExitCode.Success;
        }, CancellationToken.None));
        return command;
    }

    private static void Run(OutputPath output, CorpusRequest request, ToolConsole console, CancellationToken cancellationToken)
    {
        var corpus = request.Count(console, output, cancellationToken);
        var table = corpus.Counts.ToTable();
        AtomicFile.WriteText(output.Path, writer => TokenTableWriter.Write(writer, table, cancellationToken), cancellationToken);

        var counts = corpus.Counts;
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Counted {counts.Tokens:n0} tokens in {counts.Documents:n0} documents of {corpus.Files:n0} files ({corpus.Bytes / 1e6:n1} MB) in {corpus.Seconds:n1} s."));
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{counts.DistinctTokens:n0} of the {counts.Vocabulary.Count:n0} tokens of {Excerpt.Name(counts.Vocabulary.Name)} occur."));
        console.WriteLine($"Wrote {Excerpt.Line(output.Path)}");
        output.Remark(console);
    }
}
