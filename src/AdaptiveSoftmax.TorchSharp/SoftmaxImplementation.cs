namespace AdaptiveSoftmax.TorchSharp;

/// <summary>Which code computes the forward pass of a module and its gradients.</summary>
public enum SoftmaxImplementation
{
    /// <summary><see cref="Fused"/> where that applies, and <see cref="Composed"/> elsewhere.</summary>
    Auto,

    /// <summary>
    /// This project's kernels on the tensors' own memory: parameters and input on the processor in float32, parameters
    /// contiguous. A call that it cannot serve is an error that says why.
    /// </summary>
    Fused,

    /// <summary>TorchSharp's operations: every device and floating-point type.</summary>
    Composed,
}
