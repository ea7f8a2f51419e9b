using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>One migration in memory: builds the target, polishes it, and judges it before and after.</summary>
internal sealed class MigrationRun : IDisposable
{
    private readonly MigrationOptions _options;
    private readonly WorkerPool _pool;
    private readonly IDisposable _workers;
    private readonly TokenMap _map;
    private readonly SoftmaxWeights _source;
    private readonly Dictionary<int, int> _sourceSlots;
    private readonly Dictionary<int, int> _addedSlots = [];
    private readonly MigrationStates _states;
    private readonly long[] _counts;
    private TargetBuilder? _builder;

    /// <param name="options">The options.</param>
    /// <param name="map">Which token goes where.</param>
    /// <param name="source">The source's weights.</param>
    /// <param name="sourceIds">The token id in each slot of the source.</param>
    /// <param name="to">The target.</param>
    public MigrationRun(MigrationOptions options, TokenMap map, SoftmaxWeights source, IEnumerable<int> sourceIds, SoftmaxDefinition to)
    {
        (_options, _map, _source, _counts) = (options, map, source, to.Table.Counts.ToArray());
        _sourceSlots = [];
        foreach (var id in sourceIds) _sourceSlots.Add(id, _sourceSlots.Count);
        for (var slot = 0; slot < map.Sources.Length; slot++)
        {
            if (map.Sources[slot] < 0) _addedSlots.Add(to.Table.GetId(slot), slot);
        }

        _states = new MigrationStates(options, map.From.HiddenSize, id => _sourceSlots.ContainsKey(id) || _addedSlots.ContainsKey(id));
        _pool = WorkerPool.Get(ThreadCount.OrDefault(options.Threads, nameof(options)));
        _workers = _pool.KeepWorkers();
    }

    /// <summary>The target, once it is built.</summary>
    public TargetBuilder Builder => _builder!;

    /// <summary>Builds, polishes and judges.</summary>
    /// <param name="sourceCounts">How often each token of the source was seen.</param>
    /// <param name="counts">How often each token of the target is expected.</param>
    /// <param name="splits">The parts of new tokens, by the target's slot.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public MigrationReport Execute(double[] sourceCounts, double[] counts, Func<int, IReadOnlyList<(int Slot, double Weight)>> splits, CancellationToken cancellationToken)
    {
        if (_states.File is null && _source.Head.Bias is not null && !_map.To.HasHeadBias)
            throw new ArgumentException("The head has a bias, and the new spec gives it none: rows take it up over states, which made-up ones are too far from. Name a states file, or set \"headBias\": true in the new spec.");
        Tell("states", 0);
        var states = _states.ReadFit(_pool, _source, sourceCounts, cancellationToken);
        if (states.Count == 0) throw new ArgumentException("There are no states to fit over beside those that are kept to judge by; give a file with more.");
        Tell("rows", 0);
        _builder = new TargetBuilder(_pool, _map, _source, states, counts, splits, _options.AddedShare, cancellationToken)
        {
            TargetSlotOf = id => _sourceSlots.TryGetValue(id, out var slot) ? _map.Targets[slot] : _addedSlots.GetValueOrDefault(id, -1),
        };
        var done = 0;
        var clusters = _builder.Build(() => Tell("rows", (double)++done / (_map.To.TailCount + 1)), cancellationToken);
        var (before, leftOut) = Judge(_source, by: _map.From, cancellationToken);
        var after = Judge(_builder.Target, by: null, cancellationToken).Perplexity;
        MigrationPerplexity? polished = null;
        if (_options.PolishSteps > 0)
        {
            if (_states.File is null) throw new ArgumentException("Polishing learns from the old model's log-probs over states, and there is no states file; name one, or polish 0 steps.");
            using var polisher = new Polisher(_pool, _map, _source, _builder, _options);
            polisher.Run(_states, share => Tell("polish", share), cancellationToken);
            polished = Judge(_builder.Target, by: null, cancellationToken).Perplexity;
        }

        return new MigrationReport(clusters, _map.Removed, _map.Added, states.AreReal, states.AreReal ? states.Count : 0, before, after, polished, leftOut);
    }

    public void Dispose()
    {
        _builder?.Dispose();
        _states.Dispose();
        _workers.Dispose();
    }

    // Tokens that either side does not have are in no perplexity, so that all are of the same targets.
    private (MigrationPerplexity? Perplexity, long LeftOut) Judge(SoftmaxWeights weights, SoftmaxLayout? by, CancellationToken cancellationToken)
    {
        if (_states.File is null && _options.JudgeStatesPath is null) return (null, 0);
        var sum = new PerplexitySum(_map.To, _counts);
        var leftOut = 0L;
        var size = _map.From.HiddenSize;
        foreach (var (block, targets) in _states.ReadJudged())
        {
            cancellationToken.ThrowIfCancellationRequested();
            var (hidden, sources) = (new List<float>(), new List<int>());
            for (var i = 0; i < targets.Length; i++)
            {
                if (!_sourceSlots.TryGetValue(targets[i], out var source) || _map.Targets[source] < 0)
                {
                    leftOut++;
                    continue;
                }

                sources.Add(source);
                hidden.AddRange(block.Span.Slice(i * size, size));
            }

            if (sources.Count == 0) continue;
            var slots = by is null ? sources.Select(source => _map.Targets[source]).ToArray() : [.. sources];
            var losses = new double[slots.Length];
            StatesJudge.Losses(_pool, weights, hidden.ToArray(), slots, losses);
            for (var i = 0; i < losses.Length; i++) sum.Add(_map.Targets[sources[i]], losses[i]);
        }

        return (sum.ToResult(), leftOut);
    }

    private void Tell(string stage, double share) => _options.Progress?.Invoke(new MigrationProgress(stage, share));
}
