using System.Globalization;

namespace AdaptiveSoftmax.Corpus;

/// <summary>One of several equal parts of the work on a corpus: every n-th file.</summary>
/// <param name="Index">Which part, from 1 to <paramref name="Count"/>.</param>
/// <param name="Count">The number of parts.</param>
public sealed record CorpusShard(int Index, int Count)
{
    /// <summary>Reads a part as it is written, such as <c>2/8</c>.</summary>
    /// <param name="text">The text.</param>
    /// <param name="shard">The part.</param>
    /// <returns>Whether it is one.</returns>
    public static bool TryParse(string? text, out CorpusShard shard)
    {
        shard = new CorpusShard(1, 1);
        if (text?.Split('/') is not [var index, var count]
            || !int.TryParse(index, NumberStyles.None, CultureInfo.InvariantCulture, out var i)
            || !int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var n)
            || i < 1 || i > n) return false;
        shard = new CorpusShard(i, n);
        return true;
    }

    /// <summary>The files of this part; there may be none.</summary>
    /// <param name="files">The files of the whole corpus, in the same order for each part.</param>
    public IReadOnlyList<CorpusFile> Select(IReadOnlyList<CorpusFile> files) => [.. files.Where((_, place) => place % Count == Index - 1)];

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Index}/{Count}");
}
