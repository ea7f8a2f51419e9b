namespace AdaptiveSoftmax;

/// <summary>The names in a checkpoint that are not a parameter's own.</summary>
internal static class CheckpointNames
{
    /// <summary>What the optimizer's state tensors start with.</summary>
    public const string OptimizerPrefix = "optimizer.";

    /// <summary>The key of what a file says of small weights, which are no weights of a layer.</summary>
    public const string QuantizedKey = "adaptive_softmax_quantized";

    /// <summary>What the keys of the caller's strings start with.</summary>
    public const string StringPrefix = "user.";

    /// <summary>The name of a state tensor of a parameter.</summary>
    public static string OfState(string parameter, string state) => $"{OptimizerPrefix}{parameter}.{state}";
}
