using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Distributed;

/// <summary>
/// A linear layer under a log-softmax whose rows are cut over the ranks. For the loss its ranks exchange what the normaliser is
/// made of, the logits of the targets, and the gradient of the input; to decode, the logits.
/// </summary>
/// <remarks>
/// Sums over rows are those of the blocks, added up in the order of the tree over them, so they have the same bits for any number
/// of ranks. All ranks ask it for the same tokens: a checksum of what it is asked crosses with each call.
/// </remarks>
internal sealed unsafe class CutSoftmax(Collectives collectives, RowCut cut, int columns, IReadOnlyList<RowBlock> blocks) : ITrainingCluster, IDisposable
{
    private readonly LogitBlock[] _forward = new LogitBlock[blocks.Count];
    private readonly TreeExchange _exchange = new(collectives, cut.Tree);
    private readonly int[] _rankRows = [.. Enumerable.Range(0, collectives.Size).Select(rank => cut.RowsOfRank(rank).End - cut.RowsOfRank(rank).Start)];
    private int[] _targetRows = [];
    private long[]? _ownerEnds;
    private int _tokensDone;

    /// <summary>Where each rank decodes vectors of its own, what asks the others; null where all have the same.</summary>
    public DecodingRounds? Rounds { get; set; }

    /// <summary>The rows of the cluster.</summary>
    public int Rows => cut.Rows;

    /// <summary>The values of an input.</summary>
    public int Columns => columns;

    /// <summary>The rows of each rank, [ranks].</summary>
    public IReadOnlyList<int> RankRows => _rankRows;

    /// <summary>The most rows of a rank.</summary>
    public int MostRankRows { get; } = Enumerable.Range(0, collectives.Size).Max(rank => cut.RowsOfRank(rank).End - cut.RowsOfRank(rank).Start);

    private int FirstLeaf => cut.Tree.LeavesOf(collectives.Rank).Start;

    private int OwnStart => cut.RowsOfRank(collectives.Rank).Start;

    /// <summary>
    /// Says whose the tokens of the next batch are. The gradient of a token's input then goes to its rank alone and is 0 on the others.
    /// </summary>
    /// <param name="ends">Where each rank's tokens end among those of the batch that this cluster sees, [ranks]; null where every rank wants all.</param>
    public void ExpectOwners(long[]? ends) => (_ownerEnds, _tokensDone) = (ends, 0);

    /// <inheritdoc/>
    public void ExpectTargets(int* rows, int tokens) => _targetRows = new ReadOnlySpan<int>(rows, tokens).ToArray();

    /// <inheritdoc/>
    public LogitBlock Forward(WorkerPool pool, Scratch scratch, Scratch results, float* inputs, int lanes, bool withLogitSum)
    {
        var tokens = _targetRows.Length;
        var sums = new Stack<(TreeNode Node, BlockSums Value)>();
        for (var i = 0; i < blocks.Count; i++)
        {
            _forward[i] = blocks[i].Layer.Forward(pool, scratch, results, inputs, lanes, withLogitSum);
            cut.Tree.Push(sums, cut.Tree.Leaf(FirstLeaf + i), BlockSums.Of(_forward[i], tokens), BlockSums.Add);
        }

        var message = new List<double>();
        foreach (var (_, value) in sums.Reverse()) message.AddRange(value.Values);
        for (var token = 0; token < tokens; token++)
        {
            if (FindOwn(_targetRows[token]) is { } block) message.Add(Logit(block, _targetRows[token], token));
        }

        var checksum = Crc32C.Append(Crc32C.Append(0, MemoryMarshal.AsBytes(_targetRows.AsSpan())), Bytes(inputs, (long)columns * lanes));
        var all = collectives.AllGatherUneven<double>(CollectiveKind.ShareSums, CollectionsMarshal.AsSpan(message), CollectiveHeader.DetailOf(tokens, checksum), out _);
        return Read(all, scratch, results, lanes, withLogitSum);
    }

    /// <inheritdoc/>
    public void Backward(WorkerPool pool, Scratch scratch, in LogitBlock logits, in RowWeights weights, float* inputRows, int tokens, float* inputGradient)
    {
        var length = tokens * columns;
        var sums = new Stack<(TreeNode Node, nint Value)>();
        var free = new Stack<nint>();
        for (var i = 0; i < blocks.Count; i++)
        {
            nint gradient = 0;
            if (inputGradient is not null && !free.TryPop(out gradient)) gradient = (nint)scratch.Floats(length);
            using (scratch.Begin())
            {
                blocks[i].Layer.Backward(pool, scratch, _forward[i] with { LogSumExp = logits.LogSumExp }, blocks[i].Own(scratch, weights, tokens), inputRows, tokens, (float*)gradient);
            }

            if (inputGradient is not null) cut.Tree.Push(sums, cut.Tree.Leaf(FirstLeaf + i), gradient, Add);
        }

        if (inputGradient is null) return;
        collectives.Begin(CollectiveKind.ReduceGradients, length, cut.Tree.Leaves);
        nint[] nodes = [.. sums.Reverse().Select(sum => sum.Value)];
        if (_ownerEnds is null)
        {
            _exchange.ReduceAll(nodes, Collectives.AllPresent(cut.Tree), length, inputGradient, scale: 1);
            return;
        }

        long[] ends = [.. _ownerEnds.Select(end => columns * Math.Clamp(end - _tokensDone, 0, tokens))];
        var start = collectives.Rank == 0 ? 0 : ends[collectives.Rank - 1];
        new Span<float>(inputGradient, length).Clear();
        _exchange.ReduceParts(nodes, Collectives.AllPresent(cut.Tree), ends, inputGradient + start);
        _tokensDone += tokens;

        nint Add(nint left, nint right)
        {
            Vectors.Add((float*)left, (float*)right, length);
            free.Push(right);
            return left;
        }
    }

    /// <inheritdoc/>
    LogitBlock IDecodingCluster.Forward(WorkerPool pool, Scratch scratch, float* inputs, int lanes)
    {
        var logits = scratch.Floats((long)cut.Rows * lanes);
        using (scratch.Begin())
        {
            if (Rounds is { } rounds)
            {
                rounds.Ask(this, scratch, inputs, lanes, logits);
            }
            else
            {
                var own = scratch.Floats((long)_rankRows[collectives.Rank] * lanes);
                OwnLogits(pool, scratch, inputs, lanes, own);
                Gather(own, logits, lanes, inputs);
            }
        }

        return LogitStatistics.Of(pool, scratch, logits, cut.Rows, lanes, TokenBlocks.RowsPerTile);
    }

    /// <inheritdoc/>
    public LogitBlock ForwardOne(WorkerPool pool, Scratch scratch, float* hidden, float* logits)
    {
        if (Rounds is { } rounds)
        {
            rounds.AskOne(this, hidden, logits);
        }
        else
        {
            OwnLogitsOfOne(pool, scratch, hidden, logits + OwnStart);
            Gather(logits + OwnStart, logits, 1, hidden);
        }

        return LogitStatistics.OfOne(pool, scratch, logits, cut.Rows, Gemv.RowsPerTile(new MatrixShape(cut.Rows, columns)));
    }

    /// <summary>The logits of this rank's rows for a block of tokens that is decoded.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="scratch">Working memory.</param>
    /// <param name="inputs">The vectors, [columns, lanes].</param>
    /// <param name="lanes">The lanes.</param>
    /// <param name="own">Receives the logits, [own rows, lanes].</param>
    public void OwnLogits(WorkerPool pool, Scratch scratch, float* inputs, int lanes, float* own)
    {
        foreach (var block in blocks)
        {
            using var scope = scratch.Begin();
            var forward = block.Layer.Forward(pool, scratch, scratch, inputs, lanes, withLogitSum: false);
            var bytes = (long)block.Rows * lanes * sizeof(float);
            Buffer.MemoryCopy(forward.Logits, own + ((long)(block.Start - OwnStart) * lanes), bytes, bytes);
        }
    }

    /// <summary>The same for one token, by the product of single ones.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="scratch">Working memory.</param>
    /// <param name="vector">The vector, [columns].</param>
    /// <param name="own">Receives the logits, [own rows].</param>
    public void OwnLogitsOfOne(WorkerPool pool, Scratch scratch, float* vector, float* own)
    {
        foreach (var block in blocks)
        {
            using var scope = scratch.Begin();
            block.Layer.ForwardOne(pool, scratch, vector, own + (block.Start - OwnStart));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _exchange.Dispose();

    private static ReadOnlySpan<byte> Bytes(float* values, long count) => new(values, checked((int)(count * sizeof(float))));

    // The rows of all ranks side by side are those of the cluster.
    private void Gather(float* own, float* logits, int lanes, float* inputs)
    {
        int[] lengths = [.. _rankRows.Select(rows => checked(rows * lanes))];
        var detail = CollectiveHeader.DetailOf(lanes, Crc32C.Append(0, Bytes(inputs, (long)columns * lanes)));
        collectives.AllGatherUneven(CollectiveKind.ShareLogits, new ReadOnlySpan<float>(own, lengths[collectives.Rank]), detail, lengths, new Span<float>(logits, checked(cut.Rows * lanes)));
    }

    private int? FindOwn(int row)
    {
        for (var i = 0; i < blocks.Count && row >= 0; i++)
        {
            if ((uint)(row - blocks[i].Start) < (uint)blocks[i].Rows) return i;
        }

        return null;
    }

    private float Logit(int block, int row, int token)
    {
        var (rowStep, tokenStep) = _forward[block].Steps;
        return _forward[block].Logits[((row - blocks[block].Start) * rowStep) + (token * tokenStep)];
    }

    // Every rank's nodes, then the logits of the targets that it has.
    private LogitBlock Read(double[] all, Scratch scratch, Scratch results, int lanes, bool withLogitSum)
    {
        var tokens = _targetRows.Length;
        var result = new LogitBlock
        {
            Logits = null,
            LogSumExp = results.Floats(lanes),
            LogitSum = withLogitSum ? scratch.Doubles(lanes) : null,
            TargetLogits = results.Floats(lanes),
            Rows = cut.Rows,
            Lanes = lanes,
        };
        var sums = new Stack<(TreeNode Node, BlockSums Value)>();
        var next = 0;
        for (var rank = 0; rank < collectives.Size; rank++)
        {
            foreach (var node in cut.Tree.NodesOf(rank))
            {
                var value = new BlockSums(all[next..(next + (tokens * (withLogitSum ? 2 : 1)))], tokens);
                next += value.Values.Length;
                cut.Tree.Push(sums, node, value, BlockSums.Add);
            }

            for (var token = 0; token < tokens; token++)
            {
                if (_targetRows[token] >= 0 && cut.RankOf(_targetRows[token]) == rank) result.TargetLogits[token] = (float)all[next++];
            }
        }

        var total = sums.Pop().Value.Values;
        new Span<float>(result.LogSumExp, lanes).Clear();
        for (var token = 0; token < tokens; token++) result.LogSumExp[token] = (float)total[token];
        for (var token = 0; token < tokens && withLogitSum; token++) result.LogitSum[token] = total[tokens + token];
        return result;
    }
}
