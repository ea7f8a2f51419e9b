using TorchSharp;
using static TorchSharp.torch;
using TorchParameter = TorchSharp.Modules.Parameter;

namespace AdaptiveSoftmax.TorchSharp;

public sealed partial class AdaptiveLogSoftmaxWithLoss
{
    private bool UsesFused(Tensor input, List<(string, TorchParameter)> parameters)
    {
        if (implementation == SoftmaxImplementation.Composed) return false;
        var obstacle = FindObstacle(input, parameters);
        if (obstacle is not null && implementation == SoftmaxImplementation.Fused)
            throw new InvalidOperationException($"The fused implementation takes contiguous parameters and an input on the processor in float32, and {obstacle}; move it, or choose the implementation Auto or Composed.");
        return obstacle is null;
    }

    private static string? FindObstacle(Tensor input, List<(string, TorchParameter)> parameters)
    {
        if (Describe(input) is { } found) return $"the input is {found}";
        foreach (var (name, parameter) in parameters)
        {
            if (Describe(parameter) is { } fault) return $"{name} is {fault}";
            if (!parameter.is_contiguous() || parameter.is_neg()) return $"{name} is not contiguous";
        }

        return null;

        static string? Describe(Tensor tensor) =>
            tensor.device_type != DeviceType.CPU ? $"on {tensor.device}" : tensor.is_sparse ? "sparse" : tensor.dtype != ScalarType.Float32 ? $"of type {tensor.dtype}" : null;
    }

    private (Tensor Output, Tensor Loss) Fuse(Tensor input, Tensor target, IEnumerable<TorchParameter> parameters)
    {
        // A view that strides over memory, such as a transposed one, is copied.
        Tensor[] tensors = [input.resolve_neg().contiguous(), .. parameters];
        var options = new LossOptions
        {
            LabelSmoothing = (float)label_smoothing,
            Reduction = reduction == nn.Reduction.Mean ? Reduction.Mean : Reduction.Sum,
        };
        bool[] wantsGradient = [.. tensors.Select(tensor => tensor.requires_grad)];
        var pass = new DeferredPass(_memory, Layout, FindSlots(target), options);
        var call = new FusedCall(this, pass, wantsGradient);
        if (!is_grad_enabled() || !wantsGradient.Contains(true))
        {
            using (pass) return Copies(call.Forward(tensors, keepsLogits: false));
        }

        // A second backward pass without retain_graph is libtorch's error at nodes that saved a tensor. Both results come by
        // this one, whose saved 1 changes no bit.
        return Copies(FusedFunction.Apply(call, tensors) * ones([], ScalarType.Float32, CPU));

        // Views of one tensor would be changed together by an operation in place.
        (Tensor Output, Tensor Loss) Copies(Tensor results)
        {
            var (output, loss) = call.Split(results);
            return (output.clone(), loss.clone());
        }
    }

    private int[] FindSlots(Tensor target)
    {
        using var contiguous = target.cpu().contiguous();
        var classes = contiguous.data<long>();
        var slots = new int[target.shape[0]];
        var i = 0;
        foreach (var value in classes)
        {
            if (value != ignore_index && (value < 0 || value >= n_classes)) throw TokenGrouping.OutOfRange(Layout, target, ignore_index, nameof(target));
            slots[i++] = value == ignore_index ? TrainingBatch.Ignored : (int)value;
        }

        return slots;
    }
}
