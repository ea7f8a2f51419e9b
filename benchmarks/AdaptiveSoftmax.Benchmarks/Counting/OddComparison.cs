using System.Diagnostics;
using System.Globalization;
using System.Text;
using AdaptiveSoftmax.Corpus;
using Spectre.Console;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>What odd texts cost a byte over ordinary text, by tokenizer, on one thread.</summary>
internal sealed class OddComparison : IComparison
{
    private const int Length = 256 << 10;

    private static readonly string[] s_encodings = ["o200k_base", "cl100k_base"];

    private static readonly (string Name, string File)[] s_files =
    [
        ("BPE with its own pattern", "hf-qwen.json"), ("WordPiece", "hf-bert.json"), ("Unigram", "hf-unigram.json"),
        ("SentencePiece pairs", "bpe.model"), ("SentencePiece unigrams", "unigram.model"),
    ];

    public string Name => "odd";

    public string Description => "Counting odd texts on one thread, by tokenizer: the worst time a byte over that of ordinary text (smaller is better).";

    public double Run(ComparisonSession session)
    {
        var one = new TokenizeOptions { Threads = 1 };
        var folder = Directory.CreateTempSubdirectory("adaptive-softmax-odd-");
        try
        {
            List<(string Name, Func<IReadOnlyList<CorpusFile>, long> Count)> tokenizers = [.. s_encodings.Select(name => Tokenizer(name, CorpusTokenizer.Create(name)))];
            tokenizers.AddRange(s_files.Select(file => Tokenizer(file.Name, CorpusTokenizer.Read(Path.Combine(AppContext.BaseDirectory, "Counting", file.File)))));
            tokenizers.Add(("words", files => WordCounter.Count(files, options: one, cancellationToken: session.Cancellation).Words));
            var ordinary = Write(folder, "text.txt", Encoding.UTF8.GetBytes(ReadText(session.Cancellation)));
            foreach (var (_, count) in tokenizers) WarmUp(session, count, ordinary);
            double[] usual = [.. tokenizers.Select(tokenizer => NanosecondsPerByte(session, tokenizer.Count, ordinary, isRefused: false))];
            var table = new Table().Border(TableBorder.Rounded).AddColumn("text");
            foreach (var (name, _) in tokenizers) table.AddColumn(new TableColumn(name).RightAligned());
            table.AddRow(["ordinary text, ns a byte", .. usual.Select(time => time.ToString("n0", CultureInfo.InvariantCulture))]);
            var worst = 0.0;
            foreach (var (name, file, bytes) in OddTexts.Create(Length))
            {
                var files = Write(folder, file, bytes);
                double[] ratios = [.. tokenizers.Select((tokenizer, i) => NanosecondsPerByte(session, tokenizer.Count, files, name.EndsWith(OddTexts.Refused, StringComparison.Ordinal)) / usual[i])];
                table.AddRow([name, .. ratios.Select(ratio => ratio.ToString("n1", CultureInfo.InvariantCulture))]);
                worst = Math.Max(worst, ratios.Max());
            }

            session.Console.Write(table);
            return worst;
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        (string Name, Func<IReadOnlyList<CorpusFile>, long> Count) Tokenizer(string name, CorpusTokenizer tokenizer) =>
            (name, files => tokenizer.Count(files, one, session.Cancellation).Tokens);
    }

    // Long enough for the JIT compiler to have replaced what ran first, which all that follows would be measured by.
    private static void WarmUp(ComparisonSession session, Func<IReadOnlyList<CorpusFile>, long> count, IReadOnlyList<CorpusFile> files)
    {
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < TimeSpan.FromSeconds(2);)
        {
            count(files);
            session.Cancellation.ThrowIfCancellationRequested();
        }
    }

    // The fastest of several: nothing but the text makes it slower.
    private static double NanosecondsPerByte(ComparisonSession session, Func<IReadOnlyList<CorpusFile>, long> count, IReadOnlyList<CorpusFile> files, bool isRefused)
    {
        var fastest = TimeSpan.MaxValue;
        for (var round = 0; round < Math.Max(2, session.Rounds / 3); round++)
        {
            session.Cancellation.ThrowIfCancellationRequested();
            var start = Stopwatch.GetTimestamp();
            Require(files, isRefused, count);
            var time = Stopwatch.GetElapsedTime(start);
            if (time < fastest) fastest = time;
        }

        return fastest.TotalNanoseconds / files.Sum(file => file.Length);
    }

    private static void Require(IReadOnlyList<CorpusFile> files, bool isRefused, Func<IReadOnlyList<CorpusFile>, long> count)
    {
        try
        {
            count(files);
        }
        catch (CorpusException) when (isRefused)
        {
            return;
        }

        if (isRefused) throw new InvalidOperationException("A file that is no text was counted.");
    }

    private static IReadOnlyList<CorpusFile> Write(DirectoryInfo folder, string name, byte[] bytes)
    {
        var path = Path.Combine(folder.FullName, name);
        File.WriteAllBytes(path, bytes);
        return CorpusFiles.Find([path], new CorpusSearch { Fields = name == "text.txt" ? [] : ["text"] }).Files;
    }

    private static string ReadText(CancellationToken cancellation)
    {
        var text = new StringBuilder(Length);
        foreach (var piece in ReferencePacks.FindDocumentation().SelectMany(file => file.ReadPieces(cancellation)))
        {
            text.Append(piece.Text);
            if (text.Length >= Length) break;
        }

        return text.ToString(0, Math.Min(Length, text.Length));
    }
}
