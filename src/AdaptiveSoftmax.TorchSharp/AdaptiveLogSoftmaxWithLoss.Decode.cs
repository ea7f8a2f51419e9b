using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp;

public sealed partial class AdaptiveLogSoftmaxWithLoss
{
    /// <summary>The log-probs of all classes.</summary>
    /// <param name="input">Hidden vectors, [N, in] or [in].</param>
    /// <returns>[N, classes] or [classes].</returns>
    /// <exception cref="ArgumentException">The shape, the type or the device does not fit.</exception>
    /// <exception cref="InvalidOperationException">Somebody replaced a parameter by one that does not fit; the message names it.</exception>
    /// <exception cref="ObjectDisposedException">The module or a parameter is disposed.</exception>
    public Tensor log_prob(Tensor input)
    {
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
    /// <exception cref="ObjectDisposedException">The module or a parameter is disposed.</exception>
    public Tensor predict(Tensor input)
    {
        var weights = Tensors;
        CheckInput(input, dimensions: null);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var inputs = input.dim() == 1 ? input.unsqueeze(0) : input;
        var classes = FindBest(inputs, weights);
        return (input.dim() == 1 ? classes.squeeze(0) : classes).MoveToOuterDisposeScope();
    }

    private Tensor FindBest(Tensor input, SoftmaxTensors weights)
    {
        var head = HeadLogProbs(input, weights);
        var (best, classes) = head.narrow(1, 0, shortlist_size).max(1);
        var clusters = head.narrow(1, shortlist_size, n_clusters);
        var canWin = clusters.gt(best.unsqueeze(1));
        var counts = canWin.sum(dim: 0).cpu().data<long>().ToArray();
        if (counts.All(count => count == 0)) return classes;

        // The rows of each tail come first in its column: no wait for the device to find them.
        var rows = canWin.to(ScalarType.Byte).sort(0, descending: true, stable: true).Indices;
        foreach (var cluster in Layout.Tails.Where(cluster => counts[cluster.Index] > 0))
        {
            var members = rows.select(1, cluster.Index).narrow(0, 0, counts[cluster.Index]);
            var logProbs = TailLogProbs(cluster.Index, input.index_select(0, members), weights) + clusters.index_select(0, members).narrow(1, cluster.Index, 1);
            var (score, row) = logProbs.max(1);
            var (score0, class0) = (best.index_select(0, members), classes.index_select(0, members));
            var wins = score.gt(score0);
            best = best.index_copy(0, members, where(wins, score, score0));
            classes = classes.index_copy(0, members, where(wins, row + cluster.Start, class0));
        }

        return classes;
    }
}
