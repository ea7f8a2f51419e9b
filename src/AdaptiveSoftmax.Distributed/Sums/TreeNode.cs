namespace AdaptiveSoftmax.Distributed;

/// <summary>A node of a <see cref="SumTree"/>: the sum of the leaves [index · 2^level, (index + 1) · 2^level), as far as there are any.</summary>
/// <param name="Level">How far it is above the leaves.</param>
/// <param name="Index">Its place among the nodes of its level.</param>
public readonly record struct TreeNode(int Level, int Index);
