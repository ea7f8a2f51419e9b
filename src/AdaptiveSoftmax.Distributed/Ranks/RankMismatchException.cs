namespace AdaptiveSoftmax.Distributed;

/// <summary>Ranks that must agree do not: another specification, other weights, sizes or versions, or another call.</summary>
/// <param name="message">Which ranks, and what each of them has.</param>
public sealed class RankMismatchException(string message) : Exception(message);
