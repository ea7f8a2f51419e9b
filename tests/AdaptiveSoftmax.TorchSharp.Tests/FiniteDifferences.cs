using static TorchSharp.torch;
using TorchParameter = TorchSharp.Modules.Parameter;

namespace AdaptiveSoftmax.TorchSharp.Tests;

/// <summary>Gradients against central differences in double precision.</summary>
internal static class FiniteDifferences
{
    private const double Step = 1e-5;
    private const double Tolerance = 1e-6;

    public static void AssertGradients(IEnumerable<(string Name, TorchParameter Parameter)> parameters, Func<Tensor> loss)
    {
        loss().backward();
        using var noGradient = no_grad();
        foreach (var (name, parameter) in parameters)
        {
            var (gradient, values) = (parameter.grad!.flatten(), parameter.view(-1));
            for (var i = 0; i < values.shape[0]; i++)
            {
                var before = values[i].item<double>();
                values[i] = before + Step;
                var above = loss().item<double>();
                values[i] = before - Step;
                var below = loss().item<double>();
                values[i] = before;
                Assert.True(Math.Abs(((above - below) / (2 * Step)) - gradient[i].item<double>()) < Tolerance, $"{name}[{i}]");
            }
        }
    }
}
