namespace AdaptiveSoftmax.Gpu;

/// <summary>cuBLASLt is missing, or reports an error.</summary>
/// <param name="message">Which call failed for what, what the library says, and what to do.</param>
public sealed class CublasException(string message) : Exception(message);
