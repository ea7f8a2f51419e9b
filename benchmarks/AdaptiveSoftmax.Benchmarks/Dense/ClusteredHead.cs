using AdaptiveSoftmax.Vocabulary;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>
/// The approximate heads of others, on our kernels: rows in clusters of one size, of which those with the best centroids are looked
/// into. With clusters of 128 and 32 of them it is a centroid head; with clusters of 16 by direction and 256 of them it is FlashHead's
/// equal-sized spherical k-means with several probes.
/// </summary>
internal sealed unsafe class ClusteredHead : IDisposable
{
    private const int Iterations = 3;
    private const int Choices = 8;

    private readonly QuantizedMatrix _centroids;
    private readonly QuantizedMatrix _rows;
    private readonly int[] _slots;
    private readonly float[] _scores;
    private readonly int[] _order;
    private readonly TopList _top = new();
    private readonly float[] _logits;
    private readonly int _size;
    private readonly int _probes;
    private readonly WorkerPool _pool = WorkerPool.Get(Environment.ProcessorCount);
    private readonly Scratch _scratch = new();

    /// <summary>Clusters the rows of a head.</summary>
    /// <param name="weight">[rows, columns].</param>
    /// <param name="size">The rows of a cluster.</param>
    /// <param name="probes">The clusters that are looked into.</param>
    /// <param name="isSpherical">Whether rows are compared by direction.</param>
    /// <param name="precision">What rows and centroids are kept in.</param>
    public ClusteredHead(Tensor weight, int size, int probes, bool isSpherical, WeightPrecision precision)
    {
        (_size, _probes) = (size, probes);
        using var scope = NewDisposeScope();
        var (count, columns) = ((int)weight.shape[0], (int)weight.shape[1]);
        var clusters = (count + size - 1) / size;
        var points = isSpherical ? nn.functional.normalize(weight, dim: 1) : weight;
        var centroids = points[arange(clusters) * (count / clusters)].clone();
        var owner = new int[count];
        for (var iteration = 0; iteration < Iterations; iteration++)
        {
            Assign(points, centroids, size, owner);
            var index = tensor(owner, ScalarType.Int64);
            var sizes = zeros(clusters).index_add_(0, index, ones(count), 1).clamp_min(1).unsqueeze(1);

            // Rows are given to centroids by direction where so asked; at last the mean of a cluster's rows stands for their logits.
            var means = zeros(clusters, columns).index_add_(0, index, iteration == Iterations - 1 ? weight : points, 1) / sizes;
            centroids = isSpherical && iteration < Iterations - 1 ? nn.functional.normalize(means, dim: 1) : means;
        }

        // Places by cluster; a cluster that is not full has empty places, whose rows are zeros.
        _slots = new int[clusters * size];
        _slots.AsSpan().Fill(-1);
        var next = new int[clusters];
        for (var row = 0; row < count; row++) _slots[(owner[row] * size) + next[owner[row]]++] = row;
        using var stored = new Parameter("rows", clusters * size, columns);
        var values = weight.data<float>().ToArray();
        stored.Edit(target =>
        {
            for (var place = 0; place < _slots.Length; place++)
            {
                if (_slots[place] >= 0) values.AsSpan(_slots[place] * columns, columns).CopyTo(target.Slice(place * columns, columns));
            }
        });
        using var kept = new Parameter("centroids", clusters, columns);
        kept.Set(centroids.data<float>().ToArray());
        _rows = new QuantizedMatrix(_pool, stored, precision);
        _centroids = new QuantizedMatrix(_pool, kept, precision);
        (_scores, _order, _logits) = (new float[clusters], new int[probes], new float[clusters * size]);
    }

    /// <summary>The best row of the clusters that are looked into.</summary>
    public int Predict(ReadOnlySpan<float> hidden)
    {
        using var scope = _scratch.Begin();
        fixed (float* x = hidden, scores = _scores, logits = _logits)
        {
            var whole = new WholeInput(x, hidden.Length, _scratch.Shorts(WholeInput.Room(hidden.Length)));
            Run(_centroids.View, whole, scores, _scores.Length, 256, null);
            _top.Reset(_probes);
            _top.AddRange(scores, _scores.Length, firstSlot: 0);
            for (var i = 0; i < _probes; i++) _order[i] = ScoreKey.Slot(_top.Keys[i]);
            fixed (int* order = _order) Run(_rows.View, whole, logits, _probes * _size, _size, order);
            var (best, slot) = (float.NegativeInfinity, -1);
            for (var i = 0; i < _probes; i++)
            {
                for (var place = _order[i] * _size; place < (_order[i] + 1) * _size; place++)
                {
                    if (_slots[place] >= 0 && _logits[place] > best) (best, slot) = (_logits[place], _slots[place]);
                }
            }

            return slot;
        }
    }

    public void Dispose()
    {
        _centroids.Dispose();
        _rows.Dispose();
        _scratch.Dispose();
    }

    private void Run(QuantizedView matrix, WholeInput input, float* outputs, int rows, int rowsPerTile, int* order)
    {
        var body = new Body { Matrix = matrix, Input = input, Outputs = outputs, Rows = rows, RowsPerTile = rowsPerTile, Order = order };
        _pool.Run(ref body, (rows + rowsPerTile - 1) / rowsPerTile);
    }

    // Each row to the nearest of its best centroids that have room, the surest rows first; what is left asks those with room again.
    private static void Assign(Tensor points, Tensor centroids, int size, int[] owner)
    {
        var room = new int[centroids.shape[0]];
        room.AsSpan().Fill(size);
        owner.AsSpan().Fill(-1);
        long[] rows = [.. Enumerable.Range(0, owner.Length)];
        while (rows.Length > 0)
        {
            using var scope = NewDisposeScope();
            long[] free = [.. Enumerable.Range(0, room.Length).Where(cluster => room[cluster] > 0)];
            AssignTo(points[tensor(rows)], centroids[tensor(free)], rows, free, room, owner);
            rows = [.. rows.Where(row => owner[row] < 0)];
        }
    }

    private static void AssignTo(Tensor points, Tensor centroids, long[] rows, long[] free, int[] room, int[] owner)
    {
        const int Block = 8192;
        var choices = Math.Min(Choices, free.Length);
        var (chosen, scores) = (new long[rows.Length * choices], new float[rows.Length * choices]);
        var lengths = centroids.pow(2).sum(1) / 2;
        for (var start = 0; start < rows.Length; start += Block)
        {
            using var scope = NewDisposeScope();
            var count = Math.Min(Block, rows.Length - start);
            var (values, indices) = (points.narrow(0, start, count).mm(centroids.t()) - lengths).topk(choices);
            values.data<float>().ToArray().CopyTo(scores.AsSpan(start * choices));
            indices.data<long>().ToArray().CopyTo(chosen.AsSpan(start * choices));
        }

        int[] places = [.. Enumerable.Range(0, chosen.Length)];
        scores.AsSpan().Sort(places.AsSpan(), (left, right) => right.CompareTo(left));
        foreach (var place in places)
        {
            var (row, cluster) = (rows[place / choices], free[chosen[place]]);
            if (owner[row] >= 0 || room[cluster] == 0) continue;
            owner[row] = (int)cluster;
            room[cluster]--;
        }
    }

    private struct Body : IParallelBody
    {
        public QuantizedView Matrix;
        public WholeInput Input;
        public float* Outputs;
        public int Rows, RowsPerTile;
        public int* Order;

        public readonly void Run(int tile)
        {
            var matrix = Matrix;
            var first = (Order is null ? tile : Order[tile]) * RowsPerTile;
            matrix.MultiplyRows(Input, Outputs, first, Order is null ? Math.Min(Rows, first + RowsPerTile) : first + RowsPerTile);
        }
    }
}
