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
        Assert.Contains("the layout is 61 tokens, cutoffs 20, 40", job.Errors, StringComparison.Ordinal);
        Assert.Contains("on rank 1 and 60 tokens, cutoffs 20, 40", job.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(MpiJob.Launchers), MemberType = typeof(MpiJob))]
    public async Task NullReferences_AreStillExceptions(string launcher)
    {
        var job = await MpiJob.RunAsync(launcher, 2, "null");
        Assert.True(job.ExitCode == 0, job.Errors);
        Assert.Equal("caught", job.Output);
    }

    [Fact]
    public async Task AProcessWithoutALauncher_IsTheOnlyRank()
    {
        var job = await MpiJob.RunAloneAsync(null, "sums");
        Assert.True(job.ExitCode == 0, job.Errors);
        Assert.Equal(CollectivesTests.RunThreads(1, "sums"), job.Output);
    }

    [Fact]
    public async Task AnotherLibraryThanTheLaunchers_IsRefused()
    {
        var job = await MpiJob.StartAsync("mpirun.mpich", ["-n", "2", Environment.ProcessPath!, Program.RankArgument, "sums"], library: "libmpi.so.40");
        Assert.NotEqual(0, job.ExitCode);
        Assert.Contains("The launcher started 2 processes (PMI_SIZE), and 'libmpi.so.40' (Open MPI v", job.Errors, StringComparison.Ordinal);
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
