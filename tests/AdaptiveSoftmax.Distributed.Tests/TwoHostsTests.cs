using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax.Distributed.Tests;

/// <summary>
/// Ranks on two hosts: network namespaces with addresses and names of their own, made by eng/two-hosts.sh, and only TCP between them.
/// Without root they cannot be made, which is a visible skip; with CI=true it is a failure, whatever the reason.
/// </summary>
public sealed class TwoHostsTests
{
    // What the script exits with where the machine cannot have such hosts.
    private const int Refused = 77;

    [Theory]
    [InlineData("train")]
    [InlineData("vocabulary")]
    [InlineData("gathered")]
    public async Task TwoHosts_GiveTheBitsOfOne(string program)
    {
        var output = await RunAsync("hosts", program, "200");
        var lines = output.Split('\n');
        Assert.Equal("host-a host-b", lines[0].TrimEnd());
        Assert.Equal(CollectivesTests.RunThreads(1, program, "200"), lines[1].TrimEnd());
    }

    [Fact]
    public async Task TwoHosts_SaveOneFile()
    {
        var folders = new DirectoryInfo[2];
        for (var i = 0; i < 2; i++) folders[i] = Directory.CreateTempSubdirectory("distributed-hosts-");
        try
        {
            var straight = "";
            ThreadCollectives.Run(1, collectives => straight = KilledProgram.Run(collectives, folders[0].FullName, steps: 12, isSlow: false));
            Assert.Equal(straight, await RunAsync("killed", folders[1].FullName, "12"));
            Assert.Equal(File.ReadAllBytes(Path.Combine(folders[0].FullName, "run.safetensors")), File.ReadAllBytes(Path.Combine(folders[1].FullName, "run.safetensors")));
        }
        finally
        {
            foreach (var folder in folders) folder.Delete(recursive: true);
        }
    }

    private static async Task<string> RunAsync(params string[] program)
    {
        var job = await MpiJob.StartAsync("bash", [Script(), Environment.ProcessPath!, Program.RankArgument, .. program]);
        if (job.ExitCode == Refused)
        {
            Assert.SkipUnless(Environment.GetEnvironmentVariable("CI") == "true", job.Output);
            Assert.Fail(job.Output);
        }

        return job.OutputOfSuccess();
    }

    private static string Script([CallerFilePath] string file = "") => Path.Combine(Path.GetDirectoryName(file)!, "../../eng/two-hosts.sh");
}
