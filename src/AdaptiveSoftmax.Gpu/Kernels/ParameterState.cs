namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// What the device knows of a parameter without the host: an array of <see cref="Length"/> integers. Whether a tail got a
/// gradient depends on the targets, and these may never have been on the host.
/// </summary>
internal static class ParameterState
{
    /// <summary>1 if something was written to the gradient since the last step; what it holds otherwise counts as 0.</summary>
    public const int HasGradient = 0;

    public const int Length = 1;
}

/// <summary>What an optimizer counts of a parameter, on the device: an array of <see cref="Length"/> integers.</summary>
internal static class StepState
{
    /// <summary>1 if the parameter takes part in the step at hand.</summary>
    public const int TakesPart = 0;

    /// <summary>The steps that it took part in.</summary>
    public const int Steps = 1;

    /// <summary>Of a row-sparse gradient, the rows that the step at hand moves.</summary>
    public const int Rows = 2;

    public const int Length = 3;
}

/// <summary>What the device knows of an optimizer's steps: an array of <see cref="Length"/> integers.</summary>
internal static class StepStatus
{
    /// <summary>1 if a gradient of the step at hand is not finite.</summary>
    public const int IsFaulty = 0;

    /// <summary>1 if the last step was left out.</summary>
    public const int WasLeftOut = 1;

    /// <summary>The steps that were left out.</summary>
    public const int LeftOut = 2;

    public const int Length = 3;
}
