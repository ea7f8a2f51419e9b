using AdaptiveSoftmax.Gpu.Tests;
using TorchSharp;
using static TorchSharp.torch;
using TorchParameter = TorchSharp.Modules.Parameter;

namespace AdaptiveSoftmax.TorchSharp.Tests;

/// <summary>The fused implementation as a node of TorchSharp's graph.</summary>
[Collection(Backend.Collection)]
public sealed class FusedGraphTests
{
    private static readonly TorchCase s_case = TorchCase.Find("three cutoffs, div 2");

    [Fact]
    public void MicroBatches_AddToTheGradients_InAnyOrder()
    {
        using var pair = new FusedPair(s_case);
        pair.AssertSame(s_case.Input(), s_case.Target(), (module, input, target) =>
        {
            module.forward(input, target).loss.backward();
            // Two graphs at a time, whose backward passes come in the other order.
            var first = module.forward(input * 2, target.flip(0)).loss;
            var second = module.forward(input.narrow(0, 0, 3), target.narrow(0, 4, 3)).loss;
            (second * 0.5).backward();
            (first * 0.25).backward();
        });
    }

    [Fact]
    public void ARetainedGraph_GivesTheSameGradientAgain()
    {
        using var pair = new FusedPair(s_case);
        pair.AssertSame(s_case.Input(), s_case.Target(), (module, input, target) =>
        {
            var (output, loss) = module.forward(input, target);
            loss.backward(retain_graph: true);
            loss.backward(retain_graph: true);
            output.sum().backward();
        });
    }

    [Fact]
    public void AZeroedGradient_IsAddedToInPlace()
    {
        using var pair = new FusedPair(s_case);
        pair.AssertSame(s_case.Input(), s_case.Target(), (module, input, target) =>
        {
            module.forward(input, target).loss.backward();
            module.zero_grad(set_to_none: false);
            module.forward(input, target).loss.backward();
        });
    }

    [Theory]
    [InlineData("head.weight")]
    [InlineData("head.bias")]
    [InlineData("tail.0.0.weight")]
    [InlineData("tail.1.1.weight")]
    public void FrozenWeights_GetNoGradient_AndTheOthersDo(string frozen)
    {
        using var pair = new FusedPair(s_case);
        foreach (var module in new[] { pair.Fused, pair.Exact })
            module.named_parameters().Single(one => one.name == frozen).parameter.requires_grad = false;
        pair.AssertSame(s_case.Input(), s_case.Target(), (_, loss) => loss);
        Assert.Null(pair.Fused.named_parameters().Single(one => one.name == frozen).parameter.grad);
    }

    [Fact]
    public void FrozenModule_StillHasAnInputGradient_AndAnInputWithoutOneTrainsTheModule()
    {
        using var pair = new FusedPair(s_case);
        pair.AssertSame(s_case.Input(), s_case.Target(), (module, input, target) => module.forward(input.detach(), target).loss.backward());
        foreach (var parameter in pair.Fused.parameters().Concat(pair.Exact.parameters())) parameter.requires_grad = false;
        pair.AssertSame(s_case.Input(), s_case.Target(), (_, loss) => loss);
        Assert.False(pair.Fused.forward(s_case.Input(ScalarType.Float32), s_case.Target()).loss.requires_grad);
    }

    [Fact]
    public void WithoutGradients_ThereIsNoGraph_AndTheNumbersAreTheSame()
    {
        using var pair = new FusedPair(s_case);
        var input = s_case.Input(ScalarType.Float32).requires_grad_();
        var (output, loss) = pair.Fused.forward(input, s_case.Target());
        Assert.True(output.requires_grad && loss.requires_grad);
        pair.Fused.eval();
        foreach (var mode in new Func<IDisposable>[] { no_grad, () => inference_mode() })
        {
            using var off = mode();
            var (quiet, quietLoss) = pair.Fused.forward(input, s_case.Target());
            Assert.False(quiet.requires_grad || quietLoss.requires_grad);
            Assert.Equal(output.detach().data<float>().ToArray(), quiet.data<float>().ToArray());
            Assert.Equal(loss.item<float>(), quietLoss.item<float>());
        }
    }

    [Fact]
    public void AutogradGrad_GivesGradients_AndLeavesTheParametersAlone()
    {
        using var pair = new FusedPair(s_case);
        var input = s_case.Input(ScalarType.Float32).requires_grad_();
        TorchParameter[] parameters = [.. pair.Fused.parameters()];
        var found = autograd.grad([pair.Fused.forward(input, s_case.Target()).loss], [input, .. parameters]);
        Assert.All(parameters, parameter => Assert.Null(parameter.grad));
        pair.Fused.forward(input, s_case.Target()).loss.backward();
        foreach (var (gradient, tensor) in found.Zip(parameters.Prepend(input)))
            FusedPair.AssertClose("gradient", tensor.grad, gradient);
    }

    [Fact]
    public void SecondDerivatives_AreThoseOfTheComposedModule()
    {
        using var pair = new FusedPair(s_case, smoothing: 0.1);
        pair.AssertSame(s_case.Input(), s_case.Target(), (module, input, target) =>
        {
            var (output, loss) = module.forward(input, target);
            var gradients = autograd.grad([loss * 2, output.sum()], [input, module.Projection(0)], retain_graph: true, create_graph: true);
            (gradients.Select(gradient => gradient.pow(2).sum()).Aggregate((a, b) => a + b) + loss).backward();
        });
    }

    [Fact]
    public void WeightsReplacedBeforeTheBackwardPass_LeaveItsGraphWhole()
    {
        using var pair = new FusedPair(s_case);
        var input = s_case.Input(ScalarType.Float32).requires_grad_();
        pair.Fused.forward(input, s_case.Target()).loss.backward();
        var expected = input.grad!.clone();
        input.grad = null;
        var loss = pair.Fused.forward(input, s_case.Target()).loss;
        pair.Fused.to(ScalarType.Float64);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        loss.backward();
        FusedPair.AssertClose("input", expected, input.grad);
    }

    [Fact]
    public void Auto_IsFusedWhereThatApplies_AndComposedElsewhere()
    {
        using var pair = new FusedPair(s_case);
        var input = s_case.Input(ScalarType.Float32);
        using var noGradient = no_grad();
        float Loss(SoftmaxImplementation implementation, ScalarType type = ScalarType.Float32)
        {
            pair.Fused.implementation = implementation;
            return pair.Fused.forward(input.to(type), s_case.Target()).loss.item<float>();
        }

        Assert.Equal(SoftmaxImplementation.Auto, s_case.Create().implementation);
        Assert.Equal(Loss(SoftmaxImplementation.Fused), Loss(SoftmaxImplementation.Auto));
        Assert.Equal(Loss(SoftmaxImplementation.Composed), Loss(SoftmaxImplementation.Auto), 1e-5);
        pair.Fused.to(ScalarType.BFloat16);
        Assert.Equal(Loss(SoftmaxImplementation.Composed, ScalarType.BFloat16), Loss(SoftmaxImplementation.Auto, ScalarType.BFloat16));
        Assert.Throws<ArgumentException>(() => Loss((SoftmaxImplementation)7));
    }

    [Fact]
    public void Fused_SaysWhyItCannotServeACall()
    {
        using var pair = new FusedPair(s_case);
        AssertRefused("the input is of type BFloat16", s_case.Input(ScalarType.BFloat16));
        using (no_grad()) pair.Fused.Projection(1).set_(pair.Fused.Projection(1).t().contiguous().t());
        AssertRefused("tail.1.0.weight is not contiguous", s_case.Input(ScalarType.Float32));
        pair.Fused.to(ScalarType.Float64);
        AssertRefused("the input is of type Float64", s_case.Input());

        void AssertRefused(string message, Tensor input) =>
            Assert.Contains(message, Assert.Throws<InvalidOperationException>(() => pair.Fused.forward(input, s_case.Target())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TargetsOutOfRange_AreRefusedAsByTheComposedModule()
    {
        using var pair = new FusedPair(s_case);
        var target = s_case.Target() + 1;
        Assert.Equal(
            Assert.Throws<ArgumentException>(() => pair.Exact.forward(s_case.Input(), target)).Message,
            Assert.Throws<ArgumentException>(() => pair.Fused.forward(s_case.Input(ScalarType.Float32), target)).Message);
    }

    [Fact]
    public void Gradients_AreNotCopied()
    {
        using var pair = new FusedPair(s_case);
        using var memory = new DeferredMemory(1 << 20, 1 << 20);
        Tensor[] tensors = [s_case.Input(ScalarType.Float32).requires_grad_(), .. pair.Fused.OrderedParameters()];
        var pass = new DeferredPass(memory, pair.Fused.Layout, [.. s_case.Targets.Select(target => (int)target)], new LossOptions());
        var call = new FusedCall(pair.Fused, pass, [.. tensors.Select(_ => true)]);
        FusedFunction.Apply(call, tensors).sum().backward();
        Assert.Equal(call.Written, tensors.Select(tensor => Address(tensor.grad!)));
        Assert.Empty(call.Held);

        static unsafe nint Address(Tensor tensor)
        {
            fixed (byte* bytes = tensor.bytes) return (nint)bytes;
        }
    }

    [Fact]
    public void AModelTrains_AsWithTheComposedModule()
    {
        const int Steps = 40;
        double[] fused = Train(SoftmaxImplementation.Fused), composed = Train(SoftmaxImplementation.Composed);
        Assert.True(fused[^1] < 0.7 * fused[0], $"The loss went from {fused[0]} to {fused[^1]}.");
        foreach (var (one, other) in fused.Zip(composed)) Assert.Equal(other, one, 1e-3 * other);

        static double[] Train(SoftmaxImplementation implementation)
        {
            manual_seed(3);
            using var body = nn.Sequential(nn.Embedding(200, 24), nn.Linear(24, 32), nn.Tanh());
            using var softmax = new AdaptiveLogSoftmaxWithLoss(32, 200, [20, 80], div_value: 2) { implementation = implementation };
            TorchParameter[] parameters = [.. body.parameters(), .. softmax.parameters()];
            var optimizer = optim.AdamW(parameters, lr: 0.02);
            var random = new Random(4);
            var losses = new double[Steps];
            for (var step = 0; step < Steps; step++)
            {
                using var scope = NewDisposeScope();
                optimizer.zero_grad();
                // Each token is followed by one that it determines; small ones are frequent.
                long[] tokens = [.. Enumerable.Range(0, 48).Select(_ => (long)(200 * Math.Pow(random.NextDouble(), 3)))];
                var loss = softmax.forward(body.call(tensor(tokens)), tensor(tokens.Select(token => (token * 7) % 200).ToArray())).loss;
                loss.backward();
                nn.utils.clip_grad_norm_(parameters, 1);
                optimizer.step();
                losses[step] = loss.item<float>();
            }

            return losses;
        }
    }
}
