using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using System.Globalization;
using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Tool.Terminal;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>The options of commands that count text: which text, in which encoding.</summary>
internal sealed class CorpusOptions
{
    private const string TiktokenSuffix = ".tiktoken";

    private readonly Option<string> _encoding;
    private readonly Option<string> _format = new("--format", "-f") { Description = "How the files are written: plain text, or the XML documentation of .NET assemblies.", DefaultValueFactory = _ => "text" };
    private readonly Option<string?> _include = new("--include") { Description = "Which names folders give, with * and ?. By default all, or *.xml with --format xmldoc.", HelpName = "PATTERN" };
    private readonly Option<bool> _sdkDocs = new("--sdk-docs") { Description = "Count the API reference of the .NET SDK on this machine, before any PATH." };
    private readonly Option<string?> _sdkPacks = new("--sdk-packs") { Description = "The folder with the SDK's reference packs, where they are not found by themselves. Implies --sdk-docs.", HelpName = "FOLDER" };
    private readonly Option<int> _threads = new("--threads") { Description = "The threads that tokenise; the result is the same for any number.", HelpName = "N", DefaultValueFactory = _ => Environment.ProcessorCount };

    public CorpusOptions()
    {
        var known = string.Join(", ", CorpusTokenizer.KnownEncodings);
        _encoding = new Option<string>("--encoding", "-e") { Description = $"The encoding whose tokens are counted: {known}, or the path of a *{TiktokenSuffix} file.", HelpName = "NAME", DefaultValueFactory = _ => CorpusTokenizer.KnownEncodings[0] };
        _encoding.CompletionSources.Add([.. CorpusTokenizer.KnownEncodings]);
        _encoding.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var value }] && !CorpusTokenizer.KnownEncodings.Contains(value) && !IsFile(value))
                result.AddError($"The encoding {value} is unknown; give one of {known}, or the path of a *{TiktokenSuffix} file.");
        });
        _format.AcceptOnlyFromAmong("text", "xmldoc");
        _threads.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, NumberStyles.Integer, CultureInfo.InvariantCulture, out var value) && value < 1)
                result.AddError($"--threads is {value}; give at least 1.");
        });
    }

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _encoding, _format, _include, _sdkDocs, _sdkPacks, _threads }) command.Options.Add(option);
    }

    public bool HasSdkDocs(SymbolResult result) => result.GetValue(_sdkDocs) || result.GetValue(_sdkPacks) is not null;

    public CorpusRequest Read(ParseResult parsed, IReadOnlyList<string> paths) => new(
        parsed.GetRequiredValue(_encoding),
        paths,
        parsed.GetRequiredValue(_format) == "xmldoc" ? CorpusFormat.XmlDoc : CorpusFormat.Text,
        parsed.GetValue(_include),
        HasSdkDocs(parsed.CommandResult),
        parsed.GetValue(_sdkPacks),
        parsed.GetValue(_threads));

    public static CorpusTokenizer CreateTokenizer(string encoding) => IsFile(encoding) ? CorpusTokenizer.ReadTiktoken(encoding) : CorpusTokenizer.Create(encoding);

    private static bool IsFile(string encoding) => encoding.EndsWith(TiktokenSuffix, StringComparison.OrdinalIgnoreCase);
}

/// <summary>Text to count.</summary>
internal sealed record CorpusRequest(string Encoding, IReadOnlyList<string> Paths, CorpusFormat Format, string? Include, bool SdkDocs, string? SdkPacks, int Threads)
{
    public CountedCorpus Count(ToolConsole console, CancellationToken cancellationToken)
    {
        var files = new List<CorpusFile>();
        if (SdkDocs) files.AddRange(ReferencePacks.FindDocumentation(SdkPacks));
        if (Paths.Count > 0) files.AddRange(CorpusFiles.Find(Paths, Format, Include));
        var tokenizer = CorpusOptions.CreateTokenizer(Encoding);
        var watch = Stopwatch.StartNew();
        var counts = CountBar.Run(console.Error, progress => tokenizer.Count(files, new TokenizeOptions { Threads = Threads, Progress = progress }, cancellationToken));
        return new CountedCorpus(counts, files.Count, files.Sum(file => file.Length), watch.Elapsed.TotalSeconds);
    }
}

/// <summary>Text that was counted.</summary>
internal sealed record CountedCorpus(TokenCounts Counts, int Files, long Bytes, double Seconds);
