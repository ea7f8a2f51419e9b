using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp;

/// <summary>
/// A node behind that of <see cref="FusedFunction"/> in the graph, which lets go of the gradients that the latter returned.
/// </summary>
/// <remarks>
/// libtorch copies the references that a node gives it after the managed part of the node has returned, so that part cannot
/// let go of them itself. This node has edges to the same tensors: none of them receives its gradient before it has run,
/// and by then nobody else refers to the gradient, which libtorch takes as it is instead of copying it.
/// </remarks>
internal sealed class GradientRelease : autograd.MultiTensorFunction<GradientRelease>
{
    private const string Call = nameof(FusedCall);

    public override string Name => nameof(GradientRelease);

    /// <summary>An input for <see cref="FusedFunction"/>, [], behind which this node stands.</summary>
    /// <param name="call">The call.</param>
    /// <param name="tensors">The tensors that get a gradient from it.</param>
    public static Tensor Apply(FusedCall call, IEnumerable<Tensor> tensors) => apply([call, .. tensors])[0];

    /// <param name="ctx">The context.</param>
    /// <param name="vars">The call and the tensors.</param>
    public override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
    {
        ctx.save_data(Call, vars[0]);
        return [zeros([], ScalarType.Float32, CPU)];
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
    {
        var call = (FusedCall)ctx.get_data(Call);
        call.Release();
        grad_outputs.ForEach(gradient => gradient.Dispose());
        return [.. Enumerable.Repeat<Tensor>(null!, 1 + call.TensorCount)];
    }
}
