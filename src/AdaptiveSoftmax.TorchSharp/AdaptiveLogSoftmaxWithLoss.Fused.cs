using TorchSharp;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp;

public sealed partial class AdaptiveLogSoftmaxWithLoss
{
    private bool UsesFused(Tensor input)
    {
        if (implementation == SoftmaxImplementation.Composed) return false;
        var obstacle = FindObstacle(input);
        if (obstacle is not null && implementation == SoftmaxImplementation.Fused)
            throw new InvalidOperationException($"The fused implementation takes contiguous parameters and an input on the processor in float32, and {obstacle}; move it, or choose the implementation Auto or Composed.");
        return obstacle is null;
    }

    private string? FindObstacle(Tensor input)
    {
        if (Describe(input) is { } found) return $"the input is {found}";
        foreach (var (name, parameter) in named_parameters())
        {
            if (Describe(parameter) is { } fault) return $"{name} is {fault}";
            if (!parameter.is_contiguous()) return $"{name} is not contiguous";
        }

        return null;

        static string? Describe(Tensor tensor) =>
            tensor.device_type != DeviceType.CPU || tensor.is_sparse ? $"on {tensor.device}" : tensor.dtype != ScalarType.Float32 ? $"of type {tensor.dtype}" : null;
    }

    private (Tensor Output, Tensor Loss) Fuse(Tensor input, Tensor target)
    {
        FusedFunction.ReleaseReturned();
        // A view that strides over memory, such as a transposed one, is copied.
        Tensor[] tensors = [input.contiguous(), .. OrderedParameters()];
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
            using (pass) return call.Forward(tensors, keepsLogits: false);
        }

        var results = FusedFunction.apply([call, tensors[0], .. tensors.Skip(1).Select(weight => weight.unsqueeze(0))]);
        return (results[0], results[1]);
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
