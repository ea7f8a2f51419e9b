namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// What the device knows of a parameter without the host: an array of <see cref="Length"/> integers. Whether a tail got a
/// gradient depends on the targets, and these may never have been on the host.
/// </summary>
internal static class ParameterState
{
    /// <summary>1 if something was written to the gradient since the last step; what it holds otherwise counts as 0.</summary>
    public const int HasGradient = 0;

    /// <summary>The optimizer steps that the parameter took part in.</summary>
    public const int Steps = 1;

    public const int Length = 2;
}
