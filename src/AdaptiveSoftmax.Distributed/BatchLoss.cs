namespace AdaptiveSoftmax.Distributed;

/// <summary>The loss of a batch over all ranks.</summary>
/// <param name="Mean">The mean over the targets of all ranks, weighted where they have weights; 0 where there are none.</param>
/// <param name="Weight">The number of targets, or the sum of their weights.</param>
public readonly record struct BatchLoss(double Mean, double Weight);
