using AdaptiveSoftmax.TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>
/// The <c>predict</c> of PyTorch's <c>nn.AdaptiveLogSoftmaxWithLoss</c> in TorchSharp's operations: rows whose best entry of
/// the head is a cluster compute every tail and all log-probs. Our own module's <c>predict</c> looks into fewer tails.
/// </summary>
/// <param name="module">The weights.</param>
/// <param name="multiply">weight [rows, columns] times hidden states [n, columns], which gives [n, rows].</param>
internal sealed class TorchPredict(AdaptiveLogSoftmaxWithLoss module, Func<Tensor, Tensor, Tensor> multiply)
{
    private readonly Tensor _head = module.head.weight;
    private readonly (Tensor Projection, Tensor Output)[] _tails =
        [.. module.tail.Select(tail => (((Linear)tail[0]).weight, ((Linear)tail[1]).weight))];

    /// <summary>The most probable slot of each hidden state, [n].</summary>
    public Tensor Predict(Tensor hidden)
    {
        var head = multiply(_head, hidden);
        if (module.head.bias is { } bias) head += bias;
        var best = head.argmax(1);
        var isInTail = best.ge(module.shortlist_size);
        if (!isInTail.any().item<bool>()) return best;
        if (isInTail.all().item<bool>()) return LogProbs(hidden, head).argmax(1);
        return best.masked_scatter(isInTail, LogProbs(hidden[isInTail], head[isInTail]).argmax(1));
    }

    private Tensor LogProbs(Tensor hidden, Tensor head)
    {
        var output = empty(hidden.shape[0], module.n_classes);
        var headLogProbs = special.log_softmax(head, 1);
        output.narrow(1, 0, module.shortlist_size).copy_(headLogProbs.narrow(1, 0, module.shortlist_size));
        foreach (var tail in module.Layout.Tails)
        {
            var (projection, weight) = _tails[tail.Index];
            var logProbs = special.log_softmax(multiply(weight, multiply(projection, hidden)), 1);
            output.narrow(1, tail.Start, tail.Size).copy_(logProbs + headLogProbs.narrow(1, module.shortlist_size + tail.Index, 1));
        }

        return output;
    }
}
