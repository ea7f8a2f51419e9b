using AdaptiveSoftmax.Vocabulary;
using CsCheck;

namespace AdaptiveSoftmax.Tests;

public sealed class SoftmaxEvaluationTests
{
    [Fact]
    public void Figures_AreThoseOfTheDefinitionInFloat64_InEveryGroup() => EvaluationCase.Any.Sample(
        test =>
        {
            using var layer = test.CreateLayer();
            var table = test.CreateTable();
            var (hidden, slots, domains) = (test.Hidden(), test.Slots(), test.TokenDomains());
            using var evaluation = new SoftmaxEvaluation(layer, test.Options(table));
            evaluation.Add(hidden, [.. slots.Select(table.GetId)], domains, TestContext.Current.CancellationToken);
            var report = evaluation.ToReport(TestContext.Current.CancellationToken);

            var rows = Rows(layer, table, hidden, slots, test.TopK);
            Check(report.Whole, rows, _ => true);
            Assert.Equal(test.Layout.TailCount + 1, report.Clusters.Count);
            for (var cluster = 0; cluster < report.Clusters.Count; cluster++)
            {
                var wanted = cluster;
                Check(report.Clusters[cluster], rows, row => test.Layout.ClusterOf(slots[row]) == wanted);
            }

            CheckDeciles(report, rows, slots, table);
            for (var domain = 0; domain < report.Domains.Count; domain++)
            {
                var wanted = domain;
                Check(report.Domains[domain], rows, row => domains[row] == wanted);
            }

            Assert.Equal(EvaluationCase.Domains, report.Domains.Select(figures => figures.Name));
            Assert.Equal(0, report.Domains[2].Tokens);
            Assert.Equal(slots.Length, report.Calibration.Sum(bin => bin.Tokens));
            Assert.True(report.Whole.Microseconds > 0);
        },
        iter: 60);

    [Fact]
    public void APinnedTokenThatWasNeverCounted_LeavesTheTenthsToTheOthers()
    {
        var layout = SoftmaxLayout.Create(4, 12, [3], [2]);
        using var layer = new DynamicAdaptiveSoftmax(layout);
        var table = TokenTable.Create([.. Enumerable.Range(0, 12)], [0, 9, 8, 7, 6, 5, 4, 3, 2, 2, 1, 0], [.. Enumerable.Range(0, 12).Select(id => new[] { (byte)(65 + id) })], [0]);
        using var evaluation = new SoftmaxEvaluation(layer, new EvaluationOptions { Table = table });
        var report = evaluation.ToReport(TestContext.Current.CancellationToken);
        Assert.Equal("1", report.Deciles[0].Name);
        Assert.Equal("unseen", report.Deciles[^1].Name);
        Assert.InRange(report.Deciles.Count, 6, 11);
        Assert.Equal(1, report.Deciles[^1].Slots);
    }

    [Fact]
    public void Report_IsTheSameForAnyThreads_AndAnyBlocks() => EvaluationCase.Any.Sample(
        test =>
        {
            var (hidden, slots) = (test.Hidden(), test.Slots());
            var first = Evaluate(test, threads: 1, block: slots.Length, hidden, slots);
            var second = Evaluate(test, threads: 3, block: 7, hidden, slots);
            Assert.Equal(Texts(first), Texts(second));
        },
        iter: 20);

    [Fact]
    public void SmallAndCertifiedWeights_AreJudgedByTheSameCalls()
    {
        var test = new EvaluationCase(SoftmaxLayout.Create(64, 400, [60, 150], [16, 8]), 300, 5, 3, HasUnseen: false);
        var (hidden, slots) = (test.Hidden(), test.Slots());
        using var layer = test.CreateLayer();
        using var certified = layer.Certify();
        using var small = layer.Quantize(new QuantizationOptions { Head = WeightPrecision.Int8 });
        var (exact, same, near) = (Evaluate(layer), Evaluate(certified), Evaluate(small));
        Assert.Equal(Texts(exact), Texts(same));
        Assert.NotEqual(exact.Whole.Loss, near.Whole.Loss);
        Assert.InRange(near.Whole.Loss / exact.Whole.Loss, 0.9, 1.1);

        EvaluationReport Evaluate(SoftmaxDecoder softmax)
        {
            using var evaluation = new SoftmaxEvaluation(softmax, test.Options(table: null));
            evaluation.Add(hidden, slots, test.TokenDomains(), TestContext.Current.CancellationToken);
            return evaluation.ToReport(TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public void WhatDoesNotFit_IsRefused_AndCountsForNothing()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(8, 30, [10]));
        using var evaluation = new SoftmaxEvaluation(layer, new EvaluationOptions { Domains = ["a"] });
        var token = TestContext.Current.CancellationToken;
        Assert.Contains("no token id", Assert.Throws<ArgumentException>(() => evaluation.Add(new float[16], [1, 30], [], token)).Message, StringComparison.Ordinal);
        Assert.Contains("hidden size 8", Assert.Throws<ArgumentException>(() => evaluation.Add(new float[15], [1, 2], [], token)).Message, StringComparison.Ordinal);
        Assert.Contains("domain 1", Assert.Throws<ArgumentException>(() => evaluation.Add(new float[8], [1], [1], token)).Message, StringComparison.Ordinal);
        Assert.Contains("index 3", Assert.Throws<DecodeException>(() => evaluation.Add([0, 0, 0, float.NaN, 0, 0, 0, 0], [1], [], token)).Message, StringComparison.Ordinal);
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        Assert.Throws<OperationCanceledException>(() => evaluation.Add(new float[8], [1], [], stop.Token));
        var report = evaluation.ToReport(TestContext.Current.CancellationToken);
        Assert.Equal(0, report.Whole.Tokens);
        Assert.True(double.IsNaN(report.Whole.Perplexity));

        Assert.Throws<ArgumentException>(() => new SoftmaxEvaluation(layer, new EvaluationOptions { TopK = 31 }));
        Assert.Throws<ArgumentException>(() => new SoftmaxEvaluation(layer, new EvaluationOptions { TopK = 0 }));
        Assert.Throws<ArgumentException>(() => new SoftmaxEvaluation(layer, new EvaluationOptions { CalibrationBins = 0 }));
        Assert.Throws<ArgumentException>(() => new SoftmaxEvaluation(layer, new EvaluationOptions { Table = DriftTables.Zipf(29) }));
    }

    private static EvaluationReport Evaluate(EvaluationCase test, int threads, int block, float[] hidden, int[] slots)
    {
        using var layer = test.CreateLayer(threads);
        var table = test.CreateTable();
        using var evaluation = new SoftmaxEvaluation(layer, test.Options(table));
        var size = test.Layout.HiddenSize;
        for (var first = 0; first < slots.Length; first += block)
        {
            var rows = Math.Min(block, slots.Length - first);
            evaluation.Add(hidden.AsSpan(first * size, rows * size), [.. slots.AsSpan(first, rows).ToArray().Select(table.GetId)], test.TokenDomains().AsSpan(first, rows), TestContext.Current.CancellationToken);
        }

        return evaluation.ToReport(TestContext.Current.CancellationToken);
    }

    // Everything but times, to the bit.
    private static string[] Texts(EvaluationReport report) =>
    [
        .. report.Clusters.Concat(report.Deciles).Concat(report.Domains).Prepend(report.Whole).Select(figures => (figures with { Microseconds = 0 }).ToString()),
        .. report.Calibration.Select(bin => bin.ToString()),
    ];

    // A tenth ends where the counts so far reach another tenth of all.
    private static void CheckDeciles(EvaluationReport report, Row[] rows, int[] slots, TokenTable table)
    {
        double[] counts = [.. table.Counts.ToArray().Select(count => (double)count)];
        Assert.Equal(table.Count, report.Deciles.Sum(figures => figures.Slots));
        foreach (var figures in report.Deciles)
        {
            var (first, end) = (figures.FirstSlot, figures.FirstSlot + figures.Slots);
            Check(figures, rows, row => slots[row] >= first && slots[row] < end);
            Assert.Equal(counts[first] == 0, figures.Name == "unseen");
            if (counts[first] == 0) continue;
            Assert.True(Math.Floor(counts[..(end - 1)].Sum() / counts.Sum() * 10) <= Math.Floor(counts[..first].Sum() / counts.Sum() * 10) + 1e-9);
        }
    }

    private static void Check(EvaluationFigures figures, Row[] rows, Func<int, bool> belongs)
    {
        Row[] members = [.. rows.Where((_, row) => belongs(row))];
        Assert.Equal(members.Length, figures.Tokens);
        Assert.Equal(members.Sum(row => (long)row.Bytes), figures.Bytes);
        if (members.Length == 0)
        {
            Assert.All([figures.Loss, figures.Perplexity, figures.BitsPerByte, figures.Accuracy, figures.TopKAccuracy, figures.CalibrationError, figures.TailsVisited, figures.Microseconds], value => Assert.True(double.IsNaN(value)));
            return;
        }

        var loss = -members.Average(row => row.LogProb);
        Assert.Equal(loss, figures.Loss, 1e-4 * (1 + loss));
        Assert.Equal(Math.Exp(loss), figures.Perplexity, 1e-3 * Math.Exp(loss) * (1 + loss));
        Assert.Equal(-members.Sum(row => row.LogProb) / Math.Log(2) / members.Sum(row => row.Bytes), figures.BitsPerByte, 1e-4 * (1 + loss));
        // What is as good as tied may fall on either side in float32.
        var open = members.Count(row => row.IsOpen);
        Assert.InRange(figures.Accuracy * members.Length, members.Count(row => row.IsBest) - open - 0.1, members.Count(row => row.IsBest) + open + 0.1);
        Assert.InRange(figures.TopKAccuracy * members.Length, members.Count(row => row.IsAmongTop) - open - 0.1, members.Count(row => row.IsAmongTop) + open + 0.1);
        if (open > 0) return;
        Assert.Equal(members.Average(row => row.TailsVisited), figures.TailsVisited, 1e-9);
        var error = members.GroupBy(row => (int)Math.Ceiling(row.Confidence * EvaluationCase.Bins)).Sum(bin => Math.Abs(bin.Sum(row => (row.IsBest ? 1 : 0) - row.Confidence)));
        Assert.Equal(error / members.Length, figures.CalibrationError, 1e-4);
    }

    private static Row[] Rows(DynamicAdaptiveSoftmax layer, TokenTable table, float[] hidden, int[] slots, int k)
    {
        var reference = new ReferenceSoftmax(layer);
        var layout = layer.Layout;
        return [.. slots.Select((slot, row) =>
        {
            var logProbs = reference.LogProb([.. hidden.AsSpan(row * layout.HiddenSize, layout.HiddenSize).ToArray().Select(value => (double)value)]);
            double[] sorted = [.. logProbs.OrderDescending()];
            // A cluster's own log-prob is that of all its tokens together.
            double[] clusters = [.. layout.Tails.Select(tail => Math.Log(logProbs.AsSpan(tail.Start, tail.Size).ToArray().Sum(Math.Exp)))];
            var best = logProbs[..layout.ShortlistSize].Max();
            var (visited, isOpen) = (0, false);
            foreach (var (tail, bound) in clusters.Index().OrderByDescending(cluster => cluster.Item))
            {
                isOpen |= Math.Abs(bound - best) < 1e-3;
                if (bound < best) break;
                visited++;
                best = Math.Max(best, logProbs.AsSpan(layout.Tails[tail].Start, layout.Tails[tail].Size).ToArray().Max());
            }

            isOpen |= new[] { 1, k }.Any(rank => rank < sorted.Length && sorted[rank - 1] - sorted[rank] < 1e-3);
            var confidence = Math.Exp(sorted[0]);
            isOpen |= Math.Abs((confidence * EvaluationCase.Bins) - Math.Round(confidence * EvaluationCase.Bins)) < 1e-3;
            return new Row(logProbs[slot], confidence, logProbs[slot] >= sorted[0], logProbs[slot] >= sorted[k - 1], visited, table.GetToken(slot).Length, isOpen);
        })];
    }

    private sealed record Row(double LogProb, double Confidence, bool IsBest, bool IsAmongTop, int TailsVisited, int Bytes, bool IsOpen);
}
