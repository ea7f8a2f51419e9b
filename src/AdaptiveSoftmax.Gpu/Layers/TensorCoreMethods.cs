using System.ComponentModel;

namespace AdaptiveSoftmax.Gpu;

/// <summary>A generated kernel for tensor cores, and what its launch needs.</summary>
/// <param name="Method">The kernel's method.</param>
/// <param name="Threads">The threads of a group.</param>
/// <param name="SharedBytes">The bytes of dynamic shared memory.</param>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed record TensorCoreMethod(Delegate Method, int Threads, int SharedBytes);

/// <summary>The generated kernels of one weight: bfloat16 factors, float32 sums. Generated classes hand them to head and tails.</summary>
/// <param name="Logits">Maximum and sum of exponentials of each strip of column tiles, and the target's logit.</param>
/// <param name="Gradient">The gradient of a chunk of logits.</param>
/// <param name="InputGradient">From it the gradient of the inputs.</param>
/// <param name="WeightGradient">From it the gradient of the weight's rows.</param>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed record TensorCoreMethods(TensorCoreMethod Logits, TensorCoreMethod Gradient, TensorCoreMethod InputGradient, TensorCoreMethod WeightGradient)
{
    /// <summary>The columns of a tile of logits, of which a strip has several.</summary>
    public const int LogitTileColumns = 128;
}
