using System.Globalization;

namespace AdaptiveSoftmax.Distributed;

/// <summary>What the environment tells of who started this process.</summary>
internal static class MpiLauncher
{
    // Set by srun for the processes of a step, whatever MPI they use. An mpirun within a job starts its own helpers by srun, so what it
    // says itself comes first.
    private const string SlurmSize = "SLURM_STEP_NUM_TASKS";

    // Set by Open MPI's mpirun, and by MPICH's and Slurm's PMI.
    private static readonly string[] s_sizes = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", SlurmSize];

    /// <summary>Whether MPICH's launcher did, and not Open MPI's, which sets names of its own.</summary>
    public static bool IsMpich => Value("OMPI_COMM_WORLD_SIZE") is null && (Value("PMI_RANK") ?? Value("PMI_FD") ?? Value("PMI_SIZE")) is not null;

    /// <summary>
    /// Whether a library that sees so many processes belongs to another launcher. What srun says is of its own step alone, in which a
    /// launcher that is not known here may have started more: only one that sees no other process has not found them.
    /// </summary>
    public static bool Contradicts(int size) => Started is { } started && started.Size != size && (started.Name != SlurmSize || size == 1);

    /// <summary>The number of processes that a launcher started, and where that is said; null where none did.</summary>
    public static (string Name, int Size)? Started
    {
        get
        {
            foreach (var name in s_sizes)
            {
                if (Value(name) is { } text && int.TryParse(text, CultureInfo.InvariantCulture, out var size)) return (name, size);
            }

            return null;
        }
    }

    /// <summary>Why a library does not see the processes that the launcher started, and what to do.</summary>
    /// <param name="version">The library.</param>
    public static string Explain(string version) => Started is { Name: SlurmSize }
        ? $"srun has given them nothing by which {version} finds the others. Start them with srun --mpi=pmix (Open MPI) or srun --mpi=pmi2 (MPICH), of which srun --mpi=list says what there is, or with mpirun within the job. Where each task is to be a job of its own, unset {SlurmSize}."
        : $"it is not the launcher's own library. Start the program with the mpirun of {version}, or name the launcher's library by {MpiCollectives.LibraryVariable}.";

    private static string? Value(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
}
