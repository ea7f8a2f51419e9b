using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp;

/// <summary>A function of the parameters of another module, in a place where a module with parameters of its own could stand.</summary>
/// <param name="name">The name of that module.</param>
/// <param name="function">The function.</param>
internal sealed class SharedModule(string name, Func<Tensor, Tensor> function) : nn.Module<Tensor, Tensor>(name)
{
    public override Tensor forward(Tensor input) => function(input);
}
