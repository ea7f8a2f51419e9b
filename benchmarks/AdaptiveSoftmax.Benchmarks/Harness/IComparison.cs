namespace AdaptiveSoftmax.Benchmarks;

/// <summary>
/// Something that <c>compare NAME</c> measures. To add one, implement this and list it in
/// <see cref="Comparisons.All"/>.
/// </summary>
internal interface IComparison
{
    /// <summary>The name on the command line and in the last line of output, for example <c>lookup</c>.</summary>
    string Name { get; }

    /// <summary>One sentence: what is measured against what, or in which unit the figure is.</summary>
    string Description { get; }

    /// <summary>Measures and prints a table.</summary>
    /// <param name="session">The console and the measuring.</param>
    /// <returns>The figure of the last line: the peer's median over ours, or what the description says.</returns>
    double Run(ComparisonSession session);
}
