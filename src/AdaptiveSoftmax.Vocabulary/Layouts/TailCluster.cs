namespace AdaptiveSoftmax.Vocabulary;

/// <summary>One tail cluster of a <see cref="SoftmaxLayout"/>: the slots <c>[Start, Start + Size)</c>.</summary>
/// <param name="Index">The cluster, counted from 0 as in PyTorch's <c>tail.{i}</c>.</param>
/// <param name="Start">The first slot of the cluster, which is its cutoff.</param>
/// <param name="Size">The number of tokens in the cluster.</param>
/// <param name="ProjectionWidth">The width d of the projection [d, hidden] and of the output [size, d].</param>
public sealed record TailCluster(int Index, int Start, int Size, int ProjectionWidth);
