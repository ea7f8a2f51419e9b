using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>What <c>count</c> says when it is done.</summary>
/// <param name="Corpus">What was counted.</param>
/// <param name="Table">The token table that was written.</param>
/// <param name="DomainFile">The counts by domain that were written, or null.</param>
/// <param name="Shard">The part of the files that was counted; null for all.</param>
internal sealed record CountResult(CountedCorpus Corpus, string Table, string? DomainFile, CorpusShard? Shard)
{
    public static JsonSerializerOptions Json { get; } = new(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public void Write(ToolConsole console)
    {
        var count = Corpus.Count;
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Counted {count.Tokens:n0} tokens in {count.Documents:n0} documents of {Corpus.Files:n0} files ({Corpus.Bytes / 1e6:n1} MB) in {Corpus.Seconds:n1} s."));
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{DistinctTokens:n0} of the {count.Table.Count:n0} tokens of {Excerpt.Name(count.Encoding)} occur."));
        foreach (var domain in count.Domains)
            console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Excerpt.Name(domain.Name)}: {domain.Tokens:n0} tokens in {domain.Documents:n0} documents, {domain.Ids.Length:n0} different ones."));
        console.WriteLine($"Wrote {Excerpt.Line(Table)}{(DomainFile is null ? "" : $" and {Excerpt.Line(DomainFile)}")}{(Shard is null ? "" : $", shard {Shard}")}");
    }

    public void WriteJson(ToolConsole console)
    {
        var count = Corpus.Count;
        console.Output.Profile.Out.Writer.WriteLine(JsonSerializer.Serialize(
            new
            {
                count.Tokens,
                count.Documents,
                Corpus.Files,
                Corpus.Bytes,
                Seconds = Math.Round(Corpus.Seconds, 3),
                count.Encoding,
                VocabularySize = count.Table.Count,
                DistinctTokens,
                Domains = count.Domains.Select(domain => new { domain.Name, domain.Tokens, domain.Documents, DistinctTokens = domain.Ids.Length }).ToArray(),
                LeftOut = Corpus.LeftOut.Select(path => new { path.Path, path.Reason, path.IsFault }).ToArray(),
                Table,
                DomainTable = DomainFile,
                Shard = Shard?.ToString(),
            },
            Json));
    }

    private int DistinctTokens
    {
        get
        {
            var seen = 0;
            foreach (var count in Corpus.Count.Table.Counts) seen += count > 0 ? 1 : 0;
            return seen;
        }
    }
}
