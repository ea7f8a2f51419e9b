using System.Globalization;
using TorchSharp.Modules;
using static TorchSharp.torch;
using TorchParameter = TorchSharp.Modules.Parameter;

namespace AdaptiveSoftmax.TorchSharp;

public sealed partial class AdaptiveLogSoftmaxWithLoss
{
    /// <summary>The parameters.</summary>
    internal SoftmaxTensors Tensors => SoftmaxTensors.From(Layout, OrderedParameters());

    /// <summary>The projection of a tail, [width, in].</summary>
    internal TorchParameter Projection(int cluster) => ((Linear)tail[cluster][0]).weight;

    /// <summary>The output of a tail, [size, width].</summary>
    internal TorchParameter Output(int cluster) => ((Linear)tail[cluster][1]).weight;

    /// <summary>Every parameter, in the order of a layer's.</summary>
    /// <inheritdoc cref="CheckedParameters" path="/exception"/>
    internal TorchParameter[] OrderedParameters() => [.. CheckedParameters().Select(pair => pair.Parameter)];

    /// <summary>Every parameter with its name, in the order of a layer's.</summary>
    /// <exception cref="InvalidOperationException">Somebody replaced one by another that does not fit; the message names it.</exception>
    /// <exception cref="ObjectDisposedException">The module or a parameter is disposed.</exception>
    internal List<(string Name, TorchParameter Parameter)> CheckedParameters()
    {
        if ((head.bias is not null) != Layout.HasHeadBias)
            throw new InvalidOperationException($"head.bias is {(Layout.HasHeadBias ? "missing; the head has one" : "there; the head has none")}.");
        if (tail.Count != Layout.TailCount || tail.Any(cluster => cluster.Count != 2))
            throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"tail must hold {Layout.TailCount} modules of a projection and an output each, and somebody changed that."));
        var found = new List<(string, TorchParameter)> { ("head.weight", ModuleParameters.Check(head.weight, "head.weight", Layout.HeadRows, Layout.HiddenSize)) };
        if (head.bias is { } bias) found.Add(("head.bias", ModuleParameters.Check(bias, "head.bias", Layout.HeadRows)));
        foreach (var cluster in Layout.Tails)
        {
            var modules = tail[cluster.Index];
            Add(string.Create(CultureInfo.InvariantCulture, $"tail.{cluster.Index}.0"), modules[0], cluster.ProjectionWidth, Layout.HiddenSize);
            Add(string.Create(CultureInfo.InvariantCulture, $"tail.{cluster.Index}.1"), modules[1], cluster.Size, cluster.ProjectionWidth);
        }

        ModuleParameters.CheckDevices(found);
        return found;

        void Add(string name, nn.IModule<Tensor, Tensor> module, int rows, int columns) =>
            found.Add(($"{name}.weight", ModuleParameters.Weight(module, name, rows, columns)));
    }
}
