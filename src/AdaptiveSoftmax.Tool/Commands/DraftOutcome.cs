using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>What <c>draft</c> found.</summary>
/// <param name="Choice">The order in which tokens are taken.</param>
/// <param name="Size">The tokens of the draft.</param>
/// <param name="Acceptance">The share of tokens that it gets right where it knows them.</param>
/// <param name="Drafted">The tokens that are drafted at a time.</param>
/// <param name="Sizes">This draft and others, by ascending size.</param>
/// <param name="Domains">The domains that share the counts; none where there are none.</param>
internal sealed record DraftOutcome(DraftChoice Choice, int Size, double Acceptance, int Drafted, IReadOnlyList<DraftSize> Sizes, IReadOnlyList<string> Domains)
{
    private const int SmallestSize = 256;

    /// <summary>The output layer that rows are taken of, where one is given.</summary>
    public DenseHead? Head { get; init; }

    /// <summary>What was written, where anything was.</summary>
    public WrittenDraft? Written { get; init; }

    /// <summary>The draft itself.</summary>
    public DraftSize Own => Sizes.First(size => size.Tokens == Size);

    public static DraftOutcome Create(DraftChoice choice, int size, double acceptance, int drafted, IReadOnlyList<string> domains, IReadOnlyList<long[]> counts)
    {
        var sizes = new SortedSet<int> { size, choice.Table.Count };
        for (var power = 1L; power < choice.Table.Count; power *= 2)
        {
            if (power >= Math.Max(SmallestSize, choice.AlwaysCount)) sizes.Add((int)power);
        }

        int[] ascending = [.. sizes];
        var whole = choice.CoverageOf(choice.Table.Counts, ascending);
        var parts = counts.Select(own => choice.CoverageOf(own, ascending)).ToArray();
        return new DraftOutcome(
            choice, size, acceptance, drafted,
            [.. ascending.Select((tokens, i) => new DraftSize(tokens, whole[i], acceptance * whole[i], DraftChoice.TokensPerVerification(acceptance * whole[i], drafted), [.. parts.Select(part => part[i])]))],
            domains);
    }
}

/// <summary>A draft of some size.</summary>
/// <param name="Tokens">The size.</param>
/// <param name="Coverage">The share of all occurrences that are of its tokens.</param>
/// <param name="Acceptance">The share of drafted tokens that are accepted at best.</param>
/// <param name="TokensPerVerification">The tokens that a verification then gives.</param>
/// <param name="ByDomain">The coverage of each domain.</param>
internal sealed record DraftSize(int Tokens, double Coverage, double Acceptance, double TokensPerVerification, IReadOnlyList<double> ByDomain);

/// <summary>What <c>draft</c> wrote.</summary>
/// <param name="File">The maps, with the rows where there is a model.</param>
/// <param name="TokenMap">SGLang's map.</param>
/// <param name="TargetSize">The tokens of the target, as the maps have them.</param>
/// <param name="Fingerprint">The fingerprint of the vocabulary.</param>
internal sealed record WrittenDraft(string? File, string? TokenMap, int TargetSize, string Fingerprint);
