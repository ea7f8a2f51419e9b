using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace AdaptiveSoftmax.Distributed.Tests;

/// <summary>samples/LanguageModel under mpirun, as its page has it: the ranks train one model.</summary>
public sealed partial class LanguageModelTests
{
    [Fact]
    public async Task TheSample_ShowsOneRunOfAllRanks()
    {
        var folder = Directory.CreateTempSubdirectory("distributed-sample-");
        try
        {
            var checkpoint = Path.Combine(folder.FullName, "run.safetensors");
            var first = await RunAsync(folder, "--seconds", "2", "--prompt", "The ranks", "--corpus", Docs(), "--checkpoint", checkpoint);
            Assert.Equal(["2 ranks under Open MPI"], RanksLine.Matches(first).Select(match => match.Value));
            Assert.Single(TrainedLine.Matches(first));
            Assert.NotEmpty(ProgressLine.Matches(first));
            Assert.True(File.Exists(checkpoint));

            // One rank beside two, with twice the tokens a step and the bytes of the gradients received.
            var rows = TableRow.Matches(first).Select(match => match.Groups.Values.Skip(1).Select(group => double.Parse(group.Value, CultureInfo.InvariantCulture)).ToArray()).ToArray();
            Assert.Equal(2, rows.Length);
            Assert.Equal((1.0, 256.0, 0.0), (rows[0][0], rows[0][1], rows[0][4]));
            Assert.Equal((2.0, 512.0), (rows[1][0], rows[1][1]));
            Assert.InRange(rows[1][2], 1e-3, double.MaxValue);
            Assert.InRange(rows[1][4], 30, 60);

            var steps = Steps(first);
            Assert.InRange(steps, 1, long.MaxValue);
            var second = await RunAsync(folder, "--resume", "--seconds", "1", "--prompt", "The ranks", "--corpus", Docs(), "--checkpoint", checkpoint);
            Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"Going on from step {steps:N0} of"), second, StringComparison.Ordinal);
            Assert.InRange(Steps(second), steps + 1, long.MaxValue);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task WhatIsOfOneProcess_IsRefused()
    {
        var job = await MpiJob.RunCommandAsync("", "openmpi", 2, "dotnet", Sample, "--study");
        Assert.NotEqual(0, job.ExitCode);
        Assert.Contains("The ranks of a job train on processors, and do nothing besides; leave --study out, or start one process without mpirun.", job.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TasksOfSlurmWithoutMpi_AreToldHowToStart_InOneLine()
    {
        var job = await MpiJob.StartAsync("dotnet", [Sample, "--quick"], environment: ("SLURM_STEP_NUM_TASKS", "2"));
        Assert.Equal(1, job.ExitCode);
        Assert.StartsWith("error: The launcher started 2 processes (SLURM_STEP_NUM_TASKS), and ", job.Errors, StringComparison.Ordinal);
        Assert.Single(job.Errors.Trim().Split('\n'));
    }

    private static string Sample => Path.Combine(AppContext.BaseDirectory, "LanguageModel.dll");

    private static long Steps(string output) => long.Parse(TrainedLine.Match(output).Groups[1].Value, NumberStyles.AllowThousands, CultureInfo.InvariantCulture);

    private static async Task<string> RunAsync(DirectoryInfo folder, params string[] arguments)
    {
        var job = await MpiJob.RunCommandAsync(folder.FullName, "openmpi", 2, ["dotnet", Sample, .. arguments]);
        return job.OutputOfSuccess();
    }

    private static string Docs([CallerFilePath] string file = "") => Path.Combine(Path.GetDirectoryName(file)!, "../../docs");

    [GeneratedRegex("[0-9]+ ranks under Open MPI")]
    private static partial Regex RanksLine { get; }

    [GeneratedRegex("Trained on [0-9,]+ tokens in ([0-9,]+) steps;")]
    private static partial Regex TrainedLine { get; }

    [GeneratedRegex("step +[0-9,]+ +[0-9,]+ tokens/s")]
    private static partial Regex ProgressLine { get; }

    [GeneratedRegex("│ +([0-9,]+) │ +([0-9,]+) │ +([0-9,.]+) │ +([0-9,]+) │ +([0-9,.]+) │")]
    private static partial Regex TableRow { get; }
}
