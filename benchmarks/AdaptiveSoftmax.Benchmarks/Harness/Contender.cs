namespace AdaptiveSoftmax.Benchmarks;

/// <summary>One of the things that are measured alternately.</summary>
/// <param name="Name">What the table calls it.</param>
/// <param name="Run">One round of the work; what it returns is kept so that the work is not optimised away.</param>
internal sealed record Contender(string Name, Func<long> Run);
