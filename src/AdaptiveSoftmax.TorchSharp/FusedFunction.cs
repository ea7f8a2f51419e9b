using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp;

/// <summary>
/// The node of <see cref="FusedCall"/> in TorchSharp's graph. Its inputs are the hidden vectors and the weights, each as
/// <c>[1, …]</c>: the node that takes this dimension away gives the weights a gradient that nobody else refers to, which
/// libtorch takes as it is; one that came from here directly, it would copy.
/// </summary>
internal sealed class FusedFunction : autograd.MultiTensorFunction<FusedFunction>
{
    private const string Call = nameof(FusedCall);

    // libtorch copies the references that it is given after backward has returned, on the same thread. Until the thread's
    // next call they must not be collected, and then they must not hold the memory of gradients any longer.
    [ThreadStatic] private static List<Tensor>? s_returned;

    public override string Name => nameof(FusedFunction);

    /// <summary>What the last backward pass on this thread returned.</summary>
    internal static IReadOnlyList<Tensor> Returned => s_returned ?? [];

    /// <summary>Lets go of what the last backward pass on this thread returned.</summary>
    public static void ReleaseReturned()
    {
        s_returned?.ForEach(tensor => tensor.Dispose());
        s_returned = null;
    }

    /// <param name="ctx">The context.</param>
    /// <param name="vars">The call, the hidden vectors and the weights.</param>
    public override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var call = (FusedCall)vars[0];
        List<Tensor> tensors = [.. vars.Skip(1).Cast<Tensor>()];
        ctx.set_materialize_grads(false);
        ctx.save_data(Call, call);
        ctx.save_for_backward(tensors);
        var (output, loss) = call.Forward(tensors, keepsLogits: true);
        return [output, loss];
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
    {
        ReleaseReturned();
        var call = (FusedCall)ctx.get_data(Call);
        List<Tensor?> gradients;
        try
        {
            var saved = ctx.get_saved_variables();
            gradients = is_grad_enabled() ? call.DifferentiableBackward(saved, grad_outputs) : call.Backward(saved, grad_outputs);
            foreach (var tensor in saved) tensor.Dispose();
        }
        catch (Exception exception)
        {
            // An exception cannot pass through libtorch and would end the process. A gradient of an impossible shape makes
            // libtorch refuse the backward pass itself.
            System.Diagnostics.Trace.TraceError($"The backward pass of {nameof(AdaptiveLogSoftmaxWithLoss)} failed: {exception.Message}");
            gradients = call.ImpossibleGradients();
        }

        s_returned = [.. gradients.OfType<Tensor>()];
        return [null!, .. gradients.Select(gradient => gradient!)];
    }
}
