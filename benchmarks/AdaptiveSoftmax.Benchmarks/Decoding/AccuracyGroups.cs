using System.Globalization;
using AdaptiveSoftmax.Vocabulary;
using Spectre.Console;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>What small weights cost by cluster, and by tenths of the occurrences: averages hide rare tokens.</summary>
/// <param name="float32">What all are compared with.</param>
/// <param name="hidden">The hidden vectors, [tokens, hidden].</param>
/// <param name="targets">The tokens that followed.</param>
internal sealed class AccuracyGroups(AdaptiveSoftmaxLayer float32, float[] hidden, int[] targets)
{
    private static readonly string s_table = Path.Combine("samples", "LanguageModel", "ApiDocs.tokens");

    private readonly TokenTable? _table = File.Exists(s_table) ? TokenTableReader.Read(s_table, File.ReadAllText(s_table)).Table : null;
    private readonly Table _clusters = NewTable("cluster").AddColumn(new TableColumn("MB").RightAligned());
    private readonly Table _tenths = NewTable("tenth of the occurrences");

    /// <summary>Judges weights.</summary>
    public void Add(string name, SoftmaxDecoder decoder, CancellationToken cancellation)
    {
        using var evaluation = new SoftmaxEvaluation(decoder, new EvaluationOptions { Table = _table, TimedTokens = 0 });
        using var agreement = new SoftmaxAgreement(float32, decoder, new AgreementOptions { FirstTable = _table, SecondTable = _table });
        evaluation.Add(hidden, targets, cancellationToken: cancellation);
        agreement.Add(hidden, targets, cancellationToken: cancellation);
        var (figures, differences) = (evaluation.ToReport(cancellation), agreement.ToReport(cancellation));
        var bytes = BytesByCluster(decoder);
        for (var i = 0; i < figures.Clusters.Count; i++)
            _clusters.AddRow([.. Cells(name, figures.Clusters[i], differences.Clusters[i]), (bytes[i] / 1e6).ToString("F2", CultureInfo.InvariantCulture)]);
        for (var i = 0; i < figures.Deciles.Count; i++) _tenths.AddRow(Cells(name, figures.Deciles[i], differences.Deciles[i]));
    }

    public void Write(IAnsiConsole console)
    {
        console.Write(_clusters);
        console.Write(_tenths);
    }

    private static Table NewTable(string group) => new Table().Border(TableBorder.Markdown).AddColumn("weights").AddColumn(group)
        .AddColumn(new TableColumn("targets").RightAligned())
        .AddColumn(new TableColumn("perplexity").RightAligned())
        .AddColumn(new TableColumn("same best token").RightAligned())
        .AddColumn(new TableColumn("log-prob off by").RightAligned());

    private static string[] Cells(string name, EvaluationFigures figures, AgreementFigures differences) =>
    [
        name,
        figures.Name,
        figures.Tokens.ToString("N0", CultureInfo.InvariantCulture),
        figures.Perplexity.ToString(figures.Perplexity < 1000 ? "F3" : "F0", CultureInfo.InvariantCulture),
        string.Create(CultureInfo.InvariantCulture, $"{100 * differences.Top1Agreement:F2} %"),
        differences.AbsoluteDifference.ToString("F5", CultureInfo.InvariantCulture),
    ];

    private long[] BytesByCluster(SoftmaxDecoder decoder)
    {
        if (decoder is QuantizedSoftmax) return [.. decoder.DecodingTails.Prepend(decoder.DecodingHead).Select(cluster => ((QuantizedCluster)cluster).Bytes)];
        var layout = float32.Layout;
        return
        [
            ((long)layout.HeadRows * layout.HiddenSize * sizeof(float)) + (layout.HasHeadBias ? layout.HeadRows * sizeof(float) : 0),
            .. layout.Tails.Select(tail => ((long)tail.ProjectionWidth * (layout.HiddenSize + (long)tail.Size)) * sizeof(float)),
        ];
    }
}
