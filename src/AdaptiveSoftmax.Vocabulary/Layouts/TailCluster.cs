namespace AdaptiveSoftmax.Vocabulary;

/// <summary>One tail cluster of a <see cref="SoftmaxLayout"/>: the slots <c>[Start, Start + Size)</c>.</summary>
/// <param name="Index">The place in <see cref="SoftmaxLayout.Tails"/>, the i of PyTorch's <c>tail.{i}</c>.</param>
/// <param name="Start">The first slot of the cluster, which is its cutoff.</param>
/// <param name="Size">The number of tokens in the cluster.</param>
/// <param name="ProjectionWidth">The width d of the projection [d, hidden] and of the output [size, d].</param>
public sealed record TailCluster(int Index, int Start, int Size, int ProjectionWidth)
{
    /// <summary>The cluster's number, as everywhere: the head is cluster 0, tail i is cluster i + 1.</summary>
    public int Cluster => Index + 1;
}
