using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// Distillation of the source into the target over states: the target's head learns the source's probabilities of shortlist tokens
/// and of each tail's members together, and a tail those of its members, on the states whose target it holds. To a share both learn
/// the states' own targets: what a gate cannot say as the source did, it may say in another way that fits the text as well. Only
/// rows and gates that moved are free, unless all are.
/// </summary>
internal sealed unsafe class Polisher : IDisposable
{
    private const long ScratchBytes = 1 << 26;
    private const ulong Seed = 0x5EED;

    private readonly WorkerPool _pool;
    private readonly TokenMap _map;
    private readonly SoftmaxWeights _target;
    private readonly TargetBuilder _builder;
    private readonly MigrationOptions _options;
    private readonly TeacherScores _teacher;
    private readonly int[] _freeRows;
    private readonly Parameter _head;
    private readonly Parameter? _bias;
    private readonly bool[] _freeTails;
    private readonly AdamW _optimizer;
    private readonly Dictionary<long, double[]> _masses = [];

    public Polisher(WorkerPool pool, TokenMap map, SoftmaxWeights source, TargetBuilder builder, MigrationOptions options)
    {
        (_pool, _map, _builder, _options, _target) = (pool, map, builder, options, builder.Target);
        _teacher = new TeacherScores(source, builder);
        _freeRows = [.. Enumerable.Range(0, map.To.HeadRows).Where(row => options.PolishAll || !builder.KeptHeadRows[row])];
        _freeTails = [.. builder.Changes.Select(change => options.PolishAll || change is ClusterChange.Factored or ClusterChange.Added)];
        _head = new Parameter("head", Math.Max(_freeRows.Length, 1), map.To.HiddenSize);
        _bias = _target.Head.Bias is null ? null : Parameter.CreateVector("bias", Math.Max(_freeRows.Length, 1));
        for (var i = 0; i < _freeRows.Length; i++)
        {
            _target.Head.Weight.Row(_freeRows[i]).CopyTo(_head.WritableRow(i));
            if (_bias is not null) _bias.WritableValues[i] = _target.Head.Bias!.Values[_freeRows[i]];
        }

        _optimizer = new AdamW(options.PolishLearningRate, weightDecay: 0);
    }

    /// <summary>Takes the steps.</summary>
    /// <param name="states">The states.</param>
    /// <param name="advance">Told how many of the steps are done, as a share.</param>
    /// <param name="cancellationToken">Ends it between two steps.</param>
    public void Run(MigrationStates states, Action<double> advance, CancellationToken cancellationToken)
    {
        var size = _map.To.HiddenSize;
        var (hidden, slots, rows) = (new float[(long)_options.PolishBatch * size], new int[_options.PolishBatch], new long[_options.PolishBatch]);
        var start = CountedRandom.Start(Seed, stream: 0);
        var drawn = 0UL;
        for (var step = 0; step < _options.PolishSteps; step++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Draw(states, hidden, slots, rows, start, ref drawn);
            Step(hidden, slots, MassesOf(hidden, rows, cancellationToken));
            _optimizer.LearningRate = _options.PolishLearningRate * (1 - ((double)step / _options.PolishSteps));
            _optimizer.Step(FreeParameters());
            for (var i = 0; i < _freeRows.Length; i++)
            {
                _head.Row(i).CopyTo(_target.Head.Weight.WritableRow(_freeRows[i]));
                if (_bias is not null) _target.Head.Bias!.WritableValues[_freeRows[i]] = _bias.Values[i];
            }

            advance((step + 1.0) / _options.PolishSteps);
        }
    }

    public void Dispose()
    {
        _optimizer.Dispose();
        _teacher.Dispose();
        _head.Dispose();
        _bias?.Dispose();
    }

    private IEnumerable<Parameter> FreeParameters()
    {
        if (_freeRows.Length > 0)
        {
            yield return _head;
            if (_bias is not null) yield return _bias;
        }

        for (var tail = 0; tail < _freeTails.Length; tail++)
        {
            if (!_freeTails[tail] || !_target.Tails[tail].Output.HasGradient) continue;
            yield return _target.Tails[tail].Projection;
            yield return _target.Tails[tail].Output;
        }
    }

    // States are drawn anew for each step; a target that only one side has teaches the head alone.
    private void Draw(MigrationStates states, float[] hidden, int[] slots, long[] rows, ulong start, ref ulong drawn)
    {
        var file = states.File!;
        var block = new StatesBlock();
        for (var i = 0; i < slots.Length; i++)
        {
            long row;
            do row = (long)(CountedRandom.Bits(start, drawn++) % (ulong)file.Count);
            while (file.Count > 3 && states.IsJudged(row));
            file.Read(row, 1, block);
            block.Hidden.CopyTo(hidden.AsSpan(i * _map.To.HiddenSize));
            rows[i] = row;
            slots[i] = _teacher.TargetSlotOf(block.Targets[0]);
        }
    }

    // The teacher's tails are most of the work, and stay the same: a state that is drawn again finds what they said of it.
    private TeacherMasses MassesOf(float[] hidden, long[] rows, CancellationToken cancellationToken)
    {
        var size = _map.To.HiddenSize;
        int[] fresh = [.. Enumerable.Range(0, rows.Length).Where(i => !_masses.ContainsKey(rows[i])).DistinctBy(i => rows[i])];
        if (fresh.Length > 0)
        {
            var vectors = new float[fresh.Length * size];
            for (var i = 0; i < fresh.Length; i++) hidden.AsSpan(fresh[i] * size, size).CopyTo(vectors.AsSpan(i * size));
            var (normalisers, tails) = _teacher.Masses(_pool, vectors, fresh.Length, cancellationToken);
            for (var i = 0; i < fresh.Length; i++) _masses.Add(rows[fresh[i]], [.. normalisers.Concat(tails).Select(values => values[i])]);
        }

        var all = Enumerable.Range(0, _map.From.TailCount + _map.To.TailCount).Select(k => Array.ConvertAll(rows, row => _masses[row][k])).ToArray();
        return new TeacherMasses(all[.._map.From.TailCount], all[_map.From.TailCount..]);
    }

    private void Step(float[] hidden, int[] slots, TeacherMasses masses)
    {
        using var scratch = new Scratch();
        fixed (float* states = hidden)
        {
            if (_freeRows.Length > 0) TeachHead(scratch, states, slots, masses);
            foreach (var tail in _map.To.Tails)
            {
                if (!_freeTails[tail.Index]) continue;
                var members = Enumerable.Range(0, slots.Length).Where(i => slots[i] >= tail.Start && slots[i] < tail.Start + tail.Size).ToArray();
                var atOnce = TokenBlocks.BlockSize(tail.Size, ScratchBytes);
                foreach (var part in members.Chunk(atOnce)) TeachTail(scratch, tail, states, slots, part, masses.Select(part));
            }
        }
    }

    private int HeadRowOf(int slot) => slot < 0 ? -1 : _map.To.ClusterOf(slot) is var cluster and > 0 ? _target.GateOf(cluster - 1) : slot;

    private void TeachHead(Scratch scratch, float* states, int[] slots, TeacherMasses masses)
    {
        var count = slots.Length;
        using var scope = scratch.Begin();
        var (size, rows, lanes) = (_map.To.HiddenSize, _map.To.HeadRows, TokenBlocks.LanesFor(count));
        var teacher = scratch.Floats((long)rows * lanes);
        _teacher.FillHead(_pool, scratch, states, count, masses, teacher, lanes);
        var inputs = scratch.Floats((long)size * lanes);
        Transpose.Gather(_pool, states, null, count, size, inputs, lanes);
        var block = _target.Head.Cluster.Forward(_pool, scratch, scratch, inputs, lanes, withLogitSum: false);
        DistillationGradient.Write(_pool, scratch, block, teacher, Array.ConvertAll(slots, HeadRowOf), (float)_options.PolishTargetShare, count, count);
        var free = scratch.Floats((long)_freeRows.Length * lanes);
        for (var i = 0; i < _freeRows.Length; i++)
            new ReadOnlySpan<float>(block.Logits + ((nint)_freeRows[i] * lanes), lanes).CopyTo(new Span<float>(free + ((nint)i * lanes), lanes));
        Gemm.Multiply(
            _pool, free, lanes, 1, states, size, _head.TouchGradientPointer(), size, _freeRows.Length, size, count,
            accumulate: false, rowsPerTile: 32, columnsPerTile: 64);
        if (_bias is null) return;
        var bias = _bias.TouchGradientPointer();
        for (var i = 0; i < _freeRows.Length; i++)
        {
            var sum = 0.0;
            for (var lane = 0; lane < count; lane++) sum += free[((nint)i * lanes) + lane];
            bias[i] = (float)sum;
        }
    }

    private void TeachTail(Scratch scratch, TailCluster tail, float* states, int[] slots, int[] members, TeacherMasses masses)
    {
        using var scope = scratch.Begin();
        var layer = _target.Tails[tail.Index];
        var (size, width, lanes) = (_map.To.HiddenSize, tail.ProjectionWidth, TokenBlocks.LanesFor(members.Length));
        var vectors = scratch.Floats((long)members.Length * size);
        for (var i = 0; i < members.Length; i++)
            new ReadOnlySpan<float>(states + ((nint)members[i] * size), size).CopyTo(new Span<float>(vectors + ((nint)i * size), size));
        var teacher = scratch.Floats((long)tail.Size * lanes);
        _teacher.FillTail(_pool, scratch, tail.Index, vectors, members.Length, masses.Normalisers, teacher, lanes);
        var inputs = scratch.Floats((long)size * lanes);
        Transpose.Gather(_pool, vectors, null, members.Length, size, inputs, lanes);
        var block = layer.Cluster.Forward(_pool, scratch, scratch, inputs, lanes, withLogitSum: false);
        DistillationGradient.Write(_pool, scratch, block, teacher, Array.ConvertAll(members, member => slots[member] - tail.Start), (float)_options.PolishTargetShare, members.Length, slots.Length);

        var projected = scratch.Floats((long)lanes * width);
        Transpose.FromLanes(_pool, block.Projected, lanes, members.Length, width, projected, width);
        var adds = layer.Output.HasGradient;
        Gemm.Multiply(
            _pool, block.Logits, lanes, 1, projected, width, layer.Output.TouchGradientPointer(), width, tail.Size, width, members.Length,
            adds, rowsPerTile: 128, columnsPerTile: Math.Max(width, 16));
        var gradient = scratch.Floats((long)lanes * width);
        Gemm.Multiply(
            _pool, block.Logits, 1, lanes, layer.Output.ValuesPointer, width, gradient, width, members.Length, width, tail.Size,
            accumulate: false, rowsPerTile: 16, columnsPerTile: 64);
        Gemm.Multiply(
            _pool, gradient, 1, width, vectors, size, layer.Projection.TouchGradientPointer(), size, width, size, members.Length,
            adds, rowsPerTile: 16, columnsPerTile: 64);
    }
}
