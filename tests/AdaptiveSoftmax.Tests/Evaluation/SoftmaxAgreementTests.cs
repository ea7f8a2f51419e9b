using System.Globalization;
using System.Text;
using AdaptiveSoftmax.Vocabulary;
using CsCheck;

namespace AdaptiveSoftmax.Tests;

public sealed class SoftmaxAgreementTests
{
    [Fact]
    public void Figures_AreThoseOfTheDefinitionInFloat64() => EvaluationCase.Any.Sample(
        test =>
        {
            using var first = test.CreateLayer();
            using var second = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(test.Layout.HiddenSize, test.Layout.VocabularySize, [1], [3]), (ulong)test.Seed + 1);
            var (hidden, slots, domains) = (test.Hidden(), test.Slots(), test.TokenDomains());
            var (firstTable, secondTable) = (test.CreateTable(), Reversed(test.Layout.VocabularySize));
            using var agreement = new SoftmaxAgreement(first, second, new AgreementOptions { FirstTable = firstTable, SecondTable = secondTable, Domains = EvaluationCase.Domains });
            agreement.Add(hidden, [.. slots.Select(firstTable.GetId)], domains, TestContext.Current.CancellationToken);
            var report = agreement.ToReport(TestContext.Current.CancellationToken);

            var (a, b) = (new ReferenceSoftmax(first), new ReferenceSoftmax(second));
            var rows = slots.Select((slot, row) =>
            {
                double[] vector = [.. hidden.AsSpan(row * test.Layout.HiddenSize, test.Layout.HiddenSize).ToArray().Select(value => (double)value)];
                var p = a.LogProb(vector);
                // In the first one's order of slots; the second's table turns the ids around.
                var other = b.LogProb(vector);
                double[] q = [.. Enumerable.Range(0, p.Length).Select(i => other[((firstTable.GetId(i) - 5) / 2) - 1])];
                var isOpen = new[] { p, q }.Any(logProbs => logProbs.OrderDescending().Take(2).ToArray() is [var best, var next] && best - next < 1e-3);
                return (Same: Array.IndexOf(p, p.Max()) == Array.IndexOf(q, q.Max()), Difference: q[slot] - p[slot], Divergence: p.Zip(q, (x, y) => Math.Exp(x) * (x - y)).Sum(), isOpen);
            }).ToArray();
            Assert.Equal(slots.Length, report.Whole.Tokens);
            Assert.InRange(report.Whole.Top1Agreement * slots.Length, rows.Count(row => row.Same) - rows.Count(row => row.isOpen) - 0.1, rows.Count(row => row.Same) + rows.Count(row => row.isOpen) + 0.1);
            Assert.Equal(rows.Average(row => row.Difference), report.Whole.LogProbDifference, 1e-3);
            Assert.Equal(rows.Average(row => Math.Abs(row.Difference)), report.Whole.AbsoluteDifference, 1e-3);
            Assert.Equal(rows.Average(row => row.Divergence), report.Whole.Divergence, 1e-3);
            Assert.Equal(slots.Length, report.DivergenceTokens);
            var head = rows.Where((_, row) => slots[row] < test.Layout.ShortlistSize).ToArray();
            Assert.Equal(head.Length, report.Clusters[0].Tokens);
            if (head.Length > 0) Assert.Equal(head.Average(row => row.Difference), report.Clusters[0].LogProbDifference, 1e-3);
            Assert.Equal(slots.Length, report.Domains.Sum(figures => figures.Tokens));
            Assert.Equal(slots.Length, report.Deciles.Sum(figures => figures.Tokens));
        },
        iter: 30);

    [Fact]
    public void OtherVocabularies_HaveNoDivergence_AndWhatOneLacksIsRefused()
    {
        using var first = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(4, 10));
        using var second = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(4, 9));
        using var agreement = new SoftmaxAgreement(first, second);
        agreement.Add([1, 2, 3, 4], [8], cancellationToken: TestContext.Current.CancellationToken);
        Assert.Throws<ArgumentException>(() => agreement.Add([1, 2, 3, 4], [9], [], TestContext.Current.CancellationToken));
        Assert.Throws<ArgumentException>(() => agreement.Add([1, 2, 3, 4], [8], [0], TestContext.Current.CancellationToken));
        var report = agreement.ToReport(TestContext.Current.CancellationToken);
        Assert.Equal((1L, 0, true), (report.Whole.Tokens, report.DivergenceTokens, double.IsNaN(report.Whole.Divergence)));
        using var wider = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(5, 10));
        Assert.Throws<ArgumentException>(() => new SoftmaxAgreement(first, wider));
    }

    [Fact]
    public void SpreadRows_AreEvenlySpread_AndNeverTooMany()
    {
        for (var rows = 0; rows < 70; rows++)
        {
            var spread = new SpreadRows<int>(capacity: 8, size: 1);
            for (var row = 0; row < rows; row++) spread.Add([row], row);
            int[] kept = [.. spread.Kept.Select(entry => entry.Tag)];
            Assert.Equal(kept, spread.Kept.Select(entry => (int)entry.Row[0]));
            Assert.True(kept.Length <= 8 && kept.Length >= Math.Min(rows, 4));
            Assert.Single(kept.Zip(kept.Skip(1), (one, next) => next - one).Append(kept.Length < 2 ? 1 : kept[1] - kept[0]).Distinct());
        }
    }

    // The ids of EvaluationCase's table in the opposite order.
    private static TokenTable Reversed(int size) => TokenTable.Create(
        [.. Enumerable.Range(0, size).Select(slot => 5 + (2 * (slot + 1)))],
        [.. Enumerable.Range(0, size).Select(slot => (long)(size - slot))],
        [.. Enumerable.Range(0, size).Select(slot => Encoding.ASCII.GetBytes(slot.ToString(CultureInfo.InvariantCulture)))]);
}
