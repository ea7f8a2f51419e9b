using AdaptiveSoftmax.Tests.Checkpoints;

namespace AdaptiveSoftmax.Tests.Migration;

/// <summary>Gates that share out the mass, against plain gradient descent on the divergence that they are to make least.</summary>
public sealed class GateFitTests : IDisposable
{
    private const int Size = 5, Count = 60;

    private readonly TemporaryFolder _folder = new();
    private readonly Random _random = new(12);

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Gates_HaveTheLeastDivergence(bool withOffsets)
    {
        float[][] hidden = [.. Enumerable.Range(0, Count).Select(_ => ToyVocabulary.CreateState(_random, Size))];
        var states = Read(hidden);
        double[] rest = Draw(1), restMass = Draw(2);
        double[][] masses = [Draw(3), Draw(3)];
        (double[] Vector, double Offset)[] starts = [.. masses.Select(_ => (Enumerable.Range(0, Size).Select(_ => _random.NextDouble() - 0.5).ToArray(), withOffsets ? 0.3 : 0))];
        var fitted = new GateFit(WorkerPool.Get(2), states, rest, restMass, masses, starts, withOffsets).Run(TestContext.Current.CancellationToken);

        // The ridge is that of the last step, at the solution: a share of the mean curvature times the states' mean square.
        var square = hidden.Sum(state => state.Sum(value => (double)value * value)) / (Count * Size);
        var best = Descend(starts);
        for (var gate = 0; gate < 2; gate++)
        {
            if (!withOffsets) Assert.Equal(0, fitted[gate].Offset);
            for (var j = 0; j < Size; j++) Assert.Equal(best[gate].Vector[j], fitted[gate].Vector[j], 0.02);
            Assert.Equal(best[gate].Offset, fitted[gate].Offset, 0.02);
        }

        Assert.InRange(Divergence(fitted), 0, Math.Min(Divergence(best) + 1e-4, Divergence(starts) - 0.01));

        (double[] Vector, double Offset)[] Descend((double[] Vector, double Offset)[] from)
        {
            (double[] Vector, double Offset)[] at = [.. from.Select(gate => ((double[])gate.Vector.Clone(), gate.Offset))];
            for (var step = 0; step < 60_000; step++)
            {
                double[][] gradients = [new double[Size + 1], new double[Size + 1]];
                double[] curvatures = [0, 0];
                for (var i = 0; i < Count; i++)
                {
                    var (wanted, given) = Shares(at, i);
                    for (var gate = 0; gate < 2; gate++)
                    {
                        var error = (given[gate + 1] - wanted[gate + 1]) / Count;
                        curvatures[gate] += given[gate + 1] * (1 - given[gate + 1]) / Count;
                        for (var j = 0; j < Size; j++) gradients[gate][j] += error * hidden[i][j];
                        gradients[gate][Size] += error;
                    }
                }

                for (var gate = 0; gate < 2; gate++)
                {
                    for (var j = 0; j < Size; j++) at[gate].Vector[j] -= gradients[gate][j] + (1e-3 * curvatures[gate] * square * (at[gate].Vector[j] - from[gate].Vector[j]));
                    if (withOffsets) at[gate].Offset -= gradients[gate][Size];
                }
            }

            return at;
        }

        double Divergence(IReadOnlyList<(double[] Vector, double Offset)> gates) => Enumerable.Range(0, Count).Average(i =>
        {
            var (wanted, given) = Shares(gates, i);
            return wanted.Zip(given, (p, q) => p * Math.Log(p / q)).Sum();
        });

        (double[] Wanted, double[] Given) Shares(IReadOnlyList<(double[] Vector, double Offset)> gates, int i) => (
            [.. ToyVocabulary.LogSoftmax([restMass[i], masses[0][i], masses[1][i]]).Select(Math.Exp)],
            [.. ToyVocabulary.LogSoftmax([rest[i], .. gates.Select(gate => gate.Offset + gate.Vector.Zip(hidden[i], (a, b) => a * b).Sum())]).Select(Math.Exp)]);

        double[] Draw(double spread) => [.. Enumerable.Range(0, Count).Select(_ => spread * _random.NextDouble())];
    }

    /// <summary>Three equal shares. What one gate takes moves the others, so that rounds go on while any of them gains.</summary>
    [Fact]
    public void GatesThatStartTooLow_AreFittedUntilNoneGains()
    {
        var states = Read([.. Enumerable.Range(0, Count).Select(_ => ToyVocabulary.CreateState(_random, Size))]);
        var zeros = new double[Count];
        (double[] Vector, double Offset)[] starts = [(new double[Size], -1), (new double[Size], -1)];
        var fitted = new GateFit(WorkerPool.Get(2), states, zeros, zeros, [zeros, zeros], starts, withOffsets: true).Run(TestContext.Current.CancellationToken);
        foreach (var (vector, offset) in fitted)
        {
            Assert.Equal(0, offset, 0.02);
            Assert.All(vector, value => Assert.Equal(0, value, 0.02));
        }
    }

    private FitStates Read(float[][] rows)
    {
        StatesWriter.Write(_folder["states"], Size, writer =>
        {
            foreach (var row in rows) writer.Add(row, [0]);
        }, cancellationToken: TestContext.Current.CancellationToken);
        using var file = StatesFile.Open(_folder["states"]);
        return FitStates.Read(WorkerPool.Get(2), file, rows.Length, isLeftOut: null, TestContext.Current.CancellationToken);
    }
}
