using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace AdaptiveSoftmax.Distributed.Tests;

/// <summary>docs/distributed.md: its program is samples/Cluster, and it runs.</summary>
public sealed partial class PageTests
{
    [Fact]
    public void TheProgramOfThePage_IsTheSample()
    {
        var page = File.ReadAllText(Path.Combine(Root(), "docs/distributed.md"));
        Assert.Equal(File.ReadAllText(Path.Combine(Root(), "samples/Cluster/Train.cs")), CSharpBlock.Match(page).Groups[1].Value);
    }

    [Theory]
    [InlineData("openmpi", 2)]
    [InlineData("mpich", 2)]
    public async Task TheSample_RunsUnderMpirun(string launcher, int ranks)
    {
        var folder = Directory.CreateTempSubdirectory("distributed-page-");
        try
        {
            var job = await MpiJob.RunCommandAsync(folder.FullName, launcher, ranks, "dotnet", Path.Combine(AppContext.BaseDirectory, "Cluster.dll"));
            var lines = job.OutputOfSuccess().Split('\n');
            Assert.Equal(["step 0", "step 33", "step 66", "step 99"], lines.SkipLast(1).Select(line => line.Split(':')[0]));
            Assert.Matches($"^{ranks} ranks of (Open MPI v|MPICH Version: )[0-9.]+.*: [0-9.]+ ms and [0-9,]+ bytes a step$", lines[^1].TrimEnd());

            // Started again, by as many ranks as the job of the sample has, it has nothing left to do.
            var path = Path.Combine(folder.FullName, "run.safetensors");
            var saved = File.ReadAllBytes(path);
            var again = await MpiJob.RunCommandAsync(folder.FullName, launcher, ranks == 2 ? 4 : ranks, "dotnet", Path.Combine(AppContext.BaseDirectory, "Cluster.dll"));
            Assert.Empty(again.OutputOfSuccess().Trim());
            Assert.Equal(saved, File.ReadAllBytes(path));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void TheProgramOfACutVocabulary_RunsAsThePageHasIt()
    {
        AssertOnPage("VocabularyPage", block: 1);
        var lines = new List<string>();
        var predictions = new int[2];
        ThreadCollectives.Run(2, ranks => predictions[ranks.Rank] = VocabularyPage.Run(ranks, lines.Add));
        Assert.Single(predictions.Distinct());
        Assert.Equal(["step 0", "step 49"], lines.Select(line => line.Split(':')[0]));
        var losses = lines.Select(line => double.Parse(line.Split(' ')[^1], CultureInfo.InvariantCulture)).ToArray();
        Assert.InRange(losses[1], 0, losses[0] - 2);
    }

    [Fact]
    public void TheProgramOfFiles_RunsAsThePageHasIt()
    {
        AssertOnPage("VocabularyFilesPage", block: 2);
        var folder = Directory.CreateTempSubdirectory("distributed-page-");
        try
        {
            var path = Path.Combine(folder.FullName, "run.safetensors");
            Assert.Equal([0, 0], Run(ranks: 2));
            var saved = File.GetLastWriteTimeUtc(path);
            Assert.Equal([10, 10, 10], Run(ranks: 3));
            Assert.NotEqual(saved, File.GetLastWriteTimeUtc(path));

            long[] Run(int ranks)
            {
                var first = new long[ranks];
                ThreadCollectives.Run(ranks, collectives =>
                {
                    using var softmax = VocabularyProgram.Create(collectives);
                    using var optimizer = new AdamW(0.01);
                    first[collectives.Rank] = VocabularyFilesPage.Run(softmax, optimizer, path);
                });
                return first;
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    // That a program of this project is a block of the page.
    private static void AssertOnPage(string name, int block)
    {
        var page = File.ReadAllText(Path.Combine(Root(), "docs/distributed.md"));
        var program = File.ReadAllText(Path.Combine(Root(), $"tests/AdaptiveSoftmax.Distributed.Tests/Programs/{name}.cs"));
        var body = program.Split("        // Page\n")[1].Split("        // End of page")[0];
        Assert.Equal(string.Join('\n', body.Split('\n').Select(line => line.Length > 0 ? line[8..] : line)), CSharpBlock.Matches(page)[block].Groups[1].Value);
    }

    internal static string Root([CallerFilePath] string file = "") => Path.Combine(Path.GetDirectoryName(file)!, "../..");

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex CSharpBlock { get; }
}
