using System.Diagnostics;
using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>Text to count.</summary>
internal sealed record CorpusRequest(string Encoding, TiktokenOptions Ranks, IReadOnlyList<CorpusPath> Paths, CorpusSearch Search, bool SdkDocs, string? SdkPacks, int Threads)
{
    private const int MostLeftOutNamed = 20;
    private const int MostLookedInto = 1000;

    /// <summary>How words are counted; null where an encoding's tokens are.</summary>
    public WordOptions? Words { get; init; }

    /// <summary>The part of the files that is counted; null for all.</summary>
    public CorpusShard? Shard { get; init; }

    /// <summary>Counts the text, and says what of the paths is not text.</summary>
    /// <param name="console">Where to say it.</param>
    /// <param name="output">The file that the counts will go into, or null.</param>
    /// <param name="domains">The file that the counts by domain will go into, or null.</param>
    /// <param name="cancellationToken">Stops within milliseconds.</param>
    /// <exception cref="ToolException">An output is among the text, or there is no text.</exception>
    public CountedCorpus Count(ToolConsole console, OutputPath? output, OutputPath? domains, CancellationToken cancellationToken)
    {
        var isKnown = CorpusOptions.IsKnown(Encoding);
        CheckEncoding(isKnown);
        var found = FindFiles(console, output);
        foreach (var written in new[] { output, domains }) written?.RefuseInputs([.. found.Files.Select(file => file.Path), isKnown || Words is not null ? null : Encoding]);
        var files = Shard?.Select(found.Files) ?? found.Files;
        var watch = Stopwatch.StartNew();
        var count = Words is null ? CountTokens(isKnown, files, console, cancellationToken) : CountWords(Words, files, console, cancellationToken);
        foreach (var file in count.LeftOut) Remark(file, console);
        if (count.IsEmpty && Shard is null)
            throw new ToolException(FormattableString.Invariant($"There is no text in the {files.Count:n0} files, and nothing to count; the first is {Excerpt.Line(files[0].Path)}. Give files with text."));
        if (count.Table.Count < 2 && Shard is null) throw new ToolException($"There is only one word, {Excerpt.Token(count.Table.GetToken(0))}; a softmax needs at least 2 tokens.");
        var faulty = count.LeftOut.Select(path => path.Path).ToHashSet();
        var read = files.Where(file => !faulty.Contains(file.Path)).ToList();
        // What no walk of a shard could read goes into the first one's count of files left out, as every shard walks all.
        LeftOutPath[] leftOut = [.. found.LeftOut, .. count.LeftOut];
        if (Shard is { Index: 1 }) count = count with { LeftOut = [.. leftOut.Where(path => path.IsFault)] };
        return new CountedCorpus(count, read.Count, read.Sum(file => file.Length), watch.Elapsed.TotalSeconds, leftOut) { Settings = DescribeSettings(found, count.Encoding) };
    }

    private void CheckEncoding(bool isKnown)
    {
        if (Words is not null) return;
        if (!isKnown && !File.Exists(Encoding))
            throw new ToolException($"The encoding {Excerpt.Line(Encoding)} is unknown, and there is no such file; give one of {string.Join(", ", CorpusTokenizer.KnownEncodings)}, or the path of a tokenizer's file.");
        if (isKnown && (Ranks.Split is not null || Ranks.SpecialTokens.Count > 0 || Ranks.EndOfText != EncodedVocabulary.EndOfText))
            throw new ToolException($"--split, --special and --end-of-text go with a rank file; {Excerpt.Line(Encoding)} brings its own.");
    }

    private CorpusCount CountTokens(bool isKnown, IReadOnlyList<CorpusFile> files, ToolConsole console, CancellationToken cancellationToken)
    {
        var tokenizer = isKnown ? CorpusTokenizer.Create(Encoding) : CorpusTokenizer.Read(Encoding, Ranks);
        if (!isKnown) console.WriteNote(Describe(tokenizer));
        return CorpusCount.Of(CountBar.Run(console.Error, progress => tokenizer.CountDomains(files, new TokenizeOptions { Threads = Threads, Progress = progress }, Search.KeepGoing, cancellationToken)));
    }

    private CorpusCount CountWords(WordOptions words, IReadOnlyList<CorpusFile> files, ToolConsole console, CancellationToken cancellationToken) =>
        CorpusCount.Of(
            CountBar.Run(console.Error, progress => WordCounter.Count(files, words, new TokenizeOptions { Threads = Threads, Progress = progress }, Search.KeepGoing, cancellationToken)),
            words,
            isShard: Shard is not null);

    // All that must be the same in every shard. Where the folders lie may differ, what is in them may not.
    private List<(string Name, string Value)> DescribeSettings(CorpusSelection found, string encoding) =>
    [
        ("encoding", encoding),
        ("split", Ranks.Split ?? ""),
        ("special", string.Join(',', Ranks.SpecialTokens.OrderBy(token => token.Value).Select(token => FormattableString.Invariant($"{token.Key}={token.Value}")))),
        ("end", Ranks.EndOfText),
        ("words", Words is null ? "" : FormattableString.Invariant($"{Words.IsLowerCase} {Words.MinimumCount} {Words.Unknown} {Words.EndOfText} {string.Join(' ', Words.Front)}")),
        ("format", FormattableString.Invariant($"{Search.Format} {Search.IsRaw} {string.Join(',', Search.Fields)}")),
        ("files", found.ComputeFingerprint()),
    ];

    private CorpusSelection FindFiles(ToolConsole console, OutputPath? output)
    {
        var files = new List<CorpusFile>();
        if (SdkDocs) files.AddRange(ReferencePacks.FindDocumentation(SdkPacks));
        if (Paths.Count == 0) return new CorpusSelection(files, []);
        var found = CorpusFiles.Find(Paths, Search with { Output = output?.Path });
        foreach (var path in found.LeftOut.Where(path => path.IsFault).Concat(found.LeftOut.Where(path => !path.IsFault).Take(MostLeftOutNamed))) Remark(path, console);
        var more = found.LeftOut.Count(path => !path.IsFault) - MostLeftOutNamed;
        if (more > 0) console.WriteNote(FormattableString.Invariant($"left out: {more:n0} more, for such reasons."));
        files.AddRange(found.Files);
        if (!Search.IsRaw) NoteMarkup(console, [.. found.Files.Where(file => file.Format == CorpusFormat.Text)]);
        return found with { Files = files };
    }

    private static void Remark(LeftOutPath path, ToolConsole console) => console.WriteNote($"left out: {Excerpt.Line(path.Path)} {Excerpt.Line(path.Reason)}.");

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
/// <param name="Count">The counts.</param>
/// <param name="Files">The number of files that were read.</param>
/// <param name="Bytes">Their size.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="LeftOut">What of the paths was not counted.</param>
internal sealed record CountedCorpus(CorpusCount Count, int Files, long Bytes, double Seconds, IReadOnlyList<LeftOutPath> LeftOut)
{
    /// <summary>All that must be the same in every shard.</summary>
    public IReadOnlyList<(string Name, string Value)> Settings { get; init; } = [];

    /// <summary>Whether something that should have been counted could not be read.</summary>
    public bool IsIncomplete => LeftOut.Any(path => path.IsFault);
}
