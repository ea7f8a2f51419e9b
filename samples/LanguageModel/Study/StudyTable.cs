using System.Globalization;
using Spectre.Console;

namespace LanguageModelSample;

/// <summary>The study's figures: the mean over seeds at the best rate, and the smallest and greatest.</summary>
internal static class StudyTable
{
    private static readonly string[] s_clusters = ["shortlist", "first tail", "second tail"];

    /// <summary>The rate with the least perplexity over the text that rates are chosen by, with the first seed.</summary>
    public static double BestRate(IEnumerable<StudyFigures> figures, string variant) =>
        figures.Where(run => run.Variant == variant && run.Seed == 1).MinBy(run => run.ValidationPerplexity)!.Rate;

    public static void Write(IAnsiConsole console, IReadOnlyList<StudyVariant> variants, IReadOnlyList<StudyFigures> figures)
    {
        var columns = variants.Select(variant =>
        {
            var rate = BestRate(figures, variant.Name);
            return figures.Where(run => run.Variant == variant.Name && run.Rate == rate).ToArray();
        }).ToArray();
        var table = new Table().Border(TableBorder.Rounded).AddColumn("");
        foreach (var variant in variants) table.AddColumn(new TableColumn(variant.Name).RightAligned());

        Add("peak learning rate", "0.##", run => run.Rate);
        Add("seeds", "N0", _ => double.NaN, column => column.Length.ToString(CultureInfo.InvariantCulture));
        Add("held-out perplexity", "N2", run => run.Perplexity);
        foreach (var (cluster, name) in s_clusters.Index()) Add($"  targets of the {name}", "N2", run => run.PerplexityByCluster[cluster]);
        for (var i = 0; i < columns[0][0].PerplexityByDecile.Count; i++)
        {
            var decile = i;
            Add($"  tenth {decile + 1} of the occurrences", "N2", run => run.PerplexityByDecile[decile]);
        }

        Add("accuracy", "P1", run => run.Accuracy);
        Add("accuracy outside the shortlist", "P1", run => run.TailAccuracy);
        for (var i = 0; i < 3; i++)
        {
            var length = i;
            Add($"distinct-{length + 1} of written text", "N3", run => run.Distinct[length]);
        }

        Add("repeated 4-grams of written text", "P1", run => run.Repetition);
        Add("processor time of a step, ms", "N0", run => run.StepProcessorMilliseconds);
        Add("median step, ms", "N0", run => run.StepMilliseconds);
        Add("median greedy decoding, µs", "N0", run => run.DecodeMicroseconds);
        Add("training, s", "N0", run => run.Seconds);
        console.Write(table);

        void Add(string name, string format, Func<StudyFigures, double> value, Func<StudyFigures[], string>? text = null) =>
            table.AddRow([name, .. columns.Select(column => text?.Invoke(column) ?? Describe([.. column.Select(value)], format))]);
    }

    private static string Describe(double[] values, string format)
    {
        var mean = values.Average().ToString(format, CultureInfo.InvariantCulture);
        var (least, most) = (values.Min().ToString(format, CultureInfo.InvariantCulture), values.Max().ToString(format, CultureInfo.InvariantCulture));
        return least == most ? mean : $"{mean} ({least}..{most})";
    }
}
