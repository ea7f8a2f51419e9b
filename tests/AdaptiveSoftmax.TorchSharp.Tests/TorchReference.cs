using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp.Tests;

/// <summary>
/// The definition of the adaptive softmax in TorchSharp's tensor operations: every log-prob by <c>linear</c> and
/// <c>log_softmax</c>, the loss by <c>cross_entropy</c> over all of them. Nothing of the module but its parameters is used.
/// </summary>
internal static class TorchReference
{
    public static Tensor LogProb(AdaptiveLogSoftmaxWithLoss module, Tensor input)
    {
        var weights = module.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter);
        var head = nn.functional.log_softmax(nn.functional.linear(input, weights["head.weight"], weights.GetValueOrDefault("head.bias")), 1);
        var clusters = weights.Keys.Count(name => name.EndsWith(".0.weight", StringComparison.Ordinal));
        var shortlist = head.shape[1] - clusters;
        var columns = new List<Tensor> { head.slice(1, 0, shortlist, 1) };
        for (var i = 0; i < clusters; i++)
        {
            var logits = nn.functional.linear(nn.functional.linear(input, weights[$"tail.{i}.0.weight"]), weights[$"tail.{i}.1.weight"]);
            columns.Add(nn.functional.log_softmax(logits, 1) + head.slice(1, shortlist + i, shortlist + i + 1, 1));
        }

        return cat(columns, 1);
    }

    // Log-probs are logits whose log-softmax is themselves.
    public static Tensor Loss(AdaptiveLogSoftmaxWithLoss module, Tensor input, Tensor target) =>
        nn.functional.cross_entropy(LogProb(module, input), target, ignore_index: module.ignore_index, reduction: module.reduction, label_smoothing: module.label_smoothing);
}
