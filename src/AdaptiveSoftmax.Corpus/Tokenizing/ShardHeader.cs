using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// What the counts of a shard say of themselves: <c>i/n TAB settings TAB documents</c>; where words were counted
/// <c>TAB words TAB minimum TAB unknown TAB end TAB front</c>, since which of them are tokens shows only in the sum; and where files were
/// left out <c>TAB number</c> of them.
/// </summary>
/// <param name="Shard">Which part it is.</param>
/// <param name="Settings">A fingerprint of all that must be the same in every shard.</param>
/// <param name="Documents">The documents that were counted.</param>
/// <param name="Words">How words become tokens; null where an encoding has the tokens.</param>
/// <param name="LeftOut">The files that could not be read and were left out.</param>
internal sealed record ShardHeader(CorpusShard Shard, string Settings, long Documents, WordOptions? Words, long LeftOut)
{
    private const string WordsName = "words";

    public static ShardHeader? TryParse(string text)
    {
        var columns = text.Split('\t');
        var leftOut = 0L;
        if (columns.Length is 4 or 9)
        {
            if (!TryParse(columns[^1], out leftOut)) return null;
            columns = columns[..^1];
        }

        if (columns.Length is not (3 or 8) || !CorpusShard.TryParse(columns[0], out var shard) || !TryParse(columns[2], out var documents)) return null;
        if (columns.Length == 3) return new ShardHeader(shard, columns[1], documents, null, leftOut);
        if (columns[3] != WordsName || !TryParse(columns[4], out var minimum)) return null;
        var words = new WordOptions { MinimumCount = minimum, Unknown = Optional(columns[5]), EndOfText = Optional(columns[6]), Front = columns[7].Split(' ', StringSplitOptions.RemoveEmptyEntries) };
        return words.FindFault() is null ? new ShardHeader(shard, columns[1], documents, words, leftOut) : null;
    }

    public override string ToString()
    {
        var text = string.Create(CultureInfo.InvariantCulture, $"{Shard}\t{Settings}\t{Documents}");
        if (Words is not null) text = string.Create(CultureInfo.InvariantCulture, $"{text}\t{WordsName}\t{Words.MinimumCount}\t{Words.Unknown}\t{Words.EndOfText}\t{string.Join(' ', Words.Front)}");
        return LeftOut == 0 ? text : string.Create(CultureInfo.InvariantCulture, $"{text}\t{LeftOut}");
    }

    /// <summary>The fingerprint of settings, each as a name and a value.</summary>
    public static string FingerprintOf(params IEnumerable<(string Name, string Value)> settings) =>
        Fingerprints.OfText(string.Concat(settings.Select(setting => $"{setting.Name}\t{setting.Value}\n")));

    private static bool TryParse(string text, out long value) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);

    private static string? Optional(string text) => text.Length == 0 ? null : text;
}
