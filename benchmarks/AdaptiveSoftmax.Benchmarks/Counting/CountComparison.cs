using System.Text;
using AdaptiveSoftmax.Corpus;
using Microsoft.ML.Tokenizers;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>Counting files against encoding their text, which is in memory, on the same threads.</summary>
internal sealed class CountComparison : IComparison
{
    private const string EncodingName = "o200k_base";
    private const int TextLength = 24 << 20;
    private const int SmallLength = 4 << 10;

    public string Name => "count";

    public string Description => "Counting text files, one large and many small ones, against the tokenizer alone on the same text in memory and the same threads.";

    public double Run(ComparisonSession session)
    {
        var text = ReadText(session.Cancellation);
        var folder = Directory.CreateTempSubdirectory("adaptive-softmax-count-");
        try
        {
            var large = Path.Combine(folder.FullName, "large.txt");
            File.WriteAllText(large, text);
            var small = WriteSmall(folder.CreateSubdirectory("small"), text);
            session.Note($"{text.Length / 1e6:N1} million characters of .NET's API documentation: one file, and {small:N0} files; {Environment.ProcessorCount} threads, {EncodingName}");
            return Math.Min(Compare(session, "one file", large, text), Compare(session, "small files", Path.Combine(folder.FullName, "small"), text));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static double Compare(ComparisonSession session, string what, string path, string text)
    {
        var tokenizer = CorpusTokenizer.Create(EncodingName);
        var peer = TiktokenTokenizer.CreateForEncoding(EncodingName);
        var files = CorpusFiles.Find([path]).Files;
        var shares = Cut(text, text.Length / Environment.ProcessorCount);
        var chunks = Cut(text, 1 << 16);
        return session.Compare("megabyte", files.Sum(file => file.Length) >> 20,
            new Contender($"count, {what}", () => tokenizer.Count(files).Tokens),
            [
                new Contender("the same encoder, a share of the text a thread", () => Sum(shares, share => tokenizer.Encode(share).Length)),
                new Contender("Microsoft.ML.Tokenizers, 65,536 characters a call", () => Sum(chunks, chunk => peer.CountTokens(chunk))),
            ]);
    }

    private static long Sum(List<string> texts, Func<string, int> count)
    {
        var sum = 0L;
        Parallel.For(0, texts.Count, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, i => Interlocked.Add(ref sum, count(texts[i])));
        return sum;
    }

    private static List<string> Cut(string text, int length)
    {
        var parts = new List<string>();
        for (var start = 0; start < text.Length;)
        {
            var end = start + length < text.Length ? text.IndexOf('\n', start + length) + 1 : text.Length;
            if (end == 0) end = text.Length;
            parts.Add(text[start..end]);
            start = end;
        }

        return parts;
    }

    private static string ReadText(CancellationToken cancellation)
    {
        var text = new StringBuilder(TextLength);
        foreach (var file in ReferencePacks.FindDocumentation())
        {
            foreach (var piece in file.ReadPieces(cancellation))
            {
                text.Append(piece.Text);
                if (text.Length >= TextLength) return text.ToString();
            }
        }

        return text.ToString();
    }

    private static int WriteSmall(DirectoryInfo folder, string text)
    {
        var parts = Cut(text, SmallLength);
        for (var i = 0; i < parts.Count; i++) File.WriteAllText(Path.Combine(folder.FullName, $"{i:D6}.txt"), parts[i]);
        return parts.Count;
    }
}
