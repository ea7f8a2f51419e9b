namespace AdaptiveSoftmax.Gpu;

/// <summary>cuBLASLt is missing, or reports an error.</summary>
/// <param name="message">Which call failed for what, what the library says, and what to do.</param>
/// <param name="innerException">What it said of the call alone; null for none.</param>
public sealed class CublasException(string message, Exception? innerException = null) : Exception(message, innerException);
