using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp;

public sealed partial class AdaptiveLogSoftmaxWithLoss
{
    /// <summary>The log-probs of all classes.</summary>
    /// <remarks>What is not finite shows as NaN or −∞ in its row alone, as in PyTorch, so that gradients can flow through.</remarks>
    /// <param name="input">Hidden vectors, [N, in] or [in].</param>
    /// <returns>[N, classes] or [classes].</returns>
    /// <exception cref="ArgumentException">The shape, the type or the device does not fit.</exception>
    /// <exception cref="InvalidOperationException">Somebody replaced a parameter by one that does not fit; the message names it.</exception>
    /// <exception cref="ObjectDisposedException">The module or a parameter is disposed.</exception>
    public Tensor log_prob(Tensor input)
    {
        using var use = Use();
        var weights = Tensors;
        CheckInput(input, dimensions: null);
        using var scope = NewDisposeScope();
        var inputs = input.dim() == 1 ? input.unsqueeze(0) : input;
        var head = HeadLogProbs(inputs, weights);
        var parts = new List<Tensor> { head.narrow(1, 0, shortlist_size) };
        for (var cluster = 0; cluster < Layout.TailCount; cluster++)
            parts.Add(TailLogProbs(cluster, inputs, weights) + head.narrow(1, shortlist_size + cluster, 1));
        var logProbs = cat(parts, 1);
        return (input.dim() == 1 ? logProbs.squeeze(0) : logProbs).MoveToOuterDisposeScope();
    }

    /// <summary>The most probable class of each hidden vector: the argmax of <see cref="log_prob"/>.</summary>
    /// <remarks>
    /// Exact, and it computes a tail only for the rows in which the tail as a whole is more probable than the best class of
    /// the shortlist. PyTorch computes every tail for each row whose head prefers one.
    /// </remarks>
    /// <param name="input">Hidden vectors, [N, in] or [in].</param>
    /// <returns>Classes, int64, [N] or [].</returns>
    /// <exception cref="ArgumentException">The shape, the type or the device does not fit.</exception>
    /// <exception cref="InvalidOperationException">Somebody replaced a parameter by one that does not fit; the message names it.</exception>
    /// <exception cref="DecodeException">
    /// For some hidden vectors a value that was read is not finite. The overload that gives the faults has the classes of all others.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The module or a parameter is disposed.</exception>
    public Tensor predict(Tensor input)
    {
        var classes = predict(input, out var faults);
        if (faults.Count == 0) return classes;
        classes.Dispose();
        throw new DecodeException(faults);
    }

    /// <summary>
    /// The most probable class of each hidden vector, as <see cref="predict(Tensor)"/> finds it, and what has none: a row's fault
    /// is that row's alone.
    /// </summary>
    /// <param name="input">Hidden vectors, [N, in] or [in].</param>
    /// <param name="faults">The hidden vectors for which a value that was read is not finite, ascending.</param>
    /// <returns>Classes, int64, [N] or []; −1 where there is a fault.</returns>
    /// <exception cref="ArgumentException">The shape, the type or the device does not fit.</exception>
    /// <exception cref="InvalidOperationException">Somebody replaced a parameter by one that does not fit; the message names it.</exception>
    /// <exception cref="ObjectDisposedException">The module or a parameter is disposed.</exception>
    public Tensor predict(Tensor input, out IReadOnlyList<DecodeFault> faults)
    {
        using var use = Use();
        var weights = Tensors;
        CheckInput(input, dimensions: null);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var inputs = input.dim() == 1 ? input.unsqueeze(0) : input;
        var (classes, faulty) = FindBest(inputs, weights);
        faults = Describe(inputs, faulty.cpu().data<long>().ToArray());
        return (input.dim() == 1 ? classes.squeeze(0) : classes).MoveToOuterDisposeScope();
    }

    // Where a row's fault is, 0 for none, 1 for the head and i + 2 for tail i, in words.
    private static DecodeFault[] Describe(Tensor inputs, long[] faulty)
    {
        var faults = default(DecodeFaults);
        for (var row = 0; row < faulty.Length; row++)
        {
            if (faulty[row] > 0) faults.AddNotFinite(row, (int)faulty[row] - 2, inputs.select(0, row).to(ScalarType.Float32).cpu().contiguous().data<float>().ToArray());
        }

        return faults.ToArray();
    }

    // The class of each row, −1 where there is a fault, and where that is.
    private (Tensor Classes, Tensor Faulty) FindBest(Tensor input, SoftmaxTensors weights)
    {
        var head = HeadLogProbs(input, weights);
        var isFaulty = head.isfinite().all(1).logical_not();
        var faulty = isFaulty.to(ScalarType.Int64);
        var (best, classes) = head.narrow(1, 0, shortlist_size).max(1);
        classes = classes.masked_fill(isFaulty, -1);
        var clusters = head.narrow(1, shortlist_size, n_clusters);
        var canWin = clusters.gt(best.unsqueeze(1)).logical_and(isFaulty.logical_not().unsqueeze(1));
        var counts = canWin.sum(dim: 0).cpu().data<long>().ToArray();
        if (counts.All(count => count == 0)) return (classes, faulty);

        // The rows of each tail come first in its column: no wait for the device to find them.
        var rows = canWin.to(ScalarType.Byte).sort(0, descending: true, stable: true).Indices;
        foreach (var cluster in Layout.Tails.Where(cluster => counts[cluster.Index] > 0))
        {
            var members = rows.select(1, cluster.Index).narrow(0, 0, counts[cluster.Index]);
            var inside = TailLogProbs(cluster.Index, input.index_select(0, members), weights);
            var logProbs = inside + clusters.index_select(0, members).narrow(1, cluster.Index, 1);
            var (score, row) = logProbs.max(1);
            var (score0, class0, fault0) = (best.index_select(0, members), classes.index_select(0, members), faulty.index_select(0, members));
            // A row that has failed keeps its first fault.
            var isSound = fault0.eq(0);
            var fails = isSound.logical_and(inside.isfinite().all(1).logical_not());
            var wins = isSound.logical_and(score.gt(score0));
            best = best.index_copy(0, members, where(wins, score, score0));
            classes = classes.index_copy(0, members, where(wins, row + cluster.Start, class0).masked_fill(fails, -1));
            faulty = faulty.index_copy(0, members, fault0.masked_fill(fails, cluster.Index + 2));
        }

        return (classes, faulty);
    }
}
