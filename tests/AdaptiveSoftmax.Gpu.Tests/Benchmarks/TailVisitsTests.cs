using AdaptiveSoftmax.GpuBench;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Gpu.Tests.Benchmarks;

[Collection(Backend.Collection)]
public sealed class TailVisitsTests
{
    [Fact]
    public void TenAndFivePercentOfTokens_HaveACluster_AboveTheBestTokenOfTheShortlist()
    {
        const int Tokens = 200;
        var layout = SoftmaxLayout.Create(64, 700, [100, 300], [16, 4]);
        using var layer = new DynamicGpuSoftmax(Backend.OpenCl, layout, seed: 3);
        var hidden = Workload.Hidden(Tokens, layout.HiddenSize);
        var visits = TailVisits.Scale(layer, hidden);

        // The head's logits in float64, from the weights as they are on the device now.
        var weights = new float[layout.HeadRows * layout.HiddenSize];
        layer.Parameters[0].CopyTo(weights);
        for (var tail = 0; tail < 2; tail++)
        {
            var above = Enumerable.Range(0, Tokens).Select(token => Logit(token, 100 + tail) > Enumerable.Range(0, 100).Max(row => Logit(token, row))).ToArray();
            Assert.Equal(tail == 0 ? 20 : 10, above.Count(visit => visit));
            Assert.Equal(above, visits[tail]);
        }

        // Only the clusters' rows have changed.
        using var untouched = new DynamicAdaptiveSoftmax(layout, seed: 3);
        Assert.Equal(untouched.Parameters[0].Values[..(100 * 64)].ToArray(), weights[..(100 * 64)]);

        double Logit(int token, int row) => Enumerable.Range(0, 64).Sum(i => (double)hidden[(token * 64) + i] * weights[(row * 64) + i]);
    }
}
