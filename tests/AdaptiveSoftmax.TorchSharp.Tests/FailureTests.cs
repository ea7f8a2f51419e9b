using System.Runtime.InteropServices;
using AdaptiveSoftmax.Gpu.Tests;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp.Tests;

/// <summary>Backward passes that fail: the exception says why, and no gradient is changed.</summary>
[Collection(Backend.Collection)]
public sealed class FailureTests
{
    private static readonly TorchCase s_case = TorchCase.Find("three cutoffs, div 2");

    [Theory]
    [InlineData(SoftmaxImplementation.Fused, "head.weight")]
    [InlineData(SoftmaxImplementation.Fused, "tail.1.1.weight")]
    [InlineData(SoftmaxImplementation.Fused, "input")]
    [InlineData(SoftmaxImplementation.Composed, "head.weight")]
    public void AValueChangedInPlaceBeforeTheBackwardPass_IsNamedAsTheCause(SoftmaxImplementation implementation, string changed)
    {
        using var module = Create(implementation);
        var (input, loss) = Loss(module);
        using (no_grad()) (changed == "input" ? input : module.named_parameters().Single(one => one.name == changed).parameter).mul_(2);
        Assert.Contains("modified by an inplace operation", Assert.ThrowsAny<ExternalException>(() => loss.backward()).Message, StringComparison.Ordinal);
        // The composed module comes as far as the graph is whole.
        if (implementation == SoftmaxImplementation.Fused) Assert.All(module.parameters(), parameter => Assert.Null(parameter.grad));
    }

    [Theory]
    [InlineData(SoftmaxImplementation.Fused, nn.Reduction.Mean)]
    [InlineData(SoftmaxImplementation.Fused, nn.Reduction.None)]
    [InlineData(SoftmaxImplementation.Composed, nn.Reduction.Mean)]
    public void ASecondBackwardPass_NeedsTheGraphRetained(SoftmaxImplementation implementation, nn.Reduction reduction)
    {
        using var module = Create(implementation, reduction);
        // By the same result, and by the other one.
        foreach (var second in new[] { 0, 1 })
        {
            module.zero_grad();
            var input = s_case.Input(ScalarType.Float32).requires_grad_();
            var (output, loss) = module.forward(input, s_case.Target());
            Tensor[] results = [loss.sum(), output.sum()];
            loss.sum().backward();
            var gradient = input.grad!.clone();
            var error = Assert.ThrowsAny<ExternalException>(() => results[second].backward());
            Assert.Contains("Trying to backward through the graph a second time", error.Message, StringComparison.Ordinal);
            Assert.True(gradient.Equals(input.grad!));
        }
    }

    [Fact]
    public void AnyFailure_ShowsItsOwnText_AndTheModuleGoesOn()
    {
        using var module = Create(SoftmaxImplementation.Fused);
        for (var attempt = 0; attempt < 3; attempt++)
        {
            var (_, loss) = Loss(module);
            // What no check of ours expects: the kernels' working memory is gone.
            var other = Create(SoftmaxImplementation.Fused);
            var (_, lost) = Loss(other);
            other.Dispose();
            var error = Assert.ThrowsAny<ExternalException>(() => lost.backward());
            Assert.IsType<ObjectDisposedException>(error.InnerException);
            Assert.Equal(error.InnerException.Message, error.Message);
            loss.backward();
            Assert.NotNull(module.head.weight.grad);
            module.zero_grad();
        }

        // Errors of others keep their own text.
        Assert.Contains("shapes", Assert.ThrowsAny<ExternalException>(() => zeros(2, 3).mm(zeros(2, 3))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FailuresOnSeveralThreads_EachShowTheirOwnText()
    {
        var errors = new Exception?[8];
        var threads = errors.Select((_, i) => new Thread(() =>
        {
            using var module = Create(SoftmaxImplementation.Fused);
            var (input, loss) = Loss(module);
            using (no_grad()) (i % 2 == 0 ? input : module.head.weight).mul_(2);
            errors[i] = Record.Exception(() => loss.backward());
        })).ToArray();
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
        for (var i = 0; i < errors.Length; i++)
        {
            var error = Assert.IsType<ExternalException>(errors[i]);
            Assert.Contains(i % 2 == 0 ? "[13, 16]" : "[23, 16]", error.Message, StringComparison.Ordinal);
        }
    }

    private static AdaptiveLogSoftmaxWithLoss Create(SoftmaxImplementation implementation, nn.Reduction reduction = nn.Reduction.Mean)
    {
        var module = s_case.Create(ScalarType.Float32, reduction: reduction);
        module.implementation = implementation;
        return module;
    }

    private static (Tensor Input, Tensor Loss) Loss(AdaptiveLogSoftmaxWithLoss module)
    {
        var input = s_case.Input(ScalarType.Float32).requires_grad_();
        return (input, module.forward(input, s_case.Target()).loss);
    }
}
