using System.Text.RegularExpressions;
using DuckDB.NET.Data;

namespace AdaptiveSoftmax.Tool.Tests.Commands;

/// <summary>The query of docs/counting.md, run by DuckDB, gives the counts of <c>count --words</c>.</summary>
public sealed partial class DatabaseCountTests
{
    [Fact]
    public async Task QueryOfTheDocs_GivesTheSameTable()
    {
        using var run = new ToolRun();
        run.Write("docs.jsonl", string.Concat(Enumerable.Range(0, 300).Select(i => $$"""{"language":"{{(i % 3 == 0 ? "fr" : "en")}}","text":"Word{{i % 17}} is\n  word{{i % 5}} \t the {{i}} é"}""" + "\n")));
        foreach (var language in new[] { "en", "fr" }) run.Write($"{language}.jsonl", string.Concat(File.ReadLines(run.Path("docs.jsonl")).Where(line => line.Contains($"\"{language}\"", StringComparison.Ordinal)).Select(line => line + "\n")));
        Assert.Equal(0, await run.RunAsync("count", "--words", "--lower-case", "--min-count", "5", "--field", "text", "--domain", $"en={run.Path("en.jsonl")}", "--domain", $"fr={run.Path("fr.jsonl")}", "-o", run.Path("ours.tokens")));

        using (var connection = new DuckDBConnection("DataSource=:memory:"))
        {
            await connection.OpenAsync(TestContext.Current.CancellationToken);
            using var command = connection.CreateCommand();
            command.CommandText = Query().Replace("'docs.jsonl'", $"'{run.Path("docs.jsonl")}'", StringComparison.Ordinal).Replace("'counts.parquet'", $"'{run.Path("counts.parquet")}'", StringComparison.Ordinal);
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }

        Assert.Equal(0, await run.RunAsync("count", "import", run.Path("counts.parquet"), "--domain-column", "domain", "--min-count", "5", "-o", run.Path("theirs.tokens")));
        Assert.Equal(File.ReadAllText(run.Path("ours.tokens")), File.ReadAllText(run.Path("theirs.tokens")));
        Assert.Equal(WithoutDocuments(run.Path("ours.domains")), WithoutDocuments(run.Path("theirs.domains")));
    }

    private static string Query() => QueryBlock().Match(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "counting.md"))).Groups[1].Value;

    // Counts do not say how many documents they are of.
    private static IEnumerable<string> WithoutDocuments(string path) => File.ReadLines(path).Where(line => !line.Contains("\tdocuments\t", StringComparison.Ordinal));

    [GeneratedRegex("```sql\n-- DuckDB\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex QueryBlock();
}
