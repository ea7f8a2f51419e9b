using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>Which token of the source stands in each slot of the target.</summary>
/// <param name="From">The source's sizes.</param>
/// <param name="To">The target's sizes.</param>
/// <param name="Sources">The source's slot of the token in each of the target's, [V]; −1 for a new token.</param>
internal sealed record TokenMap(SoftmaxLayout From, SoftmaxLayout To, int[] Sources)
{
    /// <summary>The target's slot of each token of the source, [V of the source]; −1 for a token that is left out.</summary>
    public int[] Targets { get; } = Invert(From, Sources);

    /// <summary>The number of new tokens.</summary>
    public int Added => Sources.Count(source => source < 0);

    /// <summary>The number of tokens that are left out.</summary>
    public int Removed => Targets.Count(target => target < 0);

    /// <summary>Maps tokens by their bytes, whatever ids they have.</summary>
    /// <exception cref="ArgumentException">The sizes do not fit, or no token is in both.</exception>
    public static TokenMap Create(SoftmaxDefinition from, SoftmaxDefinition to)
    {
        CheckHidden(from.Layout, to.Layout);
        var slots = new Dictionary<ReadOnlyMemory<byte>, int>(from.Table.Count, TokenBytes.Comparer);
        for (var slot = 0; slot < from.Table.Count; slot++) slots.Add(from.Table.GetToken(slot).ToArray(), slot);
        var sources = new int[to.Table.Count];
        for (var slot = 0; slot < sources.Length; slot++) sources[slot] = slots.GetValueOrDefault(to.Table.GetToken(slot).ToArray(), -1);
        if (sources.All(source => source < 0))
            throw new ArgumentException("The two specs have no token in common, so nothing can be carried from one to the other; check that both are of the same tokenizer.", nameof(to));
        return new TokenMap(from.Layout, to.Layout, sources);
    }

    /// <summary>Maps the rows of a dense head, which are token ids.</summary>
    /// <exception cref="ArgumentException">The sizes do not fit, or the spec has an id that is no row.</exception>
    public static TokenMap OfIds(SoftmaxLayout dense, SoftmaxDefinition to)
    {
        CheckHidden(dense, to.Layout);
        var sources = to.Table.Ids.ToArray();
        foreach (var id in sources)
        {
            if (id >= dense.VocabularySize)
                throw new ArgumentException(FormattableString.Invariant($"The spec has the token id {id}, and the head has {dense.VocabularySize} rows; check that spec and model are of the same tokenizer."), nameof(to));
        }

        return new TokenMap(dense, to.Layout, sources);
    }

    private static void CheckHidden(SoftmaxLayout from, SoftmaxLayout to)
    {
        if (from.HiddenSize != to.HiddenSize)
            throw new ArgumentException(FormattableString.Invariant($"The hidden size is {from.HiddenSize} before and {to.HiddenSize} after; a migration changes the vocabulary, not the model's width. Set \"hiddenSize\" of the new spec to {from.HiddenSize}."), nameof(to));
    }

    private static int[] Invert(SoftmaxLayout from, int[] sources)
    {
        var targets = new int[from.VocabularySize];
        Array.Fill(targets, -1);
        for (var slot = 0; slot < sources.Length; slot++)
        {
            if (sources[slot] >= 0) targets[sources[slot]] = slot;
        }

        return targets;
    }
}

/// <summary>Tokens as keys.</summary>
internal static class TokenBytes
{
    public static IEqualityComparer<ReadOnlyMemory<byte>> Comparer { get; } = EqualityComparer<ReadOnlyMemory<byte>>.Create(
        (left, right) => left.Span.SequenceEqual(right.Span),
        token =>
        {
            var hash = new HashCode();
            hash.AddBytes(token.Span);
            return hash.ToHashCode();
        });
}
