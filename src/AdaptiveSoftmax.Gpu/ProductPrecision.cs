namespace AdaptiveSoftmax.Gpu;

/// <summary>How training's matrix products are computed. Weights, gradients, sums and all else are float32 in any case.</summary>
public enum ProductPrecision
{
    /// <summary>In float32, by portable kernels, on every device.</summary>
#pragma warning disable CA1720 // The names are those of PyTorch.
    Float32,
#pragma warning restore CA1720

    /// <summary>
    /// With factors rounded to tf32, whose fractions have 10 bits instead of 23, by NVIDIA's library cuBLASLt, on a CUDA device:
    /// on tensor cores from compute capability 8.0 on, in float32 before. Proven on an emulated driver and a stand-in for the library;
    /// not yet run on hardware.
    /// </summary>
    Tf32,
}
