using AdaptiveSoftmax.Corpus;
using Spectre.Console;

namespace LanguageModelSample;

/// <summary>Reads the text that the options ask for.</summary>
internal static class CorpusText
{
    /// <summary>Reads and tokenises, and says how much it is.</summary>
    /// <exception cref="CorpusException">A file cannot be read, or there is too little text.</exception>
    public static TextData Load(RunOptions options, CorpusTokenizer tokenizer, IAnsiConsole console, CancellationToken cancellation)
    {
        var files = options.Corpus.Count == 0 ? ReferencePacks.FindDocumentation() : FindFiles(options.Corpus, console);
        console.Say($"Reading {files.Count:N0} files ({files.Sum(file => file.Length) / 1e6:F1} MB)...");
        var text = TextData.Load(files, tokenizer, new TokenizeOptions { Threads = options.Threads }, cancellation);
        console.Say($"{text.Training.Length:N0} tokens to learn from, {text.HeldOut.Length:N0} held out; {ApiDocsSoftmax.VocabularySize:N0} tokens in the vocabulary.");
        return text;
    }

    private static List<CorpusFile> FindFiles(IEnumerable<string> paths, IAnsiConsole console)
    {
        var files = new List<CorpusFile>();
        foreach (var path in paths)
        {
            var found = CorpusFiles.Find([path], new CorpusSearch { Format = path.EndsWith(".xml", StringComparison.OrdinalIgnoreCase) ? CorpusFormat.XmlDoc : CorpusFormat.Text });
            foreach (var (leftOut, reason) in found.LeftOut) console.Say($"Left out: {leftOut} {reason}.");
            files.AddRange(found.Files);
        }

        return files;
    }
}
