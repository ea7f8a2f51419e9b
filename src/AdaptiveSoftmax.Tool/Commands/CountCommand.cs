using System.CommandLine;
using AdaptiveSoftmax.Corpus;
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
        new("Count the text in JSON lines, compressed or not, and in a column of Parquet", "count --field text --output web.tokens crawl/*.jsonl.zst archive.parquet"),
        new("Keep counts by domain", "count --domain en=news/ --domain code=src/ --output mixed.tokens"),
        new("Count a part of the files, as one of 8 jobs does", "count --shard 2/8 --output part-2.tokens news/"),
        new("Count words as they stand between white space", "count --words --lower-case --min-count 5 --end-of-text \"<eos>\" --output words.tokens news/"),
        new("Count the API reference that the .NET SDK brings", "count --sdk-docs --output ApiDocs.tokens"),
        new("Count the XML documentation of one's own assemblies", "count --format xmldoc --output Api.tokens bin/Release/net10.0/"),
    ];

    public static Command Create(ToolConsole console)
    {
        var paths = new Argument<string[]>("PATH")
        {
            Description = "Files, folders whose files are read with those of all folders below, and - for the standard input.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var output = new Option<string>("--output", "-o") { Description = "The token table to write, by convention *.tokens.", HelpName = "FILE", Required = true };
        var force = OutputPath.CreateForceOption();
        var domains = new Option<string[]>("--domain") { Description = $"A domain and what belongs to it, such as en=news/; may be given more than once, also for one domain. Counts by domain are written beside the table (*{DomainTable.Suffix}).", HelpName = "NAME=PATH", DefaultValueFactory = _ => [] };
        var keepGoing = new Option<bool>("--keep-going") { Description = $"Leave out files that cannot be read, name each with its reason, and exit with {ExitCode.Incomplete} if there are any." };
        var shard = new Option<string?>("--shard") { Description = "Count one of n parts of the files, such as 2/8, for `count merge` to add up.", HelpName = "I/N" };
        var json = new Option<bool>("--json") { Description = "Write the result as JSON." };
        var corpus = new CorpusOptions();
        var command = new Command(Name, $"Tokenises text, counts each token and writes a token table: every token of the encoding, the most frequent first. Exits with 0, with {ExitCode.Incomplete} if --keep-going left out what could not be read, with {ExitCode.Failure} if nothing was written.")
        {
            paths, output, force, domains, keepGoing, shard, json,
            MergeCommand.Create(console),
            ImportCommand.Create(console),
        };
        corpus.AddTo(command);
        command.Validators.Add(result =>
        {
            corpus.Check(result);
            var (hasPaths, hasDomains) = (result.GetValue(paths) is { Length: > 0 }, result.GetValue(domains) is { Length: > 0 });
            if (!hasPaths && !hasDomains && !corpus.HasSdkDocs(result)) result.AddError("There is nothing to count; give a PATH, --domain or --sdk-docs.");
            if (hasDomains && (hasPaths || corpus.HasSdkDocs(result))) result.AddError("Where there are domains, all text belongs to one; give each PATH as --domain NAME=PATH, and no --sdk-docs.");
        });
        shard.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !CorpusShard.TryParse(result.Tokens[0].Value, out _)) result.AddError($"--shard is {result.Tokens[0].Value}; give which part of how many, from 1, such as 2/8.");
        });
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            var isForced = parsed.GetValue(force);
            var file = OutputPath.Check(parsed.GetRequiredValue(output), OutputKind.TokenTable, isForced);
            var named = parsed.GetRequiredValue(domains);
            var beside = named.Length > 0 ? OutputPath.Check(DomainTable.FileOf(file.Path), OutputKind.DomainTable, isForced) : null;
            var all = (parsed.GetValue(paths) ?? []).Select(path => new CorpusPath(path)).Concat(named.Select(ParseDomain)).ToList();
            var request = corpus.Read(parsed, all);
            if (CorpusShard.TryParse(parsed.GetValue(shard), out var part)) request = request with { Shard = part };
            request = request with { Search = request.Search with { KeepGoing = parsed.GetValue(keepGoing) } };
            return Run(file, beside, request, parsed.GetValue(json), console, cancellationToken);
        }, CancellationToken.None));
        return command;
    }

    private static int Run(OutputPath output, OutputPath? domains, CorpusRequest request, bool asJson, ToolConsole console, CancellationToken cancellationToken)
    {
        var corpus = request.Count(console, output, domains, cancellationToken);
        var (table, byDomain) = (corpus.Count.Table, corpus.Count.Domains);
        if (domains is not null) AtomicFile.WriteText(domains.Path, writer => DomainTable.Write(writer, byDomain), cancellationToken);
        AtomicFile.WriteText(output.Path, writer =>
        {
            if (request.Shard is null) TokenTableWriter.Write(writer, table, cancellationToken);
            else corpus.Count.WriteShard(writer, request.Shard, corpus.Settings, cancellationToken);
        }, cancellationToken);
        var result = new CountResult(corpus, output.Path, domains?.Path, request.Shard);
        if (asJson) result.WriteJson(console);
        else result.Write(console);
        output.Remark(console);
        if (domains is null) RemarkStaleDomains(output.Path, console);
        return corpus.IsIncomplete ? ExitCode.Incomplete : ExitCode.Success;
    }

    public static void RemarkStaleDomains(string table, ToolConsole console)
    {
        var domains = DomainTable.FileOf(table);
        if (File.Exists(domains)) console.WriteNote($"{domains} is of an earlier count, and no longer goes with {table}; delete it, or count with --domain.");
    }

    private static CorpusPath ParseDomain(string text)
    {
        var end = text.IndexOf('=', StringComparison.Ordinal);
        if (end < 1 || end == text.Length - 1) throw new ToolException($"--domain is {text}; give a name and a path, such as en=news/.");
        return DomainCounts.CheckName(text[..end]) is { } fault ? throw new ToolException($"--domain {text}: the name {fault}; give another.") : new CorpusPath(text[(end + 1)..], text[..end]);
    }
}
