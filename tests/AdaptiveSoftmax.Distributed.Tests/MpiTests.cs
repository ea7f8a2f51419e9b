using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Text;

namespace AdaptiveSoftmax.Distributed.Tests;

/// <summary>Processes under the real mpirun of Open MPI and of MPICH.</summary>
public sealed class MpiTests
{
    [Theory]
    [MemberData(nameof(MpiJob.Launchers), MemberType = typeof(MpiJob))]
    public async Task ARankThatThrows_EndsTheJob(string launcher)
    {
        var job = await MpiJob.RunAsync(launcher, 2, "fail");
        Assert.NotEqual(0, job.ExitCode);
        Assert.Contains("Rank 1 of 2 ends the job: System.InvalidOperationException: The disk of rank 1 is full.", job.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(MpiJob.Launchers), MemberType = typeof(MpiJob))]
    public async Task AProcessThatExits_EndsTheJob(string launcher)
    {
        var job = await MpiJob.RunAsync(launcher, 2, "exit");
        Assert.NotEqual(0, job.ExitCode);
        Assert.Contains("Rank 1 of 2 ends the job: the process ends before the program of its rank has", job.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(MpiJob.Launchers), MemberType = typeof(MpiJob))]
    public async Task ARankThatEndsEarly_IsNamed(string launcher)
    {
        var job = await MpiJob.RunAsync(launcher, 2, "leave");
        Assert.NotEqual(0, job.ExitCode);
        Assert.Contains("Rank 1 ends after 0 calls, and rank 0 calls Barrier", job.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(MpiJob.Launchers), MemberType = typeof(MpiJob))]
    public async Task OtherSpecifications_AreNamedWithBothValues(string launcher)
    {
        var job = await MpiJob.RunAsync(launcher, 2, "differ");
        Assert.NotEqual(0, job.ExitCode);
        Assert.Contains("the layout is 61 tokens, hidden size 12, no head bias, cutoffs 20, 40", job.Errors, StringComparison.Ordinal);
        Assert.Contains("on rank 1 and 60 tokens, hidden size 12, no head bias, cutoffs 20, 40", job.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task OtherVersionsOfTheLibrary_AreNamedWithBothValues()
    {
        // The same program a second time, whose library says another version of itself.
        var folder = Directory.CreateTempSubdirectory("distributed-version-");
        try
        {
            foreach (var file in Directory.EnumerateFiles(AppContext.BaseDirectory)) File.Copy(file, Path.Combine(folder.FullName, Path.GetFileName(file)));
            var library = Path.Combine(folder.FullName, "AdaptiveSoftmax.Distributed.dll");
            var version = typeof(MpiCollectives).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
            var other = version.Replace(version[0], '9');
            var bytes = await File.ReadAllBytesAsync(library, TestContext.Current.CancellationToken);
            // Metadata has the length of a short string before it.
            var at = bytes.AsSpan().IndexOf([(byte)version.Length, .. Encoding.UTF8.GetBytes(version)]);
            Encoding.UTF8.GetBytes(other).CopyTo(bytes, at + 1);
            await File.WriteAllBytesAsync(library, bytes, TestContext.Current.CancellationToken);

            // Rank 1 is the other one. Two programs for one mpirun end Open MPI 5.0.7 by a segmentation fault.
            var copy = Path.Combine(folder.FullName, Path.GetFileName(Environment.ProcessPath!));
            var choice = $"test $OMPI_COMM_WORLD_RANK = 0 && exec '{Environment.ProcessPath}' {Program.RankArgument} agree; exec '{copy}' {Program.RankArgument} agree";
            var job = await MpiJob.RunCommandAsync("", "openmpi", 2, "sh", "-c", choice);
            Assert.NotEqual(0, job.ExitCode);
            Assert.Contains($"The ranks do not agree: the version of AdaptiveSoftmax.Distributed is {other} on rank 1 and {version} on rank 0.", job.Errors, StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Theory]
    [MemberData(nameof(MpiJob.Launchers), MemberType = typeof(MpiJob))]
    public async Task NullReferences_AreStillExceptions(string launcher)
    {
        var job = await MpiJob.RunAsync(launcher, 2, "null");
        Assert.Equal("caught", job.OutputOfSuccess());
    }

    [Fact]
    public async Task AProcessWithoutALauncher_IsTheOnlyRank()
    {
        var job = await MpiJob.RunAloneAsync(null, "sums");
        Assert.Equal(CollectivesTests.RunThreads(1, "sums"), job.OutputOfSuccess());
    }

    [Fact]
    public async Task AnotherLibraryThanTheLaunchers_IsRefused()
    {
        var job = await MpiJob.StartAsync("mpirun.mpich", ["-n", "2", Environment.ProcessPath!, Program.RankArgument, "sums"], library: "libmpi.so.40");
        Assert.NotEqual(0, job.ExitCode);
        Assert.Contains("The launcher started 2 processes (PMI_SIZE), and 'libmpi.so.40' (Open MPI v", job.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("openmpi", "OMPI_COMM_WORLD", "libmpich.so.12")]
    [InlineData("mpich", "PMI", "libmpi.so.40")]
    public async Task ARankWithAnotherLibraryThanTheOthers_EndsTheJob(string launcher, string prefix, string library)
    {
        var choice = $"test ${prefix}_RANK = 1 && export {MpiCollectives.LibraryVariable}={library}; exec '{Environment.ProcessPath}' {Program.RankArgument} sums";
        var job = await MpiJob.RunCommandAsync("", launcher, 2, "sh", "-c", choice);
        Assert.NotEqual(0, job.ExitCode);
        Assert.Contains($"The launcher started 2 processes ({prefix}_SIZE), and '{library}' (", job.Errors, StringComparison.Ordinal);
        Assert.Contains("it is not the launcher's own library. Start the program with the mpirun of ", job.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TasksOfSlurmWithoutMpi_AreToldHowToStart()
    {
        // What srun sets for the second of four tasks where it was not told of an MPI.
        var job = await MpiJob.StartAsync(Environment.ProcessPath!, [Program.RankArgument, "sums"], environment: [("SLURM_PROCID", "1"), ("SLURM_NTASKS", "4"), ("SLURM_STEP_NUM_TASKS", "4")]);
        Assert.NotEqual(0, job.ExitCode);
        Assert.Contains("The launcher started 4 processes (SLURM_STEP_NUM_TASKS), and 'libmpi.so.40' (Open MPI v", job.Errors, StringComparison.Ordinal);
        Assert.Contains(") sees 1: srun has given them nothing by which Open MPI v", job.Errors, StringComparison.Ordinal);
        Assert.Contains("Start them with srun --mpi=pmix (Open MPI) or srun --mpi=pmi2 (MPICH)", job.Errors, StringComparison.Ordinal);
        Assert.Contains("Where each task is to be a job of its own, unset SLURM_STEP_NUM_TASKS.", job.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AJobOfSlurm_ThatStartsOneProcessItself_HasOneRank()
    {
        // What the script of a job sees, outside any srun.
        var job = await MpiJob.StartAsync(Environment.ProcessPath!, [Program.RankArgument, "sums"], environment: [("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4")]);
        Assert.Equal(CollectivesTests.RunThreads(1, "sums"), job.OutputOfSuccess());
    }

    [Theory]
    [MemberData(nameof(MpiJob.Launchers), MemberType = typeof(MpiJob))]
    public async Task AnMpirunWithinSlurm_GoesBeforeIt(string launcher)
    {
        // mpirun starts its helpers by srun, one a machine.
        var job = await MpiJob.StartAsync("env", ["SLURM_STEP_NUM_TASKS=1", $"mpirun.{launcher}", "-n", "2", Environment.ProcessPath!, Program.RankArgument, "sums"]);
        Assert.Equal(CollectivesTests.RunThreads(1, "sums"), job.OutputOfSuccess());
    }

    [Fact]
    public async Task ALauncherThatIsNotKnown_WithinATaskOfSlurm_IsNoMistake()
    {
        // PMIx' own prterun, for one, says nothing of the number of processes.
        var job = await MpiJob.StartAsync("mpirun.openmpi", ["-n", "2", "env", "-u", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS=1", Environment.ProcessPath!, Program.RankArgument, "sums"]);
        Assert.Equal(CollectivesTests.RunThreads(1, "sums"), job.OutputOfSuccess());
    }

    [Theory]
    [InlineData("openmpi", "INT")]
    [InlineData("openmpi", "TERM")]
    [InlineData("mpich", "INT")]
    [InlineData("mpich", "TERM")]
    public async Task AJobThatIsInterrupted_LeavesNoFileThatItHasBegun(string launcher, string signal)
    {
        var folder = Directory.CreateTempSubdirectory("interrupted-");
        try
        {
            var writer = 0;
            await MpiJob.StartAsync($"mpirun.{launcher}", ["-n", "2", Environment.ProcessPath!, Program.RankArgument, "interrupted", folder.FullName], meanwhile: async id =>
            {
                while (folder.GetFiles("*.tmp") is [] or [{ Length: 0 }])
                {
                    Assert.False(HasEnded(id), "The job has ended before it was interrupted.");
                    await Task.Delay(5, TestContext.Current.CancellationToken);
                }

                writer = int.Parse(await File.ReadAllTextAsync(Path.Combine(folder.FullName, "pid"), TestContext.Current.CancellationToken), CultureInfo.InvariantCulture);
                using var kill = Process.Start("kill", [$"-{signal}", $"{id}"]);
                await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
            });

            // A launcher may end before its ranks do.
            while (!HasEnded(writer)) await Task.Delay(5, TestContext.Current.CancellationToken);
            Assert.Equal(["pid"], folder.GetFiles().Select(file => file.Name));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    // Nobody may ask how an orphan has ended.
    private static bool HasEnded(int process)
    {
        try
        {
            var status = File.ReadAllText($"/proc/{process}/stat");
            return status[status.LastIndexOf(')') + 2] == 'Z';
        }
        catch (IOException)
        {
            return true;
        }
    }

    [Fact]
    public async Task AMissingLibrary_IsSaid()
    {
        var job = await MpiJob.RunAloneAsync("/nowhere/libmpi.so", "sums");
        Assert.NotEqual(0, job.ExitCode);
        Assert.Contains("AdaptiveSoftmax.Distributed.MpiException: The MPI library '/nowhere/libmpi.so' cannot be loaded.", job.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ALibraryThatIsNotMpi_IsRefused()
    {
        var job = await MpiJob.RunAloneAsync("libz.so.1", "sums");
        Assert.NotEqual(0, job.ExitCode);
        Assert.Contains("'libz.so.1' has no MPI_Get_library_version, so it is no MPI library of version 3 or later.", job.Errors, StringComparison.Ordinal);
    }
}
