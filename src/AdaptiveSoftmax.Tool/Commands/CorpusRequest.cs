using System.Diagnostics;
using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>Text to count.</summary>
internal sealed record CorpusRequest(string Encoding, TiktokenOptions Ranks, IReadOnlyList<string> Paths, CorpusSearch Search, bool SdkDocs, string? SdkPacks, int Threads)
{
    private const int MostLeftOutNamed = 20;
    private const int MostLookedInto = 1000;

    /// <summary>Counts the text, and says what of the paths is not text.</summary>
    /// <param name="console">Where to say it.</param>
    /// <param name="output">The file that the counts will go into, or null.</param>
    /// <param name="cancellationToken">Stops within milliseconds.</param>
    /// <exception cref="ToolException">The output is among the text, or there is no text.</exception>
    public CountedCorpus Count(ToolConsole console, OutputPath? output, CancellationToken cancellationToken)
    {
        var isKnown = CorpusOptions.IsKnown(Encoding);
        if (!isKnown && !File.Exists(Encoding))
            throw new ToolException($"The encoding {Excerpt.Line(Encoding)} is unknown, and there is no such file; give one of {string.Join(", ", CorpusTokenizer.KnownEncodings)}, or the path of a rank file.");
        if (isKnown && (Ranks.Split is not null || Ranks.SpecialTokens.Count > 0 || Ranks.EndOfText != EncodedVocabulary.EndOfText))
            throw new ToolException($"--split, --special and --end-of-text go with a rank file; {Excerpt.Line(Encoding)} brings its own.");
        var files = FindFiles(console, output);
        output?.RefuseInputs([.. files.Select(file => file.Path), isKnown ? null : Encoding]);
        var tokenizer = isKnown ? CorpusTokenizer.Create(Encoding) : CorpusTokenizer.ReadTiktoken(Encoding, Ranks);
        if (!isKnown) console.WriteNote(Describe(tokenizer));
        var watch = Stopwatch.StartNew();
        var counts = CountBar.Run(console.Error, progress => tokenizer.Count(files, new TokenizeOptions { Threads = Threads, Progress = progress }, cancellationToken));
        // Each document has a token that ends it, where the encoding has one.
        if (counts.Tokens == 0 || (tokenizer.Vocabulary.EndOfTextId >= 0 && counts.Tokens == counts.Documents))
            throw new ToolException(FormattableString.Invariant($"There is no text in the {files.Count:n0} files, and nothing to count; the first is {Excerpt.Line(files[0].Path)}. Give files with text."));
        return new CountedCorpus(counts, files.Count, files.Sum(file => file.Length), watch.Elapsed.TotalSeconds);
    }

    private List<CorpusFile> FindFiles(ToolConsole console, OutputPath? output)
    {
        var files = new List<CorpusFile>();
        if (SdkDocs) files.AddRange(ReferencePacks.FindDocumentation(SdkPacks));
        if (Paths.Count == 0) return files;
        var found = CorpusFiles.Find(Paths, Search with { Output = output?.Path });
        foreach (var (path, reason) in found.LeftOut.Take(MostLeftOutNamed)) console.WriteNote($"left out: {Excerpt.Line(path)} {Excerpt.Line(reason)}.");
        if (found.LeftOut.Count > MostLeftOutNamed) console.WriteNote(FormattableString.Invariant($"left out: {found.LeftOut.Count - MostLeftOutNamed:n0} more, for such reasons."));
        files.AddRange(found.Files);
        if (Search is { Format: CorpusFormat.Text, IsRaw: false }) NoteMarkup(console, found.Files);
        return files;
    }

    // Pages are text, and may be what a user wants to count; who does not is told so.
    private static void NoteMarkup(ToolConsole console, IReadOnlyList<CorpusFile> files)
    {
        var marked = files.Take(MostLookedInto).Where(file => FindMarkup(file.Path) is not null).ToList();
        if (marked.Count == 0) return;
        var more = marked.Count == 1 ? "" : FormattableString.Invariant($", and so are {marked.Count - 1:n0} other files");
        console.WriteNote($"{Excerpt.Line(marked[0].Path)} is {FindMarkup(marked[0].Path)}{more}: tags and separators are counted as text. Write the text to plain files, or give --raw if that is meant.");
    }

    private static string? FindMarkup(string path)
    {
        if (RegularFile.FindFault(path) is not null) return null;
        if (FileContent.Find(path) is (FileContentKind.Html or FileContentKind.Xml) and var kind) return FileContent.Describe(kind);
        return Path.GetExtension(path).ToUpperInvariant() is ".CSV" or ".TSV" ? "a table of values with separators" : null;
    }

    private static string Describe(CorpusTokenizer tokenizer)
    {
        var vocabulary = tokenizer.Vocabulary;
        var special = vocabulary.SpecialTokens.OrderBy(token => token.Value).ToList();
        var names = special.Count == 0 ? "no special tokens" : $"the special tokens {Excerpt.List(special, special.Count, token => FormattableString.Invariant($"{token.Key}={token.Value}"))}";
        var end = vocabulary.EndOfTextId < 0
            ? $"no token ends a document (name one with --special, and with --end-of-text where it is not {EncodedVocabulary.EndOfText})"
            : $"{Excerpt.Name(special.Find(token => token.Value == vocabulary.EndOfTextId).Key)} ends a document";
        return $"{Excerpt.Name(vocabulary.Name)} has {names}; text is split like {tokenizer.Split}; {end}.";
    }
}

/// <summary>Text that was counted.</summary>
internal sealed record CountedCorpus(TokenCounts Counts, int Files, long Bytes, double Seconds);
