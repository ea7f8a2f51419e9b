using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Migration;

/// <summary>A tail's tokens in the space of the head, fitted over states that count differently.</summary>
public sealed class EffectiveRowsTests : IDisposable
{
    private const int HiddenSize = 6, Counted = 20, Ignored = 30;

    private readonly TemporaryFolder _folder = new();
    private readonly Random _random = new(4);

    public void Dispose() => _folder.Dispose();

    // States without weight are as good as none, whatever their log-sum-exp.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void StatesWithoutWeight_ChangeNoRow(bool withOffsets)
    {
        using var source = new SoftmaxWeights(SoftmaxLayout.Create(HiddenSize, 12, [3, 7], [3, 2]));
        foreach (var parameter in source.Parameters) parameter.Set([.. Draw(parameter.Values.Length)]);
        float[][] states = [.. Enumerable.Range(0, Counted + Ignored).Select(_ => Draw(HiddenSize))];
        double[][] normalisers = [.. source.Tails.Select(_ => states.Select(_ => 3 * _random.NextDouble()).ToArray())];
        double[] weights = [.. states.Select((_, i) => i < Counted ? 1.0 / Counted : 0)];
        var (all, counted) = (Read("all", states), Read("counted", states[..Counted]));

        // Each tail has weights of its own: the second one counts all states alike.
        var actual = new EffectiveRows(source, all, normalisers, withOffsets, [weights, null]);
        var first = new EffectiveRows(source, counted, [.. normalisers.Select(values => values[..Counted])], withOffsets, new double[2][]);
        var second = new EffectiveRows(source, all, normalisers, withOffsets, new double[2][]);
        var (row, expected) = (new double[HiddenSize], new double[HiddenSize]);
        for (var slot = 0; slot < 12; slot++)
        {
            var offset = (slot < 7 ? first : second).Get(slot, expected);
            Assert.Equal(offset, actual.Get(slot, row), 1e-9);
            for (var i = 0; i < row.Length; i++) Assert.Equal(expected[i], row[i], 1e-9);
        }
    }

    private float[] Draw(int length) => [.. Enumerable.Range(0, length).Select(_ => (float)((2 * _random.NextDouble()) - 1))];

    private FitStates Read(string name, float[][] rows)
    {
        StatesWriter.Write(_folder[name], HiddenSize, writer =>
        {
            foreach (var row in rows) writer.Add(row, [0]);
        }, cancellationToken: TestContext.Current.CancellationToken);
        using var file = StatesFile.Open(_folder[name]);
        return FitStates.Read(WorkerPool.Get(2), file, rows.Length, isLeftOut: null, TestContext.Current.CancellationToken);
    }
}
