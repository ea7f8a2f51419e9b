namespace AdaptiveSoftmax;

/// <summary>The smaller copies of a certified decoder, which a file may hold beside the weights that they were made of.</summary>
/// <param name="Head">The head's, the coarsest first.</param>
/// <param name="Tails">One of each tail.</param>
internal sealed record CertifiedScreens(IReadOnlyList<RowScreen> Head, IReadOnlyList<RowScreen> Tails) : IDisposable
{
    /// <summary>The memory of all copies.</summary>
    public IEnumerable<NativeFloats> Parts => Head.Concat(Tails).SelectMany(screen => screen.Parts);

    public void Dispose()
    {
        foreach (var screen in Head.Concat(Tails)) screen.Dispose();
    }
}
