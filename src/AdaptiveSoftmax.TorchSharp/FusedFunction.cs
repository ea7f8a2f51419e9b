using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp;

/// <summary>
/// The node of <see cref="FusedCall"/> in TorchSharp's graph. Its inputs are that of <see cref="GradientRelease"/>, the hidden
/// vectors and the weights.
/// </summary>
internal sealed class FusedFunction : autograd.MultiTensorFunction<FusedFunction>
{
    private const string Call = nameof(FusedCall);

    private static readonly Tensor s_nothing = zeros([], ScalarType.Float32, CPU).DetachFromDisposeScope();

    // No input has its shape, so that libtorch refuses it.
    private static readonly Tensor s_impossible = zeros([0], ScalarType.Float32, CPU).DetachFromDisposeScope();

    public override string Name => nameof(FusedFunction);

    /// <summary>The results of a call, to be split by it, as a node of the graph.</summary>
    /// <param name="call">The call.</param>
    /// <param name="tensors">Input and weights.</param>
    public static Tensor Apply(FusedCall call, Tensor[] tensors) => apply([call, GradientRelease.Apply(call, tensors), .. tensors])[0];

    /// <param name="ctx">The context.</param>
    /// <param name="vars">The call, the input of <see cref="GradientRelease"/>, the hidden vectors and the weights.</param>
    public override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var call = (FusedCall)vars[0];
        List<Tensor> tensors = [.. vars.Skip(2).Cast<Tensor>()];
        ctx.set_materialize_grads(false);
        ctx.save_data(Call, call);
        ctx.save_for_backward(tensors);
        return [call.Forward(tensors, keepsLogits: true)];
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
    {
        using var scope = NewDisposeScope();
        using var incoming = grad_outputs[0];
        var call = (FusedCall)ctx.get_data(Call);
        try
        {
            var saved = ctx.get_saved_variables();
            call.Hold(incoming.IsInvalid ? new Tensor?[call.TensorCount] : is_grad_enabled() ? call.DifferentiableBackward(saved, incoming) : call.Backward(saved, incoming));
        }
        catch (Exception exception)
        {
            BackwardFailure.Report(exception);
            return [null!, s_nothing, .. call.WantsGradient.Select(wants => wants ? s_impossible : null!)];
        }

        return [null!, s_nothing, .. call.Held.Select(gradient => gradient!)];
    }
}
