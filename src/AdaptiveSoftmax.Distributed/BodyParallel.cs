namespace AdaptiveSoftmax.Distributed;

/// <summary>
/// A body that is in parallel over the data before a <see cref="VocabularyParallel"/>: every rank has all of its weights and takes some
/// shards of each batch, whose gradients are added up over all ranks. <see cref="DataParallel"/> does it for body and softmax together.
/// </summary>
/// <remarks>
/// A step: the body's forward pass over the tokens of <see cref="OwnShards"/>, <see cref="VocabularyParallel.BackwardGathered"/> with all
/// of them, and for each shard the body's backward pass and <see cref="EndShard"/>; then <see cref="Reduce"/>, and
/// <see cref="VocabularyParallel.ClipByGlobalNorm"/> and <see cref="VocabularyParallel.Step"/> with <see cref="Parameters"/> as the body.
/// All of it has the same bits for any number of ranks.
/// </remarks>
public sealed class BodyParallel : IDisposable
{
    private readonly Parameter[] _parameters;
    private readonly ShardGradients _shards;

    /// <summary>Compares the replicas: version, sizes, weights and shards must be the same on all ranks.</summary>
    /// <param name="collectives">The ranks.</param>
    /// <param name="body">The parameters, in the same order on each rank.</param>
    /// <param name="shards">Into how many shards a batch is cut; at least one a rank. Other numbers give other bits.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer shards than ranks.</exception>
    /// <exception cref="RankMismatchException">The ranks do not agree; the message names what differs, and the values.</exception>
    public BodyParallel(Collectives collectives, IEnumerable<Parameter> body, int shards)
    {
        ArgumentNullException.ThrowIfNull(collectives);
        ArgumentNullException.ThrowIfNull(body);
        _parameters = [.. body.Distinct()];
        collectives.CheckAgreement(ReplicaFacts.Of(_parameters, shards));
        _shards = new ShardGradients(collectives, _parameters, shards);
    }

    /// <summary>The shards of each batch that this rank takes, ascending; they stand side by side, and those of the next rank behind them.</summary>
    public IReadOnlyList<int> OwnShards => _shards.Own;

    /// <summary>The number of threads that add gradients up, the caller's included, at least 1; all processors at first. It changes no bit.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is below 1.</exception>
    public int Threads
    {
        get;
        set => field = ThreadCount.Check(value, nameof(Threads));
    } = ThreadCount.Default;

    /// <summary>The parameters.</summary>
    public IReadOnlyList<Parameter> Parameters => _parameters;

    /// <summary>
    /// Ends a shard: takes its gradients out of the parameters, where the next shard begins with none. After the last of the own shards
    /// <see cref="Reduce"/> comes next, and nothing may be added before.
    /// </summary>
    /// <param name="shard">The shard, one of <see cref="OwnShards"/>, in their order.</param>
    /// <exception cref="InvalidOperationException">It is another shard's turn, or one has failed.</exception>
    /// <remarks>Where it throws anything else, such as for want of memory, the shard has failed: call <see cref="Reduce"/>, as all ranks do.</remarks>
    public void EndShard(int shard) => _shards.End(shard, Threads);

    /// <summary>Sets the gradients of the parameters, on all ranks to the same bits, to the sum over all shards of all ranks.</summary>
    /// <remarks>
    /// Where a shard of any rank has failed or is missing, the body's part of the batch is left out: it is an exception on all ranks. Clear the gradients
    /// of the <see cref="VocabularyParallel"/> too, on all ranks, before the next batch.
    /// </remarks>
    /// <exception cref="InvalidOperationException">
    /// The batch is left out on all ranks, without gradients on any: on one of them a shard is missing or has failed, or a gradient was added
    /// to or cleared behind the last. Or an earlier call has failed half way, which the next ones say.
    /// </exception>
    /// <exception cref="RankMismatchException">
    /// Another rank makes another call, and the batch is as it was; or it freezes other parameters, and the batch is left out on all.
    /// </exception>
    public void Reduce()
    {
        _shards.EndBatch([0]);
        _shards.Sum(scale: 1);
    }

    /// <summary>Releases working memory; the parameters are the caller's.</summary>
    public void Dispose() => _shards.Dispose();
}
