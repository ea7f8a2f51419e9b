namespace AdaptiveSoftmax.Gpu.Planning;

/// <summary>What a device is measured with.</summary>
/// <param name="Widths">The widths of rows.</param>
/// <param name="Batches">The tokens of steps.</param>
/// <param name="Bytes">The weights that are read, from what caches hold to what they do not.</param>
/// <param name="FewestWeights">The weights of a matrix on the slowest device.</param>
/// <param name="MostWeights">Those on the fastest.</param>
/// <param name="LongStep">How long a training step of a matrix is to take for no larger one to be tried.</param>
internal sealed record DeviceSizes(int[] Widths, int[] Batches, long[] Bytes, long FewestWeights, long MostWeights, TimeSpan LongStep)
{
    // Single vectors have kernels of their own, and products take tokens by 16.
    public static DeviceSizes Default { get; } = new(
        [16, 64, 128, 256, 512, 1024],
        [1, 2, 16, 17, 32, 64, 256, 1024],
        [1 << 20, 4 << 20, 16 << 20, 32 << 20, 48 << 20, 64 << 20, 128 << 20, 512 << 20],
        FewestWeights: 1 << 20,
        MostWeights: 1 << 25,
        LongStep: TimeSpan.FromMilliseconds(4));
}
