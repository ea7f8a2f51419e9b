using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Distributed;

/// <summary>
/// Which clusters of a softmax are cut by rows over the ranks of <see cref="VocabularyParallel"/>; the others every rank has and
/// computes whole. It depends on the sizes alone, never on the number of ranks, and so do the bits of all results.
/// </summary>
public sealed record VocabularyPlan
{
    /// <summary>The rows from which on <see cref="Create"/> cuts a cluster, unless it is told otherwise.</summary>
    public const int DefaultMinimumRows = 1024;

    /// <summary>Whether the head is cut.</summary>
    public required bool CutsHead { get; init; }

    /// <summary>Whether each tail's output is cut, [tails]; its projection never is.</summary>
    public required IReadOnlyList<bool> CutsTails { get; init; }

    /// <summary>
    /// Into how many blocks of rows a cluster is cut, which are then dealt out to the ranks: at least one a rank, and no more than the
    /// rows of the cluster. Other numbers give other bits.
    /// </summary>
    public int Blocks { get; init; } = 16;

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
