namespace AdaptiveSoftmax.Distributed;

/// <summary>
/// Trains replicas of a model on parts of each batch. Every rank has all weights and takes some of the batch's shards; the
/// gradients are those of the mean over the targets of all ranks, and every rank takes the same step with them.
/// </summary>
/// <remarks>
/// The batch is cut into shards, whose number does not depend on the number of ranks, and sums are added up in the order of a tree
/// over the shards (<see cref="SumTree"/>). Losses, gradients and weights have therefore the same bits with 1, 2, 3, … ranks,
/// threads or processes. A cluster that no target of the batch needs is left out on all ranks; one that some shards need has a
/// gradient on all.
/// <para>
/// A step: for each of <see cref="OwnShards"/> the body's forward pass, <see cref="Backward(ReadOnlySpan{float}, ReadOnlySpan{int}, Span{float}, LossOptions, ReadOnlySpan{float})"/>,
/// the body's backward pass, <see cref="EndShard"/>; then <see cref="Reduce"/> and <see cref="Step"/>.
/// </para>
/// </remarks>
public sealed class DataParallel : IDisposable
{
    private readonly Collectives _collectives;
    private readonly AdaptiveSoftmaxLayer _softmax;
    private readonly Parameter[] _parameters;
    private readonly ShardGradients _shards;

    // The sum of the losses and the sum of the weights of each own shard, [shards, 2].
    private readonly double[] _terms;
    private double _loss;
    private double _weight;

    /// <summary>Compares the replicas: version, specification, sizes, weights and shards must be the same on all ranks.</summary>
    /// <param name="collectives">The ranks.</param>
    /// <param name="softmax">This rank's softmax.</param>
    /// <param name="body">The parameters of what makes its hidden vectors, in the same order on each rank; null for none.</param>
    /// <param name="shards">Into how many shards a batch is cut; at least one a rank. Other numbers give other bits.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer shards than ranks.</exception>
    /// <exception cref="RankMismatchException">The ranks do not agree; the message names what differs, and the values.</exception>
    public DataParallel(Collectives collectives, AdaptiveSoftmaxLayer softmax, IEnumerable<Parameter>? body, int shards)
    {
        ArgumentNullException.ThrowIfNull(collectives);
        ArgumentNullException.ThrowIfNull(softmax);
        _collectives = collectives;
        _softmax = softmax;
        _parameters = [.. softmax.Parameters.Concat(body ?? []).Distinct()];
        collectives.CheckAgreement(ReplicaFacts.Of(softmax.Identity, _parameters, shards));
        _shards = new ShardGradients(collectives, _parameters, shards);
        _terms = new double[2 * OwnShards.Count];
    }

    /// <summary>The shards of each batch that this rank takes, ascending; they stand side by side.</summary>
    public IReadOnlyList<int> OwnShards => _shards.Own;

    /// <summary>The number of threads that add gradients up, the caller's included, at least 1; all processors at first. It changes no bit.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is below 1.</exception>
    public int Threads
    {
        get;
        set => field = ThreadCount.Check(value, nameof(Threads));
    } = ThreadCount.Default;

    /// <summary>The parameters: those of the softmax, then those of the body.</summary>
    public IReadOnlyList<Parameter> Parameters => _parameters;

    /// <summary>
    /// The sum of the losses of some of the shard's tokens, and its gradients: sets that of the hidden vectors, adds to those of the
    /// parameters. The division by the number of all ranks' targets follows in <see cref="Reduce"/>.
    /// </summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="hiddenGradient">Receives the gradient of the sum by the hidden vectors, [tokens, hidden].</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>. The reduction is the mean.</param>
    /// <param name="weights">What each token's loss counts, [tokens]; none for 1. It must be finite and not negative.</param>
    /// <returns>The sum of the losses.</returns>
    /// <exception cref="InvalidOperationException">All own shards are done or one has failed, so that <see cref="Reduce"/> is next.</exception>
    /// <exception cref="ArgumentException">The reduction is not the mean, or a value is one that <see cref="AdaptiveSoftmaxLayer.Backward(ReadOnlySpan{float}, ReadOnlySpan{int}, Span{float}, LossOptions, ReadOnlySpan{float}, Span{float})"/> refuses.</exception>
    public float Backward(ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, Span<float> hiddenGradient, LossOptions? options = null, ReadOnlySpan<float> weights = default)
    {
        var sum = SumOf(options, targets, weights, out var weight);
        return Count(_softmax.Backward(hidden, targets, hiddenGradient, sum, weights), weight);
    }

    /// <summary>The same without the gradient of the hidden vectors: for a body that does not learn.</summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>. The reduction is the mean.</param>
    /// <param name="weights">What each token's loss counts, [tokens]; none for 1. It must be finite and not negative.</param>
    /// <returns>The sum of the losses.</returns>
    /// <exception cref="InvalidOperationException">All own shards are done or one has failed, so that <see cref="Reduce"/> is next.</exception>
    /// <exception cref="ArgumentException">The reduction is not the mean, or a value is one that <see cref="AdaptiveSoftmaxLayer.Backward(ReadOnlySpan{float}, ReadOnlySpan{int}, LossOptions, ReadOnlySpan{float}, Span{float})"/> refuses.</exception>
    public float Backward(ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, LossOptions? options = null, ReadOnlySpan<float> weights = default)
    {
        var sum = SumOf(options, targets, weights, out var weight);
        return Count(_softmax.Backward(hidden, targets, sum, weights), weight);
    }

    /// <summary>
    /// Ends a shard: takes its gradients out of the parameters, where the next shard begins with none. After the last of the own shards
    /// <see cref="Reduce"/> comes next, and nothing may be added before.
    /// </summary>
    /// <param name="shard">The shard, one of <see cref="OwnShards"/>, in their order.</param>
    /// <exception cref="InvalidOperationException">It is another shard's turn, or one has failed.</exception>
    /// <remarks>Where it throws anything else, such as for want of memory, the shard has failed: call <see cref="Reduce"/>, as all ranks do.</remarks>
    public void EndShard(int shard)
    {
        var index = _shards.End(shard, Threads);
        (_terms[2 * index], _terms[(2 * index) + 1]) = (_loss, _weight);
        (_loss, _weight) = (0, 0);
    }

    /// <summary>
    /// Sets the gradients of the parameters, on all ranks to the same bits, to those of the mean over the targets of all ranks.
    /// Clipping by <see cref="GradientClipping.ClipByGlobalNorm"/> then uses the norm of the whole batch.
    /// </summary>
    /// <remarks>
    /// Where a shard of any rank has failed or is missing, the batch is left out: it is an exception on all ranks, and all can go on with the
    /// next batch. So a rank that an error keeps from ending its shards calls it too.
    /// </remarks>
    /// <returns>The loss of the batch.</returns>
    /// <exception cref="InvalidOperationException">
    /// The batch is left out on all ranks, without gradients on any: on one of them a shard is missing or has failed, or a gradient was added
    /// to or cleared behind the last. Or an earlier call has failed half way, which the next ones say.
    /// </exception>
    /// <exception cref="RankMismatchException">
    /// Another rank makes another call, and the batch is as it was; or it freezes other parameters, and the batch is left out on all.
    /// </exception>
    public BatchLoss Reduce()
    {
        double loss = 0, weight = 0;
        var terms = EndBatch();
        for (var term = 0; term < terms.Length; term += 2)
        {
            loss += terms[term];
            weight += terms[term + 1];
        }

        var scale = weight > 0 ? 1 / weight : 0;
        _shards.Sum((float)scale);
        return new BatchLoss(loss * scale, weight);
    }

    /// <summary>Takes a step on every rank, after comparing the optimizers: kind, settings and steps must be the same on all ranks.</summary>
    /// <param name="optimizer">This rank's optimizer.</param>
    /// <exception cref="InvalidOperationException"><see cref="Reduce"/> has failed half way.</exception>
    /// <exception cref="NotFiniteNumberException">A gradient is not finite, on all ranks alike; nothing was changed.</exception>
    /// <exception cref="RankMismatchException">The optimizers differ; the message names what, and the values.</exception>
    public void Step(Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        _shards.ThrowIfEnded();
        _collectives.CheckAgreement(ReplicaFacts.Of(optimizer));
        optimizer.Step(_parameters);
    }

    /// <summary>Takes a step on every rank, as <see cref="Step"/>, or leaves the batch out on all where a gradient is not finite.</summary>
    /// <param name="optimizer">This rank's optimizer.</param>
    /// <returns>Whether the step was taken.</returns>
    /// <exception cref="InvalidOperationException"><see cref="Reduce"/> has failed half way.</exception>
    /// <exception cref="RankMismatchException">The optimizers differ; the message names what, and the values.</exception>
    public bool TryStep(Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        _shards.ThrowIfEnded();
        _collectives.CheckAgreement(ReplicaFacts.Of(optimizer));
        return optimizer.TryStep(_parameters);
    }

    /// <summary>Releases working memory; the parameters are the caller's.</summary>
    public void Dispose() => _shards.Dispose();

    /// <summary>The gradients of the shards.</summary>
    internal ShardGradients Shards => _shards;

    private LossOptions SumOf(LossOptions? options, ReadOnlySpan<int> targets, ReadOnlySpan<float> weights, out double weight)
    {
        _shards.CheckOpen();
        options ??= LossOptions.Default;
        if (options.Reduction != Reduction.Mean)
            throw new ArgumentException($"The reduction is {options.Reduction}; data in parallel have the mean over the targets of all ranks.", nameof(options));
        TrainingRun.CheckWeights(weights, targets.Length, Reduction.Mean);
        weight = 0;
        for (var token = 0; token < targets.Length; token++)
        {
            if (targets[token] != options.IgnoreIndex) weight += weights.IsEmpty ? 1 : weights[token];
        }

        return options with { Reduction = Reduction.Sum };
    }

    // A shard that was begun counts on where the call is none that all ranks make, and is left out with the batch.
    private double[] EndBatch()
    {
        try
        {
            var terms = _shards.EndBatch(_terms);
            (_loss, _weight) = (0, 0);
            return terms;
        }
        catch (InvalidOperationException)
        {
            (_loss, _weight) = (0, 0);
            throw;
        }
    }

    private float Count(float loss, double weight)
    {
        _loss += loss;
        _weight += weight;
        return loss;
    }
}
