using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Migration;

/// <summary>States that weights and counts tell of, where these are as the assumption has it.</summary>
public sealed class InventedStatesTests
{
    private const int Size = 6, Tokens = 900;

    // What the fitted variance is multiplied by.
    private const double Factor = 1.5;

    // Counts are exp(row · common + variance / 2 · |row|²), as they are where the states before a token lie about common + variance · row.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void StatesOfAHead_LieWhereItsRowsAndCountsSay(bool withBias)
    {
        const double Variance = 0.3;
        var random = new Random(5);
        using var source = new SoftmaxWeights(SoftmaxLayout.CreateFull(Size, Tokens, withBias));
        double[] common = [.. Enumerable.Range(0, Size).Select(_ => random.NextDouble() - 0.5)];
        double[][] rows = [.. Enumerable.Range(0, Tokens).Select(_ => Enumerable.Range(0, Size).Select(_ => (double)(float)((3 * random.NextDouble()) - 1.5)).ToArray())];
        double[] biases = [.. rows.Select(_ => withBias ? (double)(float)(2 * random.NextDouble()) : 0)];
        double[] counts = [.. rows.Select((row, i) => 50 * Math.Exp(biases[i] + Dot(row, common) + (Variance / 2 * Dot(row, row))))];
        source.Head.Weight.Set([.. rows.SelectMany(row => row).Select(value => (float)value)]);
        if (withBias) source.Head.Bias!.Set([.. biases.Select(value => (float)value)]);
        var states = InventedStates.Draw(WorkerPool.Get(2), source, counts, 16_384);
        Assert.Equal(4_096 * Size, states.Length);

        var (total, spread) = (counts.Sum(), Factor * Variance);
        var shift = Enumerable.Range(0, Size).Select(j => rows.Select((row, i) => counts[i] / total * row[j]).Sum()).ToArray();
        for (var j = 0; j < Size; j++)
        {
            for (var k = 0; k <= j; k++)
            {
                var (first, second) = (j, k);
                var between = rows.Select((row, i) => counts[i] / total * (row[first] - shift[first]) * (row[second] - shift[second])).Sum();
                Assert.Equal((spread * spread * between) + (j == k ? spread : 0), Mean(i => (At(i, first) - MeanOf(first)) * (At(i, second) - MeanOf(second))), 0.06);
            }

            Assert.Equal(common[j] + (spread * shift[j]), MeanOf(j), 0.06);
        }

        double At(int state, int component) => states[(state * Size) + component];
        double MeanOf(int component) => Mean(i => At(i, component));
        double Mean(Func<int, double> valueOf) => Enumerable.Range(0, 4_096).Average(valueOf);
    }

    // The same, where tokens stand in a tail: their rows are the gate's and their own, about the mean of the tail's by count.
    [Fact]
    public void StatesOfATail_LieAboutItsGate()
    {
        var random = new Random(6);
        using var source = new SoftmaxWeights(SoftmaxLayout.Create(Size, 402, [400], [2]));
        foreach (var parameter in source.Parameters) parameter.Set([.. Enumerable.Range(0, parameter.Values.Length).Select(_ => (2 * random.NextSingle()) - 1)]);
        double[] counts = [.. Enumerable.Range(0, 400).Select(slot => 20.0 + slot), 3e9, 1e9];
        var states = InventedStates.Draw(WorkerPool.Get(1), source, counts, 4_000);

        // Nearly all states stand before the two tokens, so that the mean is that of the head's, and the gate's row times the variance.
        var (moved, outputs) = (source.Head.Weight.Values.ToArray(), source.Tails[0].Output.Values.ToArray());
        source.Head.Weight.EditRow(400, row => row.Clear());
        var without = InventedStates.Draw(WorkerPool.Get(1), source, counts, 4_000);
        var shift = Enumerable.Range(0, Size).Select(j => Enumerable.Range(0, 4_000).Average(i => (double)states[(i * Size) + j] - without[(i * Size) + j])).ToArray();
        var gate = moved[(400 * Size)..(401 * Size)];
        var variance = shift[0] / gate[0];
        Assert.True(variance > 0);
        for (var j = 0; j < Size; j++) Assert.Equal(variance * gate[j], shift[j], 0.02 * variance);

        // A quarter of them are of the second token, which is three quarters of the difference of rows away from the mean, the others a quarter.
        source.Tails[0].Output.Edit(values => values.Clear());
        var centred = InventedStates.Draw(WorkerPool.Get(1), source, counts, 4_000);
        var second = 0;
        for (var i = 0; i < 4_000; i++)
        {
            var way = Enumerable.Range(0, Size).Sum(j => (double)(without[(i * Size) + j] - centred[(i * Size) + j]) * Difference(j)) / (variance * Enumerable.Range(0, Size).Sum(j => Difference(j) * Difference(j)));
            if (way > 0.5) second++;
            Assert.True(Math.Abs(way - 0.75) < 1e-3 || Math.Abs(way + 0.25) < 1e-3 || Math.Abs(way) < 1e-3, $"{way}");
        }

        Assert.InRange(second, 850, 1_150);
        double Difference(int j) => Enumerable.Range(0, 2).Sum(k => (double)outputs[2 + k] * source.Tails[0].Projection.Row(k)[j]) - Enumerable.Range(0, 2).Sum(k => (double)outputs[k] * source.Tails[0].Projection.Row(k)[j]);
    }

    [Fact]
    public void WithoutCounts_SlotsAreRanks()
    {
        using var source = new SoftmaxWeights(SoftmaxLayout.CreateFull(Size, 60));
        source.Head.Weight.EditRow(0, row => row.Fill(4));
        source.Head.Weight.EditRow(59, row => row.Fill(-4));
        var states = InventedStates.Draw(WorkerPool.Get(1), source, new double[60], 500);
        Assert.True(states.Average() > 0, $"{states.Average()}");
    }

    private static double Dot(double[] left, double[] right) => left.Zip(right, (a, b) => a * b).Sum();
}
