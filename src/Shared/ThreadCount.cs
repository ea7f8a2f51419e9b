namespace AdaptiveSoftmax;

/// <summary>
/// How threads are said, in every package and program: a number, the caller's thread included, of at least 1; all
/// processors where nothing is said. No result depends on it.
/// </summary>
internal static class ThreadCount
{
    /// <summary>What is wrong with a smaller number.</summary>
    public const string Rule = "The number of threads must be at least 1.";

    /// <summary>All processors.</summary>
    public static int Default => Environment.ProcessorCount;

    /// <summary>The number, checked.</summary>
    /// <param name="threads">The number.</param>
    /// <param name="name">What the caller calls it.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is below 1.</exception>
    public static int Check(int threads, string name) => threads >= 1 ? threads : throw new ArgumentOutOfRangeException(name, threads, Rule);

    /// <summary>The number, checked; <see cref="Default"/> for null.</summary>
    /// <param name="threads">The number, or null.</param>
    /// <param name="name">What the caller calls it.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is below 1.</exception>
    public static int OrDefault(int? threads, string name) => Check(threads ?? Default, name);
}
