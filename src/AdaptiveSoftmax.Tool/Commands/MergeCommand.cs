using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary><c>adaptive-softmax count merge</c>: counts added up.</summary>
internal static class MergeCommand
{
    public const string Name = "merge";

    public static IReadOnlyList<Example> Examples { get; } =
    [
        new("Add up the shards of a corpus", "count merge part-*.tokens --output news.tokens"),
        new("Add the counts of one more corpus", "count merge old.tokens new.tokens --output news.tokens"),
    ];

    public static Command Create(ToolConsole console)
    {
        var tables = new Argument<string[]>("TABLE") { Description = $"Token tables, with the counts by domain (*{DomainTable.Suffix}) that stand beside them: all shards of a corpus, or counts of several ones.", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string>("--output", "-o") { Description = "The token table to write, by convention *.tokens.", HelpName = "FILE", Required = true };
        var force = OutputPath.CreateForceOption();
        var json = new Option<bool>("--json") { Description = "Write the result as JSON." };
        var command = new Command(Name, $"Adds counts up: the result is, byte for byte, what counting everything at once writes. A shard that is missing or there twice is refused. Exits with {ExitCode.Incomplete} if shards left out files that could not be read.") { tables, output, force, json };
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            var isForced = parsed.GetValue(force);
            var file = OutputPath.Check(parsed.GetRequiredValue(output), OutputKind.TokenTable, isForced);
            return Run(parsed.GetRequiredValue(tables), file, isForced, parsed.GetValue(json), console, cancellationToken);
        }, CancellationToken.None));
        return command;
    }

    private static int Run(IReadOnlyList<string> tables, OutputPath output, bool isForced, bool asJson, ToolConsole console, CancellationToken cancellationToken)
    {
        output.RefuseInputs(tables);
        var files = new List<CountFile>();
        foreach (var path in tables)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var domains = DomainTable.FileOf(path);
            files.Add(CountFile.Read(path, InputFile.ReadText(path, FileContentKind.TokenTable, cancellationToken), File.Exists(domains) ? InputFile.ReadText(domains, FileContentKind.DomainTable, cancellationToken) : null));
        }

        var (table, merged) = CountMerge.Merge(files);
        var beside = merged is null ? null : OutputPath.Check(DomainTable.FileOf(output.Path), OutputKind.DomainTable, isForced);
        beside?.RefuseInputs(tables.Select(DomainTable.FileOf));
        cancellationToken.ThrowIfCancellationRequested();
        if (beside is not null) AtomicFile.WriteText(beside.Path, writer => DomainTable.Write(writer, merged!), cancellationToken);
        AtomicFile.WriteText(output.Path, writer => TokenTableWriter.Write(writer, table, cancellationToken), cancellationToken);

        var (tokens, leftOut) = (table.Counts.ToArray().Sum(), files.Sum(file => file.LeftOut));
        if (asJson)
        {
            console.Output.Profile.Out.Writer.WriteLine(JsonSerializer.Serialize(
                new { Files = files.Count, Tokens = tokens, VocabularySize = table.Count, Domains = merged?.Select(domain => new { domain.Name, domain.Tokens, domain.Documents }).ToArray() ?? [], LeftOut = leftOut, Table = output.Path, DomainTable = beside?.Path },
                CountResult.Json));
        }
        else
        {
            console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Added up {tokens:n0} tokens of {files.Count:n0} files."));
            console.WriteLine($"Wrote {Excerpt.Line(output.Path)}{(beside is null ? "" : $" and {Excerpt.Line(beside.Path)}")}");
        }

        output.Remark(console);
        if (beside is null) CountCommand.RemarkStaleDomains(output.Path, console);
        if (leftOut == 0) return ExitCode.Success;
        console.WriteNote(string.Create(CultureInfo.InvariantCulture, $"{leftOut:n0} {(leftOut == 1 ? "file" : "files")} could not be read and {(leftOut == 1 ? "is" : "are")} not in it, from {Excerpt.List(files.Where(file => file.LeftOut > 0), files.Count(file => file.LeftOut > 0), file => Excerpt.Line(file.Path))}; their jobs said which. Count these shards anew for all of the corpus."));
        return ExitCode.Incomplete;
    }
}
