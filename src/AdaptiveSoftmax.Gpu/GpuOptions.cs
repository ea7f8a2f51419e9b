namespace AdaptiveSoftmax.Gpu;

/// <summary>How a layer runs on a device.</summary>
public sealed record GpuOptions
{
    /// <summary>144 MiB of logits, products in float32, and no tensor cores.</summary>
    public static GpuOptions Default { get; } = new();

    /// <summary>
    /// The bytes of logits that a step keeps at once. Its tokens are taken in chunks whose logits fit, each of them with all
    /// rows of head or tail, so that memory does not grow with the batch. A larger budget means fewer launches, and weights and
    /// their gradients that are read less often. Those of 16 tokens are kept however small it is.
    /// </summary>
    public long LogitBytes { get; init; } = 144L << 20;

    /// <summary>Whether training multiplies on tensor cores, in bfloat16; off unless asked for.</summary>
    public TensorCoreUse TensorCores { get; init; } = TensorCoreUse.Off;

    /// <summary>
    /// How training's matrix products are computed; in float32 unless asked for. Tf32 needs cuBLASLt and a CUDA device, and without
    /// them no layer is created. A step then waits until the targets of each cluster are counted, and cannot be recorded. Decoding
    /// is in float32.
    /// </summary>
    public ProductPrecision Precision { get; init; } = ProductPrecision.Float32;

    /// <summary>Makes the products on tensor cores; tests compute them in another way.</summary>
    internal Func<GpuLinear, ITensorProducts>? TensorProducts { get; init; }

    internal void Check()
    {
        if (TensorCores is not (TensorCoreUse.Off or TensorCoreUse.On))
            throw new ArgumentException($"The use of tensor cores is {TensorCores}, which is none of {nameof(TensorCoreUse.Off)} and {nameof(TensorCoreUse.On)}.");
        if (!Enum.IsDefined(Precision))
            throw new ArgumentException($"The precision of products is {Precision}, which is none of {string.Join(" and ", Enum.GetNames<ProductPrecision>())}.");
        if (Precision != ProductPrecision.Float32 && TensorCores == TensorCoreUse.On)
            throw new ArgumentException($"{nameof(TensorCores)} multiplies in bfloat16, and {nameof(Precision)} asks for {Precision}; set one of the two.");
        if (LogitBytes < 0)
            throw new ArgumentException(FormattableString.Invariant($"The memory for logits is {LogitBytes} bytes; it must not be negative."));
    }
}
