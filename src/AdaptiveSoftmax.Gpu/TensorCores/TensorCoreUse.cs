namespace AdaptiveSoftmax.Gpu;

/// <summary>Whether training multiplies on tensor cores.</summary>
public enum TensorCoreUse
{
    /// <summary>Portable kernels in float32 alone, on every device.</summary>
    Off,

    /// <summary>
    /// The outputs of head and tails in bfloat16 with sums in float32, on tensor cores of a CUDA device of compute
    /// capability 8.0 or later. Their kernels are proven by an emulator and by the assembler, and were not yet run on
    /// hardware.
    /// </summary>
    On,
}
