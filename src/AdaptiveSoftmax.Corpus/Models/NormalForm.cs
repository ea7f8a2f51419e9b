using System.Collections.Concurrent;
using System.Globalization;
using System.Text;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// Unicode's normal forms in n log n steps. Libraries put marks in order by moving each past all those before it, so that a
/// text of nothing but marks takes them hours; those that come in order already take no time.
/// </summary>
internal static class NormalForm
{
    private const int LongRun = 64;

    // The mark that comes behind all others.
    private const string Last = "\u0345";

    // One mark of each combining class but the last, by class.
    private static readonly string[] s_probes =
    [
        "\u0334", "\U00016FF0", "\u093C", "\u3099", "\u094D", "\u05B0", "\u05B1", "\u05B2", "\u05B3", "\u05B4", "\u05B5", "\u05B6", "\u05B7",
        "\u05B8", "\u05B9", "\u05BB", "\u05BC", "\u05BD", "\u05BF", "\u05C1", "\u05C2", "\uFB1E", "\u064B", "\u064C", "\u064D", "\u064E",
        "\u064F", "\u0650", "\u0651", "\u0652", "\u0670", "\u0711", "\u0C55", "\u0C56", "\u0E38", "\u0E48", "\u0EB8", "\u0EC8", "\u0F71",
        "\u0F72", "\u0F74", "\u0321", "\u1DCE", "\u031B", "\u302A", "\u0316", "\u059A", "\u302E", "\U0001D16D", "\u05AE", "\u0300", "\u0315",
        "\u035C", "\u035D",
    ];

    private static readonly ConcurrentDictionary<int, int> s_ranks = new();

    /// <summary>What <see cref="string.Normalize(NormalizationForm)"/> gives.</summary>
    public static string Normalize(string text, NormalizationForm form) => OrderMarks(text, form).Normalize(form);

    // The same text to every normal form, with its long runs of marks in order.
    private static string OrderMarks(string text, NormalizationForm form)
    {
        StringBuilder? ordered = null;
        var copied = 0;
        for (var start = 0; start < text.Length;)
        {
            var end = EndOfMarks(text, start);
            if (end - start >= LongRun)
            {
                ordered ??= new StringBuilder(text.Length);
                ordered.Append(text, copied, start - copied);
                AppendOrdered(ordered, text[start..end], form);
                copied = end;
            }

            start = Math.Max(end, start + 1);
        }

        return ordered is null ? text : ordered.Append(text, copied, text.Length - copied).ToString();
    }

    private static int EndOfMarks(string text, int start)
    {
        while (start < text.Length && text[start] >= '\u0300' && Rune.TryGetRuneAt(text, start, out var rune) && IsMark(rune)) start += rune.Utf16SequenceLength;
        return start;
    }

    // The two half-wide marks of Japanese count as letters, and become marks in some forms.
    private static bool IsMark(Rune rune) =>
        rune.Value is 0xFF9E or 0xFF9F || Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark;

    private static void AppendOrdered(StringBuilder ordered, string marks, NormalizationForm form)
    {
        var decomposition = form is NormalizationForm.FormKC or NormalizationForm.FormKD ? NormalizationForm.FormKD : NormalizationForm.FormD;
        var waiting = new List<(Rune Mark, int Rank)>();
        foreach (var rune in marks.EnumerateRunes())
        {
            foreach (var part in rune.ToString().Normalize(decomposition).EnumerateRunes())
            {
                var rank = s_ranks.GetOrAdd(part.Value, static value => FindRank(new Rune(value).ToString()));
                if (rank == 0) Release(ordered, waiting);
                waiting.Add((part, rank));
                if (rank == 0) Release(ordered, waiting);
            }
        }

        Release(ordered, waiting);
    }

    // Sorting keeps the order of equals.
    private static void Release(StringBuilder ordered, List<(Rune Mark, int Rank)> waiting)
    {
        foreach (var (mark, _) in waiting.OrderBy(mark => mark.Rank)) ordered.Append(mark.ToString());
        waiting.Clear();
    }

    /// <summary>The place of a mark's combining class among all classes; 0 for what no mark moves past.</summary>
    private static int FindRank(string mark)
    {
        if (mark == Last) return s_probes.Length + 1;
        if (!AreSwapped(Last, mark)) return 0;
        var (low, high) = (0, s_probes.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (AreSwapped(mark, s_probes[middle])) low = middle + 1;
            else high = middle;
        }

        return low + 1;
    }

    private static bool AreSwapped(string first, string second) => first != second && (first + second).Normalize(NormalizationForm.FormD) == second + first;
}
