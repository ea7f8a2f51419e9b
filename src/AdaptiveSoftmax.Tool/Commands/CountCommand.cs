using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using AdaptiveSoftmax.Corpus;
using Spectre.Console;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary><c>adaptive-softmax count</c>: text to token table.</summary>
internal static class CountCommand
{
    public const string Name = "count";

    private const string TiktokenSuffix = ".tiktoken";

    public static IReadOnlyList<Example> Examples { get; } =
    [
        new("Count the plain text files of a folder", "count --output news.tokens news/"),
        new("Count Markdown files and one more file with another encoding", "count --encoding cl100k_base --include \"*.md\" --output docs.tokens docs/ README.md"),
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
        var known = string.Join(", ", CorpusTokenizer.KnownEncodings);
        var encoding = new Option<string>("--encoding", "-e") { Description = $"The encoding whose tokens are counted: {known}, or the path of a *{TiktokenSuffix} file.", HelpName = "NAME", DefaultValueFactory = _ => CorpusTokenizer.KnownEncodings[0] };
        encoding.CompletionSources.Add([.. CorpusTokenizer.KnownEncodings]);
        encoding.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var value }] && !CorpusTokenizer.KnownEncodings.Contains(value) && !value.EndsWith(TiktokenSuffix, StringComparison.OrdinalIgnoreCase))
                result.AddError($"The encoding {value} is unknown; give one of {known}, or the path of a *{TiktokenSuffix} file.");
        });
        var format = new Option<string>("--format", "-f") { Description = "How the files are written: plain text, or the XML documentation of .NET assemblies.", DefaultValueFactory = _ => "text" };
        format.AcceptOnlyFromAmong("text", "xmldoc");
        var include = new Option<string?>("--include") { Description = "Which names folders give, with * and ?. By default all, or *.xml with --format xmldoc.", HelpName = "PATTERN" };
        var sdkDocs = new Option<bool>("--sdk-docs") { Description = "Count the API reference of the .NET SDK on this machine, before any PATH." };
        var sdkPacks = new Option<string?>("--sdk-packs") { Description = "The folder with the SDK's reference packs, where they are not found by themselves. Implies --sdk-docs.", HelpName = "FOLDER" };
        var threads = new Option<int>("--threads") { Description = "The threads that tokenise; the result is the same for any number.", HelpName = "N", DefaultValueFactory = _ => Environment.ProcessorCount };
        threads.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, NumberStyles.Integer, CultureInfo.InvariantCulture, out var value) && value < 1)
                result.AddError($"--threads is {value}; give at least 1.");
        });

        var command = new Command(Name, "Tokenises text, counts each token and writes a token table: every token of the encoding, the most frequent first.")
        {
            paths, output, encoding, format, include, sdkDocs, sdkPacks, threads,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(paths) is not { Length: > 0 } && !result.GetValue(sdkDocs) && result.GetValue(sdkPacks) is null)
                result.AddError("There is nothing to count; give a PATH or --sdk-docs.");
        });
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            var request = new CountRequest(
                parsed.GetRequiredValue(output),
                parsed.GetRequiredValue(encoding),
                parsed.GetValue(paths) ?? [],
                parsed.GetRequiredValue(format) == "xmldoc" ? CorpusFormat.XmlDoc : CorpusFormat.Text,
                parsed.GetValue(include),
                parsed.GetValue(sdkDocs) || parsed.GetValue(sdkPacks) is not null,
                parsed.GetValue(sdkPacks),
                parsed.GetValue(threads));
            Run(request, console, cancellationToken);
            return CommandLine.Success;
        }, CancellationToken.None));
        return command;
    }

    private static void Run(CountRequest request, ToolConsole console, CancellationToken cancellationToken)
    {
        OutputPath.Check(request.Output);
        var files = new List<CorpusFile>();
        if (request.SdkDocs) files.AddRange(ReferencePacks.FindDocumentation(request.SdkPacks));
        if (request.Paths.Length > 0) files.AddRange(CorpusFiles.Find(request.Paths, request.Format, request.Include));
        var isFile = request.Encoding.EndsWith(TiktokenSuffix, StringComparison.OrdinalIgnoreCase);
        var tokenizer = isFile ? CorpusTokenizer.ReadTiktoken(request.Encoding) : CorpusTokenizer.Create(request.Encoding);

        var watch = Stopwatch.StartNew();
        var counts = CountBar.Run(console.Error, progress => tokenizer.Count(files, new TokenizeOptions { Threads = request.Threads, Progress = progress }, cancellationToken));
        var seconds = watch.Elapsed.TotalSeconds;
        OutputFile.WriteTokenTable(request.Output, counts.ToTable(), cancellationToken);

        var megabytes = files.Sum(file => file.Length) / 1e6;
        console.Output.Write(new Text(string.Create(CultureInfo.InvariantCulture, $"""
            Counted {counts.Tokens:n0} tokens in {counts.Documents:n0} documents of {files.Count:n0} files ({megabytes:n1} MB) in {seconds:n1} s.
            {counts.DistinctTokens:n0} of the {tokenizer.Vocabulary.Count:n0} tokens of {tokenizer.Vocabulary.Name} occur.
            Wrote {request.Output}

            """)));
    }

    private sealed record CountRequest(string Output, string Encoding, string[] Paths, CorpusFormat Format, string? Include, bool SdkDocs, string? SdkPacks, int Threads);
}
