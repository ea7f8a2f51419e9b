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
    private readonly Option<string[]> _special = new("--special") { Description = "A special token of a rank file and its id, such as \"<|endoftext|>=100257\"; may be given more than once.", HelpName = "NAME=ID", DefaultValueFactory = _ => [] };
    private readonly Option<string?> _endOfText = new("--end-of-text") { Description = $"The special token of a rank file that ends a document, {EncodedVocabulary.EndOfText} if omitted.", HelpName = "NAME" };
    private readonly Option<string> _format = new("--format", "-f") { Description = "How the files are written: plain text, or the XML documentation of .NET assemblies.", DefaultValueFactory = _ => "text" };
    private readonly Option<string?> _include = new("--include") { Description = "Which names folders give, with * and ?. By default all, or *.xml with --format xmldoc.", HelpName = "PATTERN" };
    private readonly Option<bool> _raw = new("--raw") { Description = "Count files of data, such as JSON and token tables, as the text that they are written in." };
    private readonly Option<bool> _sdkDocs = new("--sdk-docs") { Description = "Count the API reference of the .NET SDK on this machine, before any PATH." };
    private readonly Option<string?> _sdkPacks = new("--sdk-packs") { Description = "The folder with the SDK's reference packs, where they are not found by themselves. Implies --sdk-docs.", HelpName = "FOLDER" };
    private readonly Option<int> _threads = ThreadsOption.Create();

    public CorpusOptions()
    {
        var known = string.Join(", ", CorpusTokenizer.KnownEncodings);
        _encoding = new Option<string>("--encoding", "-e") { Description = $"The encoding whose tokens are counted: {known}, or the path of a rank file, a token in base64 and its id a line, as tiktoken, Llama 3 and Whisper have it.", HelpName = "NAME", DefaultValueFactory = _ => CorpusTokenizer.KnownEncodings[0] };
        _encoding.CompletionSources.Add([.. CorpusTokenizer.KnownEncodings]);
        var splits = string.Join(", ", CorpusTokenizer.KnownSplits);
        _split = new Option<string?>("--split") { Description = $"How a rank file's encoding splits text into words, which the file does not say: {splits}. By default that of the built-in encoding whose tokens the file holds.", HelpName = "NAME" };
        _split.CompletionSources.Add([.. CorpusTokenizer.KnownSplits]);
        _format.AcceptOnlyFromAmong("text", "xmldoc");
    }

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _encoding, _split, _special, _endOfText, _format, _include, _raw, _sdkDocs, _sdkPacks, _threads }) command.Options.Add(option);
    }

    public bool HasSdkDocs(SymbolResult result) => result.GetValue(_sdkDocs) || result.GetValue(_sdkPacks) is not null;

    public CorpusRequest Read(ParseResult parsed, IReadOnlyList<string> paths) => new(
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
            Format = parsed.GetRequiredValue(_format) == "xmldoc" ? CorpusFormat.XmlDoc : CorpusFormat.Text,
            Pattern = parsed.GetValue(_include),
            IsRaw = parsed.GetValue(_raw),
        },
        HasSdkDocs(parsed.CommandResult),
        parsed.GetValue(_sdkPacks),
        parsed.GetValue(_threads));

    public static bool IsKnown(string encoding) => CorpusTokenizer.KnownEncodings.Contains(encoding);

    private static Dictionary<string, int> ParseSpecial(IEnumerable<string> texts)
    {
        var tokens = new Dictionary<string, int>();
        foreach (var text in texts)
        {
            var end = text.LastIndexOf('=');
            if (end < 1 || !int.TryParse(text.AsSpan(end + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var id))
                throw new ToolException($"--special is {Excerpt.Line(text)}; give a name and an id, such as \"{EncodedVocabulary.EndOfText}=100257\".");
            if (!tokens.TryAdd(text[..end], id)) throw new ToolException($"--special gives {Excerpt.Line(text[..end])} twice; give it once.");
        }

        return tokens;
    }
}
