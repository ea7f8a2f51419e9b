namespace AdaptiveSoftmax.Gpu;

/// <summary>The weights of a softmax that is decoded: the head's, and those of each tail in slot order.</summary>
/// <param name="Head">[shortlist + clusters, hidden].</param>
/// <param name="Tails">A projection [width, hidden] and an output [tokens of the cluster, width].</param>
internal sealed record DecodeLinears(DecodeLinear Head, (DecodeLinear Projection, DecodeLinear Output)[] Tails)
{
    /// <summary>The strips of the output that has most.</summary>
    public int Strips => Tails.Select(tail => tail.Output.Strips).Append(Head.Strips).Max();
}
