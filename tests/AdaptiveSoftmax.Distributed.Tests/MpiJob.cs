using System.Diagnostics;
using System.Globalization;

namespace AdaptiveSoftmax.Distributed.Tests;

/// <summary>What a job under mpirun came to.</summary>
/// <param name="ExitCode">Its exit status.</param>
/// <param name="Output">What its ranks wrote.</param>
/// <param name="Errors">What its ranks and mpirun wrote to the error stream.</param>
internal sealed record MpiJob(int ExitCode, string Output, string Errors)
{
    /// <summary>The launchers; a missing one fails the tests, since eng/mpi.sh installs both.</summary>
    public static TheoryData<string> Launchers => ["openmpi", "mpich"];

    /// <summary>What the ranks of a job wrote that must have ended well.</summary>
    public string OutputOfSuccess()
    {
        Assert.True(ExitCode == 0, Errors);
        return Output;
    }

    /// <summary>Runs a program of <see cref="Programs"/> with so many ranks.</summary>
    public static Task<MpiJob> RunAsync(string launcher, int ranks, params string[] program) => RunCommandAsync("", launcher, ranks, [Environment.ProcessPath!, Program.RankArgument, .. program]);

    /// <summary>Runs any command with so many ranks in a folder.</summary>
    public static Task<MpiJob> RunCommandAsync(string folder, string launcher, int ranks, params string[] command) =>
        StartAsync($"mpirun.{launcher}", [.. launcher == "openmpi" ? (string[])["--oversubscribe"] : [], "-n", ranks.ToString(CultureInfo.InvariantCulture), .. command], folder: folder);

    /// <summary>Runs it without a launcher.</summary>
    public static Task<MpiJob> RunAloneAsync(string? library, params string[] program) =>
        StartAsync(Environment.ProcessPath!, [Program.RankArgument, .. program], library);

    /// <summary>Starts a command and waits for its end.</summary>
    /// <param name="command">The command.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="library">The MPI library; null for the launcher's.</param>
    /// <param name="folder">Where it runs.</param>
    /// <param name="meanwhile">What is done while it runs, with its process id.</param>
    /// <param name="environment">More variables.</param>
    public static async Task<MpiJob> StartAsync(
        string command, string[] arguments, string? library = null, string folder = "", Func<int, Task>? meanwhile = null, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(command, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = folder };
        start.Environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1";
        start.Environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1";
        // Open MPI gives ranks a terminal, which .NET would set up.
        start.Environment["TERM"] = "dumb";
        // MPICH's ranks wait by spinning, which on fewer cores than ranks must let the others in.
        start.Environment["MPIR_CVAR_POLLS_BEFORE_YIELD"] = "1";
        start.Environment.Remove(MpiCollectives.LibraryVariable);
        if (library is not null) start.Environment[MpiCollectives.LibraryVariable] = library;
        foreach (var (name, value) in environment) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        try
        {
            if (meanwhile is not null) await meanwhile(process.Id);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            return new MpiJob(process.ExitCode, (await output).Trim(), await errors);
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }
}
