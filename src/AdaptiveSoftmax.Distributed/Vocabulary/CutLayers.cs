using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Distributed;

/// <summary>The head and the tails of a softmax, with the rows that this rank has.</summary>
internal sealed class CutLayers : IDisposable
{
    private readonly Collectives _collectives;
    private readonly VocabularyPlan _plan;
    private readonly List<CutTensor> _tensors = [];
    private readonly List<CutSoftmax> _cuts = [];

    public CutLayers(Collectives collectives, SoftmaxLayout layout, VocabularyPlan plan)
    {
        (_collectives, _plan) = (collectives, plan);
        var cut = CutOf(layout.HeadRows, plan.CutsHead);
        var weight = Add("head.weight", layout.HeadRows, layout.HiddenSize, cut);
        var bias = layout.HasHeadBias ? Add("head.bias", layout.HeadRows, 1, cut, isVector: true) : null;
        Head = Create(weight, bias, [.. layout.Tails.Select(tail => tail.Size)], LogitMap.Of(layout));
        foreach (var tail in layout.Tails)
        {
            var projection = Add(FormattableString.Invariant($"tail.{tail.Index}.0.weight"), tail.ProjectionWidth, layout.HiddenSize, cut: null);
            var output = Add(FormattableString.Invariant($"tail.{tail.Index}.1.weight"), tail.Size, tail.ProjectionWidth, CutOf(tail.Size, plan.CutsTails[tail.Index]));
            Tails.Add(new ProjectedSoftmax<MatrixShape>(new MatrixShape(tail.ProjectionWidth, layout.HiddenSize), projection.Own[0], Create(output, null, [], default)));
        }
    }

    /// <summary>The head.</summary>
    public ITrainingCluster Head { get; }

    /// <summary>The tails in slot order.</summary>
    public List<ITrainingCluster> Tails { get; } = [];

    /// <summary>The tensors in PyTorch's order.</summary>
    public IReadOnlyList<CutTensor> Tensors => _tensors;

    /// <summary>What is cut, in the order of the tensors.</summary>
    public IReadOnlyList<CutSoftmax> Cuts => _cuts;

    /// <summary>Fills the weights as a whole layer of the seed has them.</summary>
    public void Initialize(WorkerPool pool, int hiddenSize, ulong seed)
    {
        for (var i = 0; i < _tensors.Count; i++)
        {
            var tensor = _tensors[i];
            var bound = 1 / Math.Sqrt(tensor.IsVector ? hiddenSize : tensor.Columns);
            for (var block = 0; block < tensor.Own.Count; block++)
                UniformInitializer.Fill(pool, tensor.Own[block], bound, seed, stream: (ulong)i, firstValue: (long)tensor.StartOf(block, _collectives.Rank) * tensor.Columns);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var parameter in _tensors.SelectMany(tensor => tensor.Own)) parameter.Dispose();
        foreach (var cut in _cuts) cut.Dispose();
    }

    private RowCut? CutOf(int rows, bool isCut) => isCut ? new RowCut(rows, _plan.BlocksOf(rows), _collectives.Size) : null;

    private CutTensor Add(string name, int rows, int columns, RowCut? cut, bool isVector = false)
    {
        var tensor = CutTensor.Create(name, rows, columns, isVector, cut, _collectives.Rank);
        _tensors.Add(tensor);
        return tensor;
    }

    // The groups of tokens are the last rows, of whichever block.
    private ITrainingCluster Create(CutTensor weight, CutTensor? bias, int[] groupSizes, LogitMap map)
    {
        var firstGroup = weight.Rows - groupSizes.Length;
        RowBlock[] blocks =
        [
            .. weight.Own.Select((own, i) =>
            {
                var start = weight.StartOf(i, _collectives.Rank);
                var groups = groupSizes[Math.Max(0, start - firstGroup)..Math.Max(0, start + own.Rows - firstGroup)];
                return new RowBlock(start, own, bias?.Own[i], groups, map);
            }),
        ];
        if (weight.Cut is null) return blocks[0].Layer;
        var cut = new CutSoftmax(_collectives, weight.Cut, weight.Columns, blocks);
        _cuts.Add(cut);
        return cut;
    }
}
