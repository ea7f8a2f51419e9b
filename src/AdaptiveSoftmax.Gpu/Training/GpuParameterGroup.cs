namespace AdaptiveSoftmax.Gpu;

/// <summary>Parameters on a device that an optimizer steps with settings of their own.</summary>
/// <param name="Parameters">The parameters.</param>
/// <param name="LearningRateFactor">What their learning rate is a multiple of the optimizer's by.</param>
/// <param name="WeightDecay">Their weight decay; null for the optimizer's.</param>
internal sealed record GpuParameterGroup(IReadOnlyList<GpuParameter> Parameters, double LearningRateFactor, double? WeightDecay);
