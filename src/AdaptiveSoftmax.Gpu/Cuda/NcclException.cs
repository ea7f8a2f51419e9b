namespace AdaptiveSoftmax.Gpu;

/// <summary>NCCL is missing, or reports an error.</summary>
/// <param name="message">Which call failed on which rank, what NCCL says, and what to do.</param>
public sealed class NcclException(string message) : Exception(message);
