using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Migration;

/// <summary>Input embeddings with tables of their own: what tokens keep of theirs, in double precision.</summary>
public sealed class InputEmbeddingsTests : IDisposable
{
    private const int Embedding = 6;
    private const string Prefix = "decoder.embed_tokens.";

    private readonly TemporaryFolder _folder = new();
    private readonly SoftmaxDefinition _from = ToyVocabulary.Create(ToyVocabulary.Tokens(Enumerable.Range(0, 20)), [4, 12], [3, 2]);
    private readonly List<Parameter> _embeddings = [];

    public InputEmbeddingsTests()
    {
        var random = new Random(4);
        int[] sizes = [4, 8, 8], widths = [Embedding, 3, 2];
        for (var band = 0; band < 3; band++)
        {
            foreach (var (part, rows) in new[] { (0, sizes[band]), (1, Embedding) })
            {
                var parameter = new Parameter($"{Prefix}embeddings.{band}.{part}.weight", rows, widths[band]);
                parameter.Set([.. Enumerable.Range(0, rows * widths[band]).Select(_ => (float)((2 * random.NextDouble()) - 1))]);
                _embeddings.Add(parameter);
            }
        }

        using var model = ToyVocabulary.CreateModel(_from);
        using var optimizer = new Adagrad(0.1);
        foreach (var parameter in _embeddings) parameter.TouchGradient().Fill(1);
        optimizer.Step(_embeddings);
        ToyVocabulary.Save(_folder["old"], model, _from, _embeddings, optimizer);
    }

    public void Dispose()
    {
        foreach (var parameter in _embeddings) parameter.Dispose();
        _folder.Dispose();
    }

    // Token 4 and 13 come into the shortlist, 3 and 12 stand in one tail with others of the first; the last tail stays.
    [Fact]
    public void Tokens_KeepTheirEmbedding_AndBandsThatStayTheirBits()
    {
        var to = ToyVocabulary.Create(ToyVocabulary.Tokens([0, 1, 2, 4, 13, 12, 3, 5, 6, 7, 8, 9, 10, 11, .. Enumerable.Range(14, 6)]), [5, 14], [6, 2]);
        var (tables, projections) = Migrate(to);
        for (var slot = 0; slot < 3; slot++) Assert.Equal(_embeddings[0].Row(slot).ToArray(), tables[0].Row(slot));
        Assert.Equal(_embeddings[1].Values.ToArray(), projections[0].Values);
        Assert.Equal(_embeddings[5].Values.ToArray(), projections[2].Values);
        for (var row = 0; row < 6; row++) Assert.Equal(_embeddings[4].Row(row + 2).ToArray(), tables[2].Row(row));
        AssertEmbeddings(to, tables, projections, 1e-4);
        using var file = WeightsFile.Open(_folder["new"]);
        Assert.False(file.TryGetTensor($"{Prefix}embeddings.3.0.weight", out _));
        Assert.All(Read(file, $"optimizer.{Prefix}embeddings.2.0.weight.sum").Values, value => Assert.Equal(1, value));
        Assert.Equal([1, 1, 1, 0, 0], Read(file, $"optimizer.{Prefix}embeddings.0.0.weight.sum").Values.Chunk(Embedding).Select(row => row[0]));
        Assert.All(Read(file, $"optimizer.{Prefix}embeddings.1.1.weight.sum").Values, value => Assert.Equal(0, value));
    }

    [Fact]
    public void AMixedBand_LosesLeast_CountedByTokens()
    {
        int[] order = [0, 1, 2, 11, 3, 12, 13, 5, 6, 14, 7, 8, 4, 9, 10, 15, 16, 17, 18, 19];
        var to = ToyVocabulary.Create(ToyVocabulary.Tokens(order), [4, 12], [3, 2]);
        var (tables, projections) = Migrate(to);
        double[][] wanted = [.. order[4..12].Select(Effective)];
        double[] weights = [.. Enumerable.Range(4, 8).Select(slot => to.Table.GetCount(slot) + 1.0)];
        var loss = Enumerable.Range(0, 8).Sum(row => weights[row] * Distance(wanted[row], Product(tables[1].Row(row), projections[1])));
        var random = new Random(2);
        for (var i = 0; i < 200; i++)
        {
            var moved = projections[1] with { Values = [.. projections[1].Values.Select(value => value + (float)((random.NextDouble() - 0.5) * (i % 2 == 0 ? 0.02 : 2)))] };
            Assert.True(Enumerable.Range(0, 8).Sum(row => weights[row] * DistanceFrom(wanted[row], moved)) >= loss - 1e-4);
        }

        Assert.True(loss > 0.01);
    }

    [Fact]
    public void FewerBands_AndNewTokens_LeaveNothingOfTheOldOnes()
    {
        var to = ToyVocabulary.Create(["t0", "t1", "t1t5", "t2", .. ToyVocabulary.Tokens(Enumerable.Range(3, 17))], [5], [6], idOf: token => token == "t1t5" ? 99 : int.Parse(token.AsSpan(1), System.Globalization.CultureInfo.InvariantCulture));
        var (tables, projections) = Migrate(to);
        var mean = Effective(1).Zip(Effective(5), (a, b) => (a + b) / 2).ToArray();
        Assert.Equal(0, Distance(mean, Product(tables[0].Row(2), projections[0])), 1e-6);
        Assert.Equal(2, tables.Length);
        using var file = WeightsFile.Open(_folder["new"]);
        Assert.DoesNotContain(file.Tensors, tensor => tensor.Name.Contains("embeddings.2.", StringComparison.Ordinal));
    }

    private (Matrix[] Tables, Matrix[] Projections) Migrate(SoftmaxDefinition to)
    {
        SoftmaxMigration.Migrate(_folder["old"], _from, to, _folder["new"], new MigrationOptions { Threads = 2 }, TestContext.Current.CancellationToken);
        using var file = WeightsFile.Open(_folder["new"]);
        int[] bands = [.. Enumerable.Range(0, to.Layout.TailCount + 1)];
        return ([.. bands.Select(band => Read(file, $"{Prefix}embeddings.{band}.0.weight"))], [.. bands.Select(band => Read(file, $"{Prefix}embeddings.{band}.1.weight"))]);
    }

    private void AssertEmbeddings(SoftmaxDefinition to, Matrix[] tables, Matrix[] projections, double tolerance)
    {
        for (var slot = 0; slot < to.Table.Count; slot++)
        {
            var band = to.Layout.ClusterOf(slot);
            var row = band == 0 ? slot : slot - to.Layout.Tails[band - 1].Start;
            Assert.Equal(0, Math.Sqrt(Distance(Effective(to.Table.GetId(slot)), Product(tables[band].Row(row), projections[band]))), tolerance);
        }
    }

    private double[] Effective(int slot)
    {
        var band = _from.Layout.ClusterOf(slot);
        var row = band == 0 ? slot : slot - _from.Layout.Tails[band - 1].Start;
        return Product(_embeddings[2 * band].Row(row).ToArray(), new Matrix(_embeddings[(2 * band) + 1].Columns, _embeddings[(2 * band) + 1].Values.ToArray()));
    }

    private static double[] Product(float[] row, Matrix projection) =>
        [.. Enumerable.Range(0, Embedding).Select(i => projection.Row(i).Zip(row, (a, b) => (double)a * b).Sum())];

    private static double Distance(double[] a, double[] b) => a.Zip(b, (x, y) => (x - y) * (x - y)).Sum();

    // From the nearest vector that a projection's columns span, by orthogonalising them.
    private static double DistanceFrom(double[] vector, Matrix projection)
    {
        var (rest, axes) = ((double[])vector.Clone(), new List<double[]>());
        for (var k = 0; k < projection.Columns; k++)
        {
            double[] column = [.. Enumerable.Range(0, Embedding).Select(i => (double)projection.Row(i)[k])];
            foreach (var axis in axes) column = Without(column, axis);
            var length = Math.Sqrt(column.Sum(value => value * value));
            axes.Add([.. column.Select(value => value / length)]);
            rest = Without(rest, axes[^1]);
        }

        return rest.Sum(value => value * value);

        static double[] Without(double[] from, double[] axis)
        {
            var along = from.Zip(axis, (a, b) => a * b).Sum();
            return [.. from.Zip(axis, (a, b) => a - (along * b))];
        }
    }

    private static Matrix Read(WeightsFile file, string name)
    {
        Assert.True(file.TryGetTensor(name, out var tensor), name);
        using var parameter = new Parameter(name, (int)tensor.Shape[0], (int)tensor.Shape[1]);
        file.Read(tensor, parameter);
        return new Matrix(parameter.Columns, parameter.Values.ToArray());
    }

    private sealed record Matrix(int Columns, float[] Values)
    {
        public float[] Row(int row) => Values[(row * Columns)..((row + 1) * Columns)];
    }
}
