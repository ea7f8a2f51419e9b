using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary><c>adaptive-softmax count import</c>: counts that others made, as a token table.</summary>
internal static class ImportCommand
{
    public const string Name = "import";

    private static readonly Dictionary<string, ImportFormat> s_formats = new()
    {
        ["auto"] = ImportFormat.Automatic,
        ["words"] = ImportFormat.Words,
        ["csv"] = ImportFormat.Csv,
        ["tsv"] = ImportFormat.Tsv,
        ["parquet"] = ImportFormat.Parquet,
        ["fairseq"] = ImportFormat.Fairseq,
        ["transformer-xl"] = ImportFormat.TransformerXl,
    };

    public static IReadOnlyList<Example> Examples { get; } =
    [
        new("Take the counts that a database wrote, by domain", "count import counts.parquet --domain-column language --min-count 5 --output news.tokens"),
        new("Take fairseq's dictionary, with its ids", "count import --from fairseq dict.txt --output news.tokens"),
    ];

    public static Command Create(ToolConsole console)
    {
        var defaults = new ImportOptions();
        var files = new Argument<string[]>("FILE") { Description = "The counts: words with their counts, CSV or Parquet, compressed or not; a token's rows add up.", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string>("--output", "-o") { Description = "The token table to write, by convention *.tokens.", HelpName = "FILE", Required = true };
        var from = new Option<string>("--from") { Description = "How they are written: found out by default. fairseq and transformer-xl keep the rows' order and ids, with special tokens in front.", DefaultValueFactory = _ => "auto" };
        from.AcceptOneOf([.. s_formats.Keys]);
        var token = new Option<string>("--token-column") { Description = "The column of CSV and Parquet with the tokens.", HelpName = "NAME", DefaultValueFactory = _ => defaults.TokenColumn };
        var count = new Option<string>("--count-column") { Description = "The column with their counts.", HelpName = "NAME", DefaultValueFactory = _ => defaults.CountColumn };
        var domain = new Option<string?>("--domain-column") { Description = "The column with the domains, whose counts are written beside the table.", HelpName = "NAME" };
        var minimum = new Option<long>("--min-count") { Description = "How often a token occurs at least to be one of its own; rarer ones are the unknown token.", HelpName = "N", DefaultValueFactory = _ => 1 };
        var unknown = new Option<string>("--unknown") { Description = "The token of rarer ones.", HelpName = "TOKEN", DefaultValueFactory = _ => defaults.Words.Unknown! };
        var front = new Option<string[]>("--front") { Description = "A token that stands in front whatever its count; may be given more than once.", HelpName = "TOKEN", DefaultValueFactory = _ => [] };
        var force = OutputPath.CreateForceOption();
        var json = new Option<bool>("--json") { Description = "Write the result as JSON." };
        var command = new Command(Name, "Makes a token table of counts that others made: word lists, CSV, Parquet, vocabularies of fairseq and Transformer-XL.") { files, output, from, token, count, domain, minimum, unknown, front, force, json };
        command.Validators.Add(result =>
        {
            if (result.GetValue(from) is "fairseq" or "transformer-xl" && new Option[] { token, count, domain, minimum, unknown, front }.Any(option => result.GetResult(option) is { Implicit: false }))
                result.AddError($"--from {result.GetValue(from)} keeps all rows as they are; leave out the options of columns, --min-count, --unknown and --front.");
        });
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            var isForced = parsed.GetValue(force);
            var table = OutputPath.Check(parsed.GetRequiredValue(output), OutputKind.TokenTable, isForced);
            var domains = parsed.GetValue(domain) is null ? null : OutputPath.Check(DomainTable.FileOf(table.Path), OutputKind.DomainTable, isForced);
            var options = new ImportOptions
            {
                Format = s_formats[parsed.GetRequiredValue(from)],
                TokenColumn = parsed.GetRequiredValue(token),
                CountColumn = parsed.GetRequiredValue(count),
                DomainColumn = parsed.GetValue(domain),
                Words = new WordOptions { MinimumCount = parsed.GetValue(minimum), Unknown = parsed.GetRequiredValue(unknown), Front = parsed.GetRequiredValue(front) },
            };
            Run(parsed.GetRequiredValue(files), options, table, domains, parsed.GetValue(json), console, cancellationToken);
            return ExitCode.Success;
        }, CancellationToken.None));
        return command;
    }

    private static void Run(string[] files, ImportOptions options, OutputPath output, OutputPath? domains, bool asJson, ToolConsole console, CancellationToken cancellationToken)
    {
        output.RefuseInputs(files);
        domains?.RefuseInputs(files);
        CorpusCount imported;
        try
        {
            imported = CountImport.Read(files, options, cancellationToken);
        }
        catch (ArgumentException exception)
        {
            throw new ToolException(exception.Message);
        }

        if (imported.Table.Count < 2) throw new ToolException("There are fewer than 2 tokens; a softmax needs at least 2.");
        if (domains is not null) AtomicFile.WriteText(domains.Path, writer => DomainTable.Write(writer, imported.Domains), cancellationToken);
        AtomicFile.WriteText(output.Path, writer => TokenTableWriter.Write(writer, imported.Table, cancellationToken), cancellationToken);
        if (asJson)
        {
            console.Output.Profile.Out.Writer.WriteLine(JsonSerializer.Serialize(
                new
                {
                    imported.Tokens,
                    VocabularySize = imported.Table.Count,
                    imported.Table.PinnedCount,
                    imported.Table.KeptCount,
                    Domains = imported.Domains.Select(domain => new { domain.Name, domain.Tokens, DistinctTokens = domain.Ids.Length }).ToArray(),
                    Table = output.Path,
                    DomainTable = domains?.Path,
                },
                CountResult.Json));
        }
        else
        {
            var pinned = imported.Table.PinnedCount == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $", of which {imported.Table.PinnedCount:n0} stand in front whatever their counts");
            if (imported.Table.KeptCount > imported.Table.PinnedCount) pinned += string.Create(CultureInfo.InvariantCulture, $"{(pinned.Length > 0 ? " and" : ", of which")} the first {imported.Table.KeptCount:n0} keep their places");
            console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Read {imported.Table.Count:n0} tokens{pinned}, that occur {imported.Tokens:n0} times."));
            foreach (var domain in imported.Domains) console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Excerpt.Name(domain.Name)}: {domain.Tokens:n0} tokens, {domain.Ids.Length:n0} different ones."));
            console.WriteLine($"Wrote {Excerpt.Line(output.Path)}{(domains is null ? "" : $" and {Excerpt.Line(domains.Path)}")}");
        }

        if (imported.Tokens == 0) console.WriteNote($"{Excerpt.Line(files[0])} has no counts, so that nothing can be planned from the table yet; its tokens keep their order.");
        output.Remark(console);
        if (domains is null) CountCommand.RemarkStaleDomains(output.Path, console);
    }
}
