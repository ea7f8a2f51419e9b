using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

public class ThreadCountTests
{
    [Fact]
    public void FewerThanOne_AreRefusedInOneWay_WhereverThreadsAreSaid()
    {
        using var weight = new Parameter("w", 2, 2);
        using var optimizer = new Sgd(0.1f);
        Action<int>[] places =
        [
            threads => _ = new AdaptiveSoftmaxOptions { Threads = threads },
            threads => optimizer.Threads = threads,
            threads => GradientClipping.ClipByGlobalNorm([weight], 1, threads: threads),
            threads => MatrixKernels.Forward(new float[2], weight, new float[2], threads),
            threads => MatrixKernels.InputGradient(new float[2], weight, new float[2], threads),
            threads => MatrixKernels.AddWeightGradient(new float[2], new float[2], weight, threads),
        ];
        foreach (var place in places)
        {
            foreach (var threads in (ReadOnlySpan<int>)[0, -1, int.MinValue])
            {
                var refusal = Assert.Throws<ArgumentOutOfRangeException>(() => place(threads));
                Assert.StartsWith(ThreadCount.Rule, refusal.Message, StringComparison.Ordinal);
                Assert.Equal(threads, refusal.ActualValue);
            }

            place(1);
            place(3);
        }
    }

    [Fact]
    public void WhereNothingIsSaid_AllProcessorsCompute()
    {
        using var optimizer = new Sgd(0.1f);
        Assert.Equal(Environment.ProcessorCount, AdaptiveSoftmaxOptions.Default.Threads);
        Assert.Equal(Environment.ProcessorCount, optimizer.Threads);
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(4, 10));
        Assert.Same(WorkerPool.Get(Environment.ProcessorCount), layer.Pool);
    }
}
