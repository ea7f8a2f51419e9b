using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Distributed;

/// <summary>
/// Which clusters of a softmax are cut by rows over the ranks of <see cref="VocabularyParallel"/>; the others every rank has and
/// computes whole. The bits of all results depend on it, and not on the number of ranks.
/// </summary>
public sealed record VocabularyPlan
{
    /// <summary>The rows from which on <see cref="Create(SoftmaxLayout, int)"/> cuts a cluster, unless it is told otherwise.</summary>
    public const int DefaultMinimumRows = 1024;

    private const int DefaultBlocks = 16;

    /// <summary>Whether the head is cut.</summary>
    public required bool CutsHead { get; init; }

    /// <summary>Whether each tail's output is cut, [tails]; its projection never is.</summary>
    public required IReadOnlyList<bool> CutsTails { get; init; }

    /// <summary>
    /// Into how many blocks of rows a cluster is cut, which are then dealt out to the ranks: at least one a rank, and no more than the
    /// rows of the cluster. Other numbers give other bits.
    /// </summary>
    public int Blocks { get; init; } = DefaultBlocks;

    /// <summary>Cuts what is large.</summary>
    /// <param name="layout">The sizes.</param>
    /// <param name="minimumRows">
    /// How many rows a cluster must have to be cut. Cutting spares a rank most of three multiply-adds a row, column and token, and
    /// costs it about eight bytes a column and token, so 8/3 of a rank's multiply-adds a second over the network's bytes a second is
    /// where it begins to pay.
    /// </param>
    public static VocabularyPlan Create(SoftmaxLayout layout, int minimumRows = DefaultMinimumRows)
    {
        ArgumentNullException.ThrowIfNull(layout);
        return new VocabularyPlan { CutsHead = layout.HeadRows >= minimumRows, CutsTails = [.. layout.Tails.Select(tail => tail.Size >= minimumRows)] };
    }

    /// <summary>
    /// Cuts what takes less time cut than whole, by the model of <see cref="StepTime"/>: rows that are few are not worth their messages,
    /// and on a slow network neither is a head whose hidden vectors are long. The numbers decide about the bits of all results: keep the
    /// plan with the run where it goes on elsewhere, since others may be measured there.
    /// </summary>
    /// <param name="layout">The sizes.</param>
    /// <param name="speeds">What a rank does in a second: <see cref="RankSpeeds.Measure"/>, or numbers.</param>
    /// <param name="ranks">The number of ranks.</param>
    /// <param name="tokens">The tokens of a batch, of all ranks together.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are no ranks or no tokens.</exception>
    public static VocabularyPlan Create(SoftmaxLayout layout, RankSpeeds speeds, int ranks, int tokens)
    {
        ArgumentNullException.ThrowIfNull(layout);
        ArgumentNullException.ThrowIfNull(speeds);
        ArgumentOutOfRangeException.ThrowIfLessThan(ranks, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(tokens, 1);
        var blocks = Math.Max(DefaultBlocks, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)ranks));
        return new VocabularyPlan
        {
            Blocks = blocks,
            CutsHead = IsWorthIt(layout.HeadRows, cut => StepCost.OfRows(layout.HeadRows, layout.HiddenSize, tokens, cut, ranks)),
            CutsTails = [.. layout.Tails.Select(tail => IsWorthIt(tail.Size, cut => StepCost.OfTail(layout, tail, tokens, cut, ranks)))],
        };

        bool IsWorthIt(int rows, Func<int, StepCost> cost) => ranks > 1 && rows >= ranks && cost(blocks).Seconds(ranks, speeds) < cost(0).Seconds(ranks, speeds);
    }

    /// <summary>What it says, by name.</summary>
    internal IEnumerable<KeyValuePair<string, string>> Facts =>
    [
        new("the number of blocks", Blocks.ToString(CultureInfo.InvariantCulture)),
        new("whether the head is cut", CutsHead.ToString()),
        new("whether the tails are cut", string.Join(", ", CutsTails)),
    ];

    /// <summary>The blocks of a cluster of so many rows.</summary>
    internal int BlocksOf(int rows) => Math.Min(Blocks, rows);

    /// <exception cref="ArgumentException">It does not fit the layout, or there are more ranks than blocks or rows.</exception>
    internal void Check(SoftmaxLayout layout, int ranks)
    {
        if (CutsTails.Count != layout.TailCount)
            throw new ArgumentException(FormattableString.Invariant($"The plan says of {CutsTails.Count} tails whether they are cut, and the layout has {layout.TailCount}."));
        if (Blocks < ranks)
            throw new ArgumentException(FormattableString.Invariant($"The plan cuts a cluster into {Blocks} blocks, of which {ranks} ranks cannot have one each; set {nameof(Blocks)} to at least {ranks}, or start fewer ranks."));
        if (CutsHead) CheckRows("The head", layout.HeadRows, ranks);
        foreach (var tail in layout.Tails)
        {
            if (CutsTails[tail.Index]) CheckRows(FormattableString.Invariant($"Tail {tail.Index}"), tail.Size, ranks);
        }
    }

    private static void CheckRows(string cluster, int rows, int ranks)
    {
        if (rows < ranks)
            throw new ArgumentException(FormattableString.Invariant($"{cluster} has {rows} rows, of which {ranks} ranks cannot have one each; do not cut it, or start fewer ranks."));
    }
}
