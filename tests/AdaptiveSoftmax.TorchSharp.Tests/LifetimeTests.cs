using AdaptiveSoftmax.Gpu.Tests;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp.Tests;

/// <summary>What calls leave behind: no tensors, no memory of threads that go on; and first calls from several threads.</summary>
[Collection(Backend.Collection)]
public sealed class LifetimeTests
{
    private static readonly TorchCase s_case = TorchCase.Find("three cutoffs, div 2");

    [Theory]
    [InlineData(SoftmaxImplementation.Fused)]
    [InlineData(SoftmaxImplementation.Composed)]
    public void NoCall_LeavesATensorBehind(SoftmaxImplementation implementation)
    {
        foreach (var reduction in Enum.GetValues<nn.Reduction>())
        {
            using var layer = new DynamicAdaptiveSoftmax(Vocabulary.SoftmaxLayout.Create(16, 100, [20, 60, 80], 2, hasHeadBias: true), seed: 1);
            using var module = s_case.Create(ScalarType.Float32, reduction: reduction);
            using var embed = new AdaptiveInput(module, tie_projections: true);
            using var own = new AdaptiveInput(16, 100, [20, 60, 80], 2);
            module.implementation = implementation;
            using var input = s_case.Input(ScalarType.Float32).requires_grad_();
            using var target = s_case.Target();
            using var single = input.detach()[0];
            using var singleTarget = target[0];
            using var wrong = tensor(new long[] { 1, 2, 100 });
            using var three = zeros(3, 16);
            var calls = new (string Name, Action Call)[]
            {
                ("forward", () => Drop(module.forward(input, target))),
                ("forward of one", () => Drop(module.forward(single, singleTarget))),
                ("forward without gradients", () =>
                {
                    using var off = no_grad();
                    Drop(module.forward(input, target));
                }),
                ("backward by the loss", () => Backward((_, loss) => loss.sum())),
                ("backward by the output", () => Backward((output, _) => output.sum())),
                ("backward by both, twice", () =>
                {
                    using var scope = NewDisposeScope();
                    var (output, loss) = module.forward(input, target);
                    var sum = output.sum() + loss.sum();
                    sum.backward(retain_graph: true);
                    sum.backward();
                }),
                ("second derivatives", () =>
                {
                    using var scope = NewDisposeScope();
                    var (output, loss) = module.forward(input, target);
                    var gradients = autograd.grad([loss.sum() * 2, output.sum()], [input], retain_graph: true, create_graph: true);
                    gradients[0].pow(2).sum().backward();
                }),
                ("autograd.grad", () =>
                {
                    using var scope = NewDisposeScope();
                    autograd.grad([module.forward(input, target).loss.sum()], [input, module.head.weight]);
                }),
                ("a failing backward", () =>
                {
                    using var scope = NewDisposeScope();
                    var loss = module.forward(input, target).loss.sum();
                    using (no_grad()) module.head.weight.mul_(1);
                    Assert.ThrowsAny<Exception>(() => loss.backward());
                }),
                ("targets out of range", () => Assert.Throws<ArgumentException>(() => module.forward(three, wrong))),
                ("log_prob", () => module.log_prob(input).Dispose()),
                ("predict", () => module.predict(input).Dispose()),
                ("embeddings", () => Embed(own)),
                ("tied embeddings", () => Embed(embed)),
                ("classes out of range", () => Assert.Throws<ArgumentException>(() => own.forward(wrong))),
                ("reset_parameters", () =>
                {
                    module.reset_parameters();
                    own.reset_parameters();
                }),
                ("FromTorch", () => layer.FromTorch(module)),
                ("CreateSlotTable", () => layer.CreateSlotTable().Dispose()),
            };
            foreach (var (name, call) in calls)
            {
                // The first call may keep what the module needs for the next; gradients are objects of their own.
                Run(call);
                var before = CountTensors();
                for (var repeat = 0; repeat < 4; repeat++) Run(call);
                Assert.True(Tensor.TotalCount == before, $"{name} with {reduction} leaves {(Tensor.TotalCount - before) / 4.0} tensors.");
            }

            void Run(Action call)
            {
                call();
                foreach (var one in module.parameters().Concat(own.parameters()).Concat(embed.parameters()).Append(input))
                {
                    one.grad?.Dispose();
                    one.grad = null;
                }
            }

            void Backward(Func<Tensor, Tensor, Tensor> choose)
            {
                using var scope = NewDisposeScope();
                var (output, loss) = module.forward(input, target);
                choose(output, loss).backward();
            }

            void Embed(AdaptiveInput embeddings)
            {
                using var scope = NewDisposeScope();
                embeddings.forward(target).pow(2).sum().backward();
            }
        }

        static void Drop((Tensor, Tensor) results)
        {
            results.Item1.Dispose();
            results.Item2.Dispose();
        }
    }

    // Each thread keeps a graph's gradients no longer than its backward pass.
    [Fact]
    public void ThreadsThatGoOn_HoldNoGradients()
    {
        using var module = s_case.Create(ScalarType.Float32);
        module.implementation = SoftmaxImplementation.Fused;
        using var input = s_case.Input(ScalarType.Float32).requires_grad_();
        using var target = s_case.Target();
        using var done = new CountdownEvent(4);
        using var end = new ManualResetEventSlim();
        Step();
        var before = CountTensors();
        var threads = Enumerable.Range(0, 4).Select(_ => new Thread(() =>
        {
            lock (done) Step();
            done.Signal();
            end.Wait(CancellationToken.None);
        })).ToArray();
        foreach (var thread in threads) thread.Start();
        done.Wait(TestContext.Current.CancellationToken);
        var after = Tensor.TotalCount;
        end.Set();
        foreach (var thread in threads) thread.Join();
        Assert.Equal(before, after);

        void Step()
        {
            using var scope = NewDisposeScope();
            module.forward(input, target).loss.backward();
            foreach (var one in module.parameters().Append(input))
            {
                one.grad?.Dispose();
                one.grad = null;
            }
        }
    }

    [Fact]
    public void FirstCallsFromSeveralThreads_GiveTheResultsOfOne()
    {
        using var target = s_case.Target();
        using var input = s_case.Input(ScalarType.Float32);
        for (var attempt = 0; attempt < 100; attempt++)
        {
            foreach (var implementation in new[] { SoftmaxImplementation.Composed, SoftmaxImplementation.Fused })
            {
                using var module = s_case.Create(ScalarType.Float32);
                module.implementation = implementation;
                using var embed = new AdaptiveInput(module, tie_projections: true);
                var results = new float[4][];
                using var start = new Barrier(results.Length);
                var threads = results.Select((_, i) => new Thread(() =>
                {
                    start.SignalAndWait();
                    using var scope = NewDisposeScope();
                    using var off = no_grad();
                    results[i] = [module.forward(input, target).loss.item<float>(), embed.forward(target).sum().item<float>()];
                })).ToArray();
                foreach (var thread in threads) thread.Start();
                foreach (var thread in threads) thread.Join();
                Assert.All(results, result => Assert.Equal(results[0], result));
            }
        }
    }

    // Without those that other tests left to the collector.
    private static long CountTensors()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Tensor.TotalCount;
    }
}
