namespace AdaptiveSoftmax.Distributed;

/// <summary>The MPI library is missing, is none that is known, or reports an error.</summary>
/// <param name="message">What the library is, which call failed on which rank, and what the library says.</param>
public sealed class MpiException(string message) : Exception(message);
