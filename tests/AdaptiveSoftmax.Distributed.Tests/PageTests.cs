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
            Assert.True(job.ExitCode == 0, job.Errors);
            var lines = job.Output.Split('\n');
            Assert.Equal(["step 0", "step 33", "step 66", "step 99"], lines.SkipLast(1).Select(line => line.Split(':')[0]));
            Assert.Matches($"^{ranks} ranks of (Open MPI v|MPICH Version: )[0-9.]+.*: [0-9.]+ ms and [0-9,]+ bytes a step$", lines[^1].TrimEnd());
            Assert.True(File.Exists(Path.Combine(folder.FullName, "run.safetensors")));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static string Root([CallerFilePath] string file = "") => Path.Combine(Path.GetDirectoryName(file)!, "../..");

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex CSharpBlock { get; }
}
