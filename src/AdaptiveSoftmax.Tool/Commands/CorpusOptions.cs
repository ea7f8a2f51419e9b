using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>The options of commands that count text: which text, in which encoding.</summary>
internal sealed class CorpusOptions
{
    private readonly Option<string> _encoding;
    private readonly Option<string?> _split;
    private readonly Option<string[]> _special = new("--special") { Description = "A special token of a rank file and its id, such as \"<|endoftext|>=100257\"; may be given more than once. Or a file of them: an object of names with ids, or a tokenizer_config.json.", HelpName = "NAME=ID", DefaultValueFactory = _ => [] };
    private readonly Option<string?> _endOfText = new("--end-of-text") { Description = $"The special token of a rank file that ends a document, {EncodedVocabulary.EndOfText} if omitted. With --words: a token that ends one, none if omitted.", HelpName = "NAME" };
    private readonly Option<bool> _words = new("--words") { Description = "Count words, which are what stands between white space, and no tokens of an encoding." };
    private readonly Option<bool> _lowerCase = new("--lower-case") { Description = "With --words: count them in lower case." };
    private readonly Option<long> _minimum = new("--min-count") { Description = "With --words: how often a word occurs at least to be a token of its own; rarer ones are the unknown token.", HelpName = "N", DefaultValueFactory = _ => 1 };
    private readonly Option<string> _unknown = new("--unknown") { Description = "With --words: the token of rarer words.", HelpName = "TOKEN", DefaultValueFactory = _ => "<unk>" };
    private readonly Option<string[]> _front = new("--front") { Description = "With --words: a token that stands in front whatever its count, as special tokens do elsewhere; may be given more than once.", HelpName = "TOKEN", DefaultValueFactory = _ => [] };
    private readonly Option<string> _format = new("--format", "-f") { Description = "How the files are written: plain text, the XML documentation of .NET assemblies, JSON lines, CSV, tab-separated values or Parquet. With --field the default finds out.", DefaultValueFactory = _ => "text" };
    private readonly Option<string[]> _fields = new("--field") { Description = "The member of JSON or the column of CSV and Parquet that is text, with dots between a member and those inside it; may be given more than once, and the fields of a line or row are one document.", HelpName = "NAME", DefaultValueFactory = _ => [] };
    private readonly Option<string?> _include = new("--include") { Description = "Which names folders give, with * and ?. By default all, or *.xml with --format xmldoc.", HelpName = "PATTERN" };
    private readonly Option<bool> _raw = new("--raw") { Description = "Count files of data, such as JSON and token tables, as the text that they are written in." };
    private readonly Option<bool> _sdkDocs = new("--sdk-docs") { Description = "Count the API reference of the .NET SDK on this machine, before any PATH." };
    private readonly Option<string?> _sdkPacks = new("--sdk-packs") { Description = "The folder with the SDK's reference packs, where they are not found by themselves. Implies --sdk-docs.", HelpName = "FOLDER" };
    private readonly Option<int> _threads = ThreadsOption.Create();

    public CorpusOptions()
    {
        var known = string.Join(", ", CorpusTokenizer.KnownEncodings);
        _encoding = new Option<string>("--encoding", "-e") { Description = $"The encoding whose tokens are counted: {known}, or the path of a tokenizer's file: a tokenizer.json, a SentencePiece .model, or ranks, a token in base64 and its id a line, as tiktoken, Llama 3 and Whisper have it.", HelpName = "NAME", DefaultValueFactory = _ => CorpusTokenizer.KnownEncodings[0] };
        _encoding.CompletionSources.Add([.. CorpusTokenizer.KnownEncodings]);
        var splits = string.Join(", ", CorpusTokenizer.KnownSplits);
        _split = new Option<string?>("--split") { Description = $"How a rank file's encoding splits text into words, which the file does not say: {splits}. By default that of the built-in encoding whose tokens the file holds.", HelpName = "NAME" };
        _split.CompletionSources.Add([.. CorpusTokenizer.KnownSplits]);
        _format.AcceptOneOf("text", "xmldoc", "jsonl", "csv", "tsv", "parquet");
    }

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _encoding, _split, _special, _endOfText, _words, _lowerCase, _minimum, _unknown, _front, _format, _fields, _include, _raw, _sdkDocs, _sdkPacks, _threads }) command.Options.Add(option);
    }

    /// <summary>Checks that options go together.</summary>
    public void Check(CommandResult result)
    {
        var hasWords = result.GetValue(_words);
        if (hasWords && new Option[] { _encoding, _split, _special }.Any(option => result.GetResult(option) is { Implicit: false }))
            result.AddError("--words counts what stands between white space; --encoding, --split and --special do not go with it.");
        if (!hasWords && new Option[] { _lowerCase, _minimum, _unknown, _front }.Any(option => result.GetResult(option) is { Implicit: false }))
            result.AddError("--lower-case, --min-count, --unknown and --front go with --words.");
        if (result.GetResult(_minimum) is { Implicit: false } && result.GetValue(_minimum) < 1) result.AddError("--min-count must be at least 1.");
        foreach (var option in new Option[] { _unknown, _endOfText, _front })
        {
            if (hasWords && result.GetResult(option)?.Tokens.Any(token => token.Value.Length == 0 || token.Value.Any(char.IsWhiteSpace)) == true)
                result.AddError($"{option.Name} must be a word: not empty, and without white space.");
        }

        if (hasWords && result.GetValue(_front) is { } front && front.Distinct(StringComparer.Ordinal).Count() < front.Length) result.AddError("--front gives a token twice; give each once.");
        var hasFields = result.GetValue(_fields) is { Length: > 0 };
        var format = result.GetValue(_format);
        if (format is "jsonl" or "csv" or "tsv" or "parquet" && !hasFields) result.AddError($"--format {format} has fields; give --field the name of the one that is text, such as --field text.");
        if (format is "xmldoc" && hasFields) result.AddError("--field goes with JSON, CSV and Parquet; XML documentation has no such fields.");
        if (hasFields && result.GetValue(_raw)) result.AddError("--raw counts files of data as they stand, and --field counts a field of them; give one of the two.");
    }

    public bool HasSdkDocs(SymbolResult result) => result.GetValue(_sdkDocs) || result.GetValue(_sdkPacks) is not null;

    public CorpusRequest Read(ParseResult parsed, IReadOnlyList<CorpusPath> paths) => new(
        parsed.GetRequiredValue(_encoding),
        new TiktokenOptions
        {
            Split = parsed.GetValue(_split),
            SpecialTokens = ParseSpecial(parsed.GetRequiredValue(_special)),
            EndOfText = parsed.GetValue(_endOfText) ?? EncodedVocabulary.EndOfText,
        },
        paths,
        new CorpusSearch
        {
            Format = parsed.GetRequiredValue(_format) switch
            {
                "xmldoc" => CorpusFormat.XmlDoc,
                "jsonl" => CorpusFormat.JsonLines,
                "csv" => CorpusFormat.Csv,
                "tsv" => CorpusFormat.Tsv,
                "parquet" => CorpusFormat.Parquet,
                _ => CorpusFormat.Text,
            },
            Fields = parsed.GetRequiredValue(_fields),
            Pattern = parsed.GetValue(_include),
            IsRaw = parsed.GetValue(_raw),
        },
        HasSdkDocs(parsed.CommandResult),
        parsed.GetValue(_sdkPacks),
        parsed.GetValue(_threads))
    {
        Words = parsed.GetValue(_words)
            ? new WordOptions
            {
                IsLowerCase = parsed.GetValue(_lowerCase),
                MinimumCount = parsed.GetValue(_minimum),
                Unknown = parsed.GetRequiredValue(_unknown),
                EndOfText = parsed.GetValue(_endOfText),
                Front = parsed.GetRequiredValue(_front),
            }
            : null,
    };

    public static bool IsKnown(string encoding) => CorpusTokenizer.KnownEncodings.Contains(encoding);

    private static Dictionary<string, int> ParseSpecial(IEnumerable<string> texts)
    {
        var tokens = new Dictionary<string, int>();
        foreach (var text in texts)
        {
            if (text.EndsWith(".json", StringComparison.OrdinalIgnoreCase) && File.Exists(text))
            {
                foreach (var (name, known) in SpecialTokenList.Read(text, File.ReadAllText(text)))
                {
                    if (!tokens.TryAdd(name, known)) throw new ToolException($"--special gives {name} twice, once in {text}; give it once.");
                }

                continue;
            }

            var end = text.LastIndexOf('=');
            if (end < 1 || !int.TryParse(text.AsSpan(end + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var id))
                throw new ToolException($"--special is {Excerpt.Line(text)}; give a name and an id, such as \"{EncodedVocabulary.EndOfText}=100257\".");
            if (!tokens.TryAdd(text[..end], id)) throw new ToolException($"--special gives {Excerpt.Line(text[..end])} twice; give it once.");
        }

        return tokens;
    }
}
