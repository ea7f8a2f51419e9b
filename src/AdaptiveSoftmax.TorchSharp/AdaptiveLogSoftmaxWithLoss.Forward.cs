using System.Globalization;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp;

public sealed partial class AdaptiveLogSoftmaxWithLoss
{
    /// <summary>The log-prob of each target, and the loss.</summary>
    /// <param name="input">Hidden vectors, [N, in] or [in].</param>
    /// <param name="target">Classes, [N] or [].</param>
    /// <returns>
    /// log p(target), [N] or [], 0 where the target is ignored; and the loss, [], or with the reduction <c>None</c> in the
    /// shape of the targets. The loss of no targets is 0, where PyTorch gives NaN.
    /// </returns>
    /// <exception cref="ArgumentException">Shapes, types or devices do not agree, or a target is out of range.</exception>
    /// <exception cref="InvalidOperationException">Somebody replaced a parameter by one that does not fit; the message names it.</exception>
    /// <exception cref="ObjectDisposedException">The module or a parameter is disposed.</exception>
    public override (Tensor output, Tensor loss) forward(Tensor input, Tensor target)
    {
        using var use = Use();
        var parameters = CheckedParameters();
        CheckTarget(input, target);
        using var scope = NewDisposeScope();
        var isSingle = target.dim() == 0;
        var inputs = isSingle ? input.unsqueeze(0) : input;
        var targets = (isSingle ? target.unsqueeze(0) : target).to(ScalarType.Int64);
        var ordered = parameters.Select(pair => pair.Parameter);
        var (output, loss) = UsesFused(inputs, parameters) ? Fuse(inputs, targets, ordered) : Compose(inputs, targets, SoftmaxTensors.From(Layout, [.. ordered]));
        if (isSingle && reduction == nn.Reduction.None) loss = loss.squeeze(0);
        return ((isSingle ? output.squeeze(0) : output).MoveToOuterDisposeScope(), loss.MoveToOuterDisposeScope());
    }

    /// <summary>Output, [N], and loss, [] or [N], by TorchSharp's operations.</summary>
    internal (Tensor Output, Tensor Loss) Compose(Tensor input, Tensor target, SoftmaxTensors weights)
    {
        var (output, losses, active) = ComputeLosses(input, target, weights);
        var loss = reduction switch
        {
            nn.Reduction.None => losses,
            nn.Reduction.Sum => losses.sum(),
            _ => losses.sum() / Math.Max(1, active),
        };
        return (output, loss);
    }

    // Log-probs and losses in the order of the batch, 0 where the target is ignored, and how many are not.
    private (Tensor Output, Tensor Losses, long Active) ComputeLosses(Tensor input, Tensor target, SoftmaxTensors weights)
    {
        var groups = _grouping.Group(target, ignore_index, nameof(target));
        var inputs = input.index_select(0, groups.Order);
        var targets = target.index_select(0, groups.Order);
        var logProbs = HeadLogProbs(inputs, weights);
        var columns = groups.HeadColumns(targets, shortlist_size);
        var output = logProbs.gather(1, columns.unsqueeze(1)).squeeze(1);
        var sums = label_smoothing > 0 ? logProbs.narrow(1, 0, shortlist_size).sum(1) : null;
        var parts = new List<Tensor> { zeros(groups.ShortlistCount, output.dtype, output.device) };
        var start = groups.ShortlistCount;
        foreach (var cluster in Layout.Tails)
        {
            var count = groups.TailCounts[cluster.Index];
            // Label smoothing gives every class a share, so that every position needs every tail.
            Tensor? inside = null;
            if (sums is not null)
            {
                inside = TailLogProbs(cluster.Index, inputs, weights);
                sums += inside.sum(1) + (logProbs.select(1, shortlist_size + cluster.Index) * cluster.Size);
                inside = inside.narrow(0, start, count);
            }

            if (count == 0) continue;
            inside ??= TailLogProbs(cluster.Index, inputs.narrow(0, start, count), weights);
            parts.Add(inside.gather(1, (targets.narrow(0, start, count) - cluster.Start).unsqueeze(1)).squeeze(1));
            start += count;
        }

        output += cat(parts, 0);
        var losses = sums is null ? -output : -((output * (1 - label_smoothing)) + (sums * (label_smoothing / n_classes)));
        var none = zeros(target.shape[0], output.dtype, output.device);
        return (none.index_copy(0, groups.Order, output), none.index_copy(0, groups.Order, losses), groups.Active);
    }

    // [N, shortlist + clusters]
    private static Tensor HeadLogProbs(Tensor input, SoftmaxTensors weights)
    {
        var bias = weights.Bias is { } own ? Cast(own, input.dtype) : null;
        return LogSoftmax(nn.functional.linear(input, Cast(weights.Head, input.dtype), bias));
    }

    // [N, size of the cluster], within the cluster
    private static Tensor TailLogProbs(int cluster, Tensor input, SoftmaxTensors weights)
    {
        var (projection, output) = weights.Tails[cluster];
        return LogSoftmax(nn.functional.linear(nn.functional.linear(input, Cast(projection, input.dtype)), Cast(output, input.dtype)));
    }

    private static Tensor LogSoftmax(Tensor logits) => special.log_softmax(logits, 1, IsHalf(logits.dtype) ? ScalarType.Float32 : null);

    private static Tensor Cast(Tensor weight, ScalarType type) => weight.dtype == type ? weight : weight.to(type);

    private static bool IsHalf(ScalarType type) => type is ScalarType.Float16 or ScalarType.BFloat16;

    private void CheckTarget(Tensor input, Tensor target)
    {
        ArgumentNullException.ThrowIfNull(target);
        if (target.dim() > 1)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"The target has {target.dim()} dimensions; it must be [N] for an input of [N, {in_features}], or [] for one of [{in_features}]."), nameof(target));
        CheckInput(input, (int)target.dim() + 1);
        if (target.dim() == 1 && target.shape[0] != input.shape[0])
            throw new ArgumentException($"There are {target.shape[0]} targets for {input.shape[0]} hidden vectors; give one each.", nameof(target));
        ModuleArguments.CheckClasses(target, nameof(target));
        ModuleArguments.CheckDevice(target, nameof(target), head.weight.device);
    }

    private void CheckInput(Tensor input, int? dimensions)
    {
        ArgumentNullException.ThrowIfNull(input);
        if (dimensions is { } wanted && input.dim() != wanted)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"The input has {input.dim()} dimensions; for a target with {wanted - 1} it must have {wanted}."), nameof(input));
        if (input.dim() is not (1 or 2))
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"The input has {input.dim()} dimensions; it must be [N, {in_features}] or [{in_features}]."), nameof(input));
        if (input.shape[^1] != in_features)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"A hidden vector of the input has {input.shape[^1]} values; it must have in_features, {in_features}."), nameof(input));
        var type = head.weight.dtype;
        ModuleArguments.CheckDevice(input, nameof(input), head.weight.device);
        if (input.dtype != type && !(IsHalf(input.dtype) && type == ScalarType.Float32))
            throw new ArgumentException($"The input's type is {input.dtype} and that of the parameters is {type}; only a half-precision input may differ, for parameters in float32.", nameof(input));
    }
}
