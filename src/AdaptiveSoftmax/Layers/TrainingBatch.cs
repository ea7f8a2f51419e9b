using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>Some tokens of a batch, gathered for the kernels.</summary>
/// <param name="tokens">Their positions in the batch.</param>
/// <param name="rows">Their hidden vectors, [tokens, hidden].</param>
/// <param name="lanes">The same, [hidden, lanes].</param>
/// <param name="laneCount">The number of lanes.</param>
/// <param name="rowGradient">Room for their gradient, [lanes, hidden].</param>
internal readonly unsafe ref struct GatheredBlock(ReadOnlySpan<int> tokens, float* rows, float* lanes, int laneCount, float* rowGradient)
{
    public ReadOnlySpan<int> Tokens { get; } = tokens;

    public float* Rows { get; } = rows;

    public float* Lanes { get; } = lanes;

    public int LaneCount { get; } = laneCount;

    public float* RowGradient { get; } = rowGradient;
}

/// <summary>
/// The targets of a batch grouped by cluster, and the weights that the loss gives each logit. With label smoothing e the
/// loss of a token is −Σ_w c_w log p(w), where c_w = (1 − e) [w is the target] + e / V. In the head, a cluster's row
/// stands for all its tokens, and log p(w) = head + tail, so a row's weight is the sum over its tokens.
/// </summary>
internal sealed unsafe class TrainingBatch
{
    public const int Ignored = -1;

    /// <summary>The head, where a method takes a cluster.</summary>
    public const int Head = -1;

    private readonly SoftmaxLayout _layout;
    private readonly float* _hidden;
    private readonly float* _hiddenGradient;
    private readonly int* _slots;
    private readonly int* _order;
    private readonly int[] _clusterStarts;
    private readonly double* _smoothingLogProbs;
    private readonly double _smoothing;
    private readonly float* _weights;
    private readonly double _scale;

    public TrainingBatch(
        SoftmaxLayout layout, Scratch scratch, float* hidden, float* hiddenGradient, int* slots, int tokens, LossOptions options, bool wantsGradient, float* weights = null)
    {
        _layout = layout;
        _hidden = hidden;
        _hiddenGradient = hiddenGradient;
        _slots = slots;
        _weights = weights;
        _smoothing = options.LabelSmoothing;
        Scratch = scratch;
        WantsGradient = wantsGradient;
        TargetLogProbs = scratch.Doubles(tokens);
        _smoothingLogProbs = scratch.Doubles(tokens);
        new Span<double>(TargetLogProbs, tokens).Clear();
        new Span<double>(_smoothingLogProbs, tokens).Clear();
        _order = scratch.Ints(2L * tokens);
        _clusterStarts = new int[layout.TailCount + 2];
        ActiveCount = GroupByCluster(tokens);
        _scale = options.Reduction == Reduction.Mean ? MeanScale() : 1.0;
    }

    public Scratch Scratch { get; }

    public bool WantsGradient { get; }

    /// <summary>The gradient of the whole by the reduced loss.</summary>
    public double LossScale { get; init; } = 1;

    /// <summary>The gradient of the whole by the loss of each token, [tokens], on top of the scale; null for 1.</summary>
    public float* LossGradient { get; init; }

    /// <summary>The gradient of the whole by log p(target) itself, [tokens]; null for 0.</summary>
    public float* LogProbGradient { get; init; }

    /// <summary>log p(target), [tokens].</summary>
    public double* TargetLogProbs { get; }

    public bool IsSmoothed => _smoothing > 0;

    /// <summary>The positions whose target is not ignored, ascending.</summary>
    public ReadOnlySpan<int> ActiveTokens => new(_order, ActiveCount);

    private int ActiveCount { get; }

    /// <summary>The rows of the head or of a tail.</summary>
    public int RowCount(int cluster) => cluster == Head ? _layout.HeadRows : _layout.Tails[cluster].Size;

    /// <summary>
    /// The positions that need the head or a tail, ascending. Label smoothing gives every token of the vocabulary a share,
    /// so that every position needs every tail.
    /// </summary>
    public ReadOnlySpan<int> Members(int cluster) => cluster == Head || IsSmoothed
        ? ActiveTokens
        : new(_order + ActiveCount + _clusterStarts[cluster + 1], _clusterStarts[cluster + 2] - _clusterStarts[cluster + 1]);

    /// <summary>The loss of a token whose target is not ignored.</summary>
    public double TokenLoss(int token) =>
        -(((1 - _smoothing) * TargetLogProbs[token]) + (_smoothing / _layout.VocabularySize * _smoothingLogProbs[token]));

    /// <summary>The reduced loss, summed in the order of the batch.</summary>
    public double Loss()
    {
        var loss = 0.0;
        foreach (var token in ActiveTokens) loss += WeightOf(token) * TokenLoss(token);
        return loss * _scale;
    }

    /// <summary>Writes the loss of each token, unweighted; 0 where the target is ignored.</summary>
    public void CopyLosses(Span<float> losses)
    {
        losses.Clear();
        foreach (var token in ActiveTokens) losses[token] = (float)TokenLoss(token);
    }

    /// <summary>Copies the hidden vectors of some positions next to each other, as rows and as lanes.</summary>
    public GatheredBlock Gather(WorkerPool pool, ReadOnlySpan<int> tokens, int cluster)
    {
        var lanes = TokenBlocks.LanesFor(tokens.Length, Members(cluster).Length);
        return Gather(pool, tokens, lanes, Scratch.Floats((long)lanes * _layout.HiddenSize));
    }

    /// <summary>The same without the lanes: what a backward pass alone needs.</summary>
    public GatheredBlock GatherRows(WorkerPool pool, ReadOnlySpan<int> tokens, int cluster) =>
        Gather(pool, tokens, TokenBlocks.LanesFor(tokens.Length, Members(cluster).Length), lanes: null);

    private GatheredBlock Gather(WorkerPool pool, ReadOnlySpan<int> tokens, int laneCount, float* lanes)
    {
        var rows = Scratch.Floats((long)laneCount * _layout.HiddenSize);
        var rowGradient = _hiddenGradient is null ? null : Scratch.Floats((long)laneCount * _layout.HiddenSize);
        fixed (int* positions = tokens) Transpose.Gather(pool, _hidden, positions, tokens.Length, _layout.HiddenSize, lanes, laneCount, rows);
        return new GatheredBlock(tokens, rows, lanes, laneCount, rowGradient);
    }

    /// <summary>After a forward pass over the block: adds the cluster's share to the log-probs.</summary>
    public void AddLogProbs(GatheredBlock block, in LogitBlock forward, int cluster)
    {
        float* logits = forward.Logits, logSumExp = forward.LogSumExp;
        var (rowStep, laneStep) = forward.Steps;
        for (var lane = 0; lane < block.Tokens.Length; lane++)
        {
            var token = block.Tokens[lane];
            var row = RowOf(_slots[token], cluster);
            if (row >= 0) TargetLogProbs[token] += (double)(forward.TargetLogits is null ? logits[(row * rowStep) + (lane * laneStep)] : forward.TargetLogits[lane]) - logSumExp[lane];
            if (IsSmoothed) _smoothingLogProbs[token] += forward.LogitSum[lane] - (WeightOfAllRows(cluster) * logSumExp[lane]);
        }
    }

    /// <summary>The row of each token's target in a cluster, [tokens]; <see cref="Ignored"/> where it is in another one.</summary>
    public int* TargetRows(GatheredBlock block, int cluster)
    {
        var rows = Scratch.Ints(block.LaneCount);
        for (var lane = 0; lane < block.Tokens.Length; lane++) rows[lane] = RowOf(_slots[block.Tokens[lane]], cluster);
        return rows;
    }

    /// <summary>Sets the weights that the loss gives the cluster's rows, for the backward pass.</summary>
    public RowWeights WeightsOf(GatheredBlock block, int cluster)
    {
        var lanes = block.LaneCount;
        var weights = new RowWeights { TargetRow = Scratch.Ints(lanes), Target = Scratch.Floats(lanes), Total = Scratch.Floats(lanes), Uniform = Scratch.Floats(lanes) };
        new Span<float>(weights.Total, lanes).Clear();
        new Span<float>(weights.Uniform, lanes).Clear();
        var uniform = _smoothing / _layout.VocabularySize;
        for (var lane = 0; lane < block.Tokens.Length; lane++)
        {
            var token = block.Tokens[lane];
            var row = RowOf(_slots[token], cluster);
            var scale = _scale * WeightOf(token) * LossScale * (LossGradient is null ? 1 : LossGradient[token]);
            var hit = row >= 0 ? 1 - _smoothing : 0;
            var own = row >= 0 && LogProbGradient is not null ? LogProbGradient[token] : 0.0;
            weights.TargetRow[lane] = row;
            weights.Target[lane] = (float)((hit * scale) - own);
            weights.Total[lane] = (float)(((hit + (uniform * WeightOfAllRows(cluster))) * scale) - own);
            weights.Uniform[lane] = (float)(uniform * scale);
        }

        return weights;
    }

    /// <summary>Adds the gradient of some positions' vectors where they came from, if it is wanted.</summary>
    public void ScatterGradient(WorkerPool pool, GatheredBlock block)
    {
        if (_hiddenGradient is null) return;
        fixed (int* positions = block.Tokens) Transpose.ScatterAdd(pool, block.RowGradient, _hiddenGradient, positions, block.Tokens.Length, _layout.HiddenSize);
    }

    private double WeightOf(int token) => _weights is null ? 1 : _weights[token];

    // A mean over nothing, or over weights of 0 alone, is 0.
    private double MeanScale()
    {
        var total = 0.0;
        foreach (var token in ActiveTokens) total += WeightOf(token);
        return total > 0 ? 1 / total : 0;
    }

    private double WeightOfAllRows(int cluster) => cluster == Head ? _layout.VocabularySize : _layout.Tails[cluster].Size;

    private int RowOf(int slot, int cluster) => cluster == Head ? HeadRowOf(slot) : TailRowOf(slot, cluster);

    private int HeadRowOf(int slot)
    {
        var cluster = _layout.ClusterOf(slot);
        return cluster == 0 ? slot : _layout.ShortlistSize + cluster - 1;
    }

    private int TailRowOf(int slot, int cluster)
    {
        var row = slot - _layout.Tails[cluster].Start;
        return (uint)row < (uint)_layout.Tails[cluster].Size ? row : Ignored;
    }

    // A counting sort: positions stay ascending within a cluster.
    private int GroupByCluster(int tokens)
    {
        var active = 0;
        for (var token = 0; token < tokens; token++)
        {
            if (_slots[token] == Ignored) continue;
            _order[active++] = token;
            _clusterStarts[_layout.ClusterOf(_slots[token]) + 1]++;
        }

        for (var cluster = 1; cluster < _clusterStarts.Length; cluster++) _clusterStarts[cluster] += _clusterStarts[cluster - 1];
        var next = _clusterStarts.AsSpan().ToArray();
        for (var i = 0; i < active; i++) _order[active + next[_layout.ClusterOf(_slots[_order[i]])]++] = _order[i];
        return active;
    }
}
