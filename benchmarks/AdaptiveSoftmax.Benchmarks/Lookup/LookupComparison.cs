namespace AdaptiveSoftmax.Benchmarks;

/// <summary>The perfect hash against FrozenDictionary over the tokens of a corpus.</summary>
internal sealed class LookupComparison : IComparison
{
    public string Name => "lookup";

    public string Description => "Slots of o200k_base tokens in a corpus's order: perfect hash against FrozenDictionary's fastest form.";

    public double Run(ComparisonSession session)
    {
        var contenders = new LookupContenders();
        var corpus = LookupContenders.Corpus;
        session.Note($"{corpus.Count:N0} tokens of .NET's API documentation, {corpus.MeanLength:F2} bytes on average; {corpus.Table.Count:N0} in the vocabulary; tables of {LookupTables.Bytes:N0} bytes");
        CheckAgreement(contenders);
        return session.Compare("look-up", corpus.Count,
            new Contender("perfect hash, spans of byte", contenders.PerfectHash),
            [
                new Contender("FrozenDictionary, ready-made strings", contenders.FrozenStrings),
                new Contender("FrozenDictionary, spans of char", contenders.FrozenChars),
                new Contender("FrozenDictionary, spans of byte", contenders.FrozenBytes),
            ]);
    }

    private static void CheckAgreement(LookupContenders contenders)
    {
        var expected = contenders.PerfectHash();
        if (contenders.FrozenStrings() != expected || contenders.FrozenChars() != expected || contenders.FrozenBytes() != expected)
            throw new InvalidOperationException("The contenders found different slots.");
    }
}
