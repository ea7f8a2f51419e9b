using System.Globalization;

namespace AdaptiveSoftmax.Distributed;

/// <summary>What the environment tells of who started this process.</summary>
internal static class MpiLauncher
{
    // Set by Open MPI's mpirun, and by MPICH's and Slurm's PMI.
    private static readonly string[] s_sizes = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"];

    /// <summary>Whether MPICH's launcher did, and not Open MPI's, which sets names of its own.</summary>
    public static bool IsMpich => Value("OMPI_COMM_WORLD_SIZE") is null && (Value("PMI_RANK") ?? Value("PMI_FD") ?? Value("PMI_SIZE")) is not null;

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

    private static string? Value(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
}
