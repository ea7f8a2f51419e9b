namespace AdaptiveSoftmax;

/// <summary>
/// One module of adaptive input embeddings on its way to another layout. Each token has an effective embedding, its row times its
/// band's projection, and keeps it as far as the width of its new band holds it: bands whose members stood together keep their
/// rows and projection, the shortlist keeps its own and takes others up by its projection, and mixed bands are factored with the
/// least squared error, counted by how often the token is expected.
/// </summary>
internal sealed class InputBands
{
    private const double SolveRidge = 1e-10;
    private const double SmallestEigenvalue = 1e-13;
    private const ulong StartSeed = 2;

    private readonly WorkerPool _pool;
    private readonly TokenMap _map;
    private readonly (Parameter Table, Parameter Projection)[] _bands;
    private readonly bool _hasLayoutsWidths;

    /// <param name="pool">The threads.</param>
    /// <param name="map">Which token goes where.</param>
    /// <param name="bands">The source's tables, [size, width], and projections, [embedding, width].</param>
    public InputBands(WorkerPool pool, TokenMap map, (Parameter Table, Parameter Projection)[] bands)
    {
        (_pool, _map, _bands) = (pool, map, bands);
        _hasLayoutsWidths = map.From.Tails.All(tail => bands[tail.Cluster].Table.Columns == tail.ProjectionWidth);
    }

    /// <summary>Makes the target's bands.</summary>
    /// <param name="origins">Receives them.</param>
    /// <param name="prefix">What stands before their names.</param>
    /// <param name="counts">How often each token of the target is expected, by its slot.</param>
    /// <param name="splits">The parts of new tokens, by the target's slot.</param>
    public void AddTo(List<ParameterOrigin> origins, string prefix, double[] counts, Func<int, IReadOnlyList<(int Slot, double Weight)>> splits)
    {
        for (var band = 0; band <= _map.To.TailCount; band++)
        {
            var (start, size) = band == 0 ? (0, _map.To.ShortlistSize) : (_map.To.Tails[band - 1].Start, _map.To.Tails[band - 1].Size);
            var table = new Parameter(InputEmbeddings.TableOf(prefix, band), size, WidthOf(band));
            var projection = new Parameter(InputEmbeddings.ProjectionOf(prefix, band), _bands[0].Projection.Rows, table.Columns);
            var sources = _map.Sources.AsSpan(start, size).ToArray();
            int[] from = [.. sources.Select(slot => slot < 0 ? -1 : _map.From.ClusterOf(slot)).Distinct()];
            var only = band == 0 ? 0 : from is [>= 0] && _bands[from[0]].Table.Columns <= table.Columns ? from[0] : -1;
            if (only >= 0) Keep(only, sources, start, table, projection, splits);
            else Factor(sources, start, counts, splits, table, projection);

            // A row that has no meaning there comes from the first one's parameter, which then says nothing.
            var origin = _bands[Math.Max(only, 0)];
            origins.Add(new ParameterOrigin(table, origin.Table, [.. sources.Select(slot => only >= 0 && slot >= 0 && _map.From.ClusterOf(slot) == only ? RowOf(slot) : -1)]));
            origins.Add(new ParameterOrigin(projection, origin.Projection, [.. Enumerable.Range(0, projection.Rows).Select(row => only >= 0 ? row : -1)]));
        }
    }

    /// <summary>A token of the target as the source has it: its row times its projection, or the mean of its parts, [embedding].</summary>
    public double[] Embedding(int source, IReadOnlyList<(int Slot, double Weight)> parts)
    {
        var result = new double[_bands[0].Projection.Rows];
        if (source >= 0) AddEmbedding(result, 1, source);
        var weight = source >= 0 ? 0 : parts.Sum(part => part.Weight);
        for (var i = 0; i < parts.Count && weight > 0; i++) AddEmbedding(result, parts[i].Weight / weight, parts[i].Slot);
        return result;
    }

    private void AddEmbedding(double[] result, double factor, int slot)
    {
        var (table, projection) = _bands[_map.From.ClusterOf(slot)];
        var row = table.Row(RowOf(slot));
        for (var i = 0; i < result.Length; i++)
        {
            var weights = projection.Row(i);
            var sum = 0.0;
            for (var k = 0; k < row.Length; k++) sum += (double)weights[k] * row[k];
            result[i] += factor * sum;
        }
    }

    private int RowOf(int slot) => _map.From.ClusterOf(slot) is var cluster and > 0 ? slot - _map.From.Tails[cluster - 1].Start : slot;

    // Widths follow the softmax's where they did so before.
    private int WidthOf(int band) => band > 0 && _hasLayoutsWidths ? _map.To.Tails[band - 1].ProjectionWidth : _bands[Math.Min(band, _bands.Length - 1)].Table.Columns;

    private void Keep(int band, int[] sources, int start, Parameter table, Parameter projection, Func<int, IReadOnlyList<(int Slot, double Weight)>> splits)
    {
        var (old, oldProjection) = _bands[band];

        // Columns past the old width train from here: their rows are zero, and so only their projection may be something.
        UniformInitializer.Fill(_pool, projection, 1 / Math.Sqrt(projection.Rows), StartSeed, stream: (ulong)band);
        for (var i = 0; i < projection.Rows; i++) oldProjection.Row(i).CopyTo(projection.WritableRow(i));
        Cholesky? solver = null;
        for (var place = 0; place < sources.Length; place++)
        {
            var row = table.WritableRow(place);
            row.Clear();
            if (sources[place] >= 0 && _map.From.ClusterOf(sources[place]) == band)
            {
                old.Row(RowOf(sources[place])).CopyTo(row);
                continue;
            }

            solver ??= Cholesky.OfRidge(DoubleProducts.MultiplyTransposed(_pool, ToMatrix(oldProjection), ToMatrix(oldProjection)), SolveRidge);
            var embedding = Embedding(sources[place], sources[place] < 0 ? splits(start + place) : []);
            var solved = new double[old.Columns];
            for (var i = 0; i < embedding.Length; i++) DoubleVectors.Add(solved, embedding[i], oldProjection.Row(i));
            solver.Solve(solved);
            for (var k = 0; k < solved.Length; k++) row[k] = (float)solved[k];
        }
    }

    private void Factor(int[] sources, int start, double[] counts, Func<int, IReadOnlyList<(int Slot, double Weight)>> splits, Parameter table, Parameter projection)
    {
        var size = projection.Rows;
        var moment = new DoubleMatrix(size, size);
        DoubleProducts.AddGram(_pool, moment, sources.Length, (place, row) =>
        {
            EmbeddingAt(place).CopyTo(row);
            return counts[start + place] + 1;
        });
        var eigen = SymmetricEigen.Decompose(_pool, moment);
        UniformInitializer.Fill(_pool, projection, 1 / Math.Sqrt(size), StartSeed, stream: (ulong)start);
        var used = eigen.Values.Take(Math.Min(table.Columns, size)).Count(value => value > SmallestEigenvalue * Math.Max(eigen.Values[0], 0));
        for (var k = 0; k < used; k++)
        {
            var vector = eigen.Vectors.Row(k);
            for (var i = 0; i < size; i++) projection.WritableRow(i)[k] = (float)vector[i];
        }

        for (var place = 0; place < sources.Length; place++)
        {
            var embedding = EmbeddingAt(place);
            var row = table.WritableRow(place);
            row.Clear();
            for (var k = 0; k < used; k++) row[k] = (float)DoubleVectors.Dot(eigen.Vectors.Row(k), embedding);
        }

        double[] EmbeddingAt(int place) => Embedding(sources[place], sources[place] < 0 ? splits(start + place) : []);
    }

    private static DoubleMatrix ToMatrix(Parameter parameter)
    {
        var matrix = new DoubleMatrix(parameter.Rows, parameter.Columns);
        for (var i = 0; i < matrix.Values.Length; i++) matrix.Values[i] = parameter.Values[i];
        return matrix;
    }
}
