using AdaptiveSoftmax.Gpu.Tests;
using AdaptiveSoftmax.Vocabulary;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp.Tests;

/// <summary>Predictions from what is not finite: the faults of the CPU's class, and other rows as without them.</summary>
[Collection(Backend.Collection)]
public sealed class DecodeFaultTests
{
    private const int Hidden = 20;
    private const int Rows = 40;

    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(Hidden, 400, [15, 30, 399], [9, 4, 2], hasHeadBias: true);

    public static TheoryData<float> Faults => [float.NaN, -float.NaN, float.PositiveInfinity, float.NegativeInfinity];

    [Theory]
    [MemberData(nameof(Faults))]
    public void HiddenVectorsFault_IsItsRowsAlone(float fault)
    {
        using var layer = Create();
        using var module = layer.ToTorch();
        var vectors = Vectors();
        using var sound = tensor(vectors, [Rows, Hidden]);
        using var expected = module.predict(sound, out var none);
        Assert.Empty(none);
        foreach (var row in new[] { 3, 39 }) vectors[(row * Hidden) + 7] = fault;
        using var input = tensor(vectors, [Rows, Hidden]);
        using var classes = module.predict(input, out var faults);
        var onCpu = Assert.Throws<DecodeException>(() => layer.Predict(vectors, new int[Rows]));
        Assert.Equal(onCpu.Faults, faults);
        Assert.Equal(expected.data<long>().ToArray().Select((one, row) => row is 3 or 39 ? -1 : one), classes.data<long>().ToArray());
        var error = Assert.Throws<DecodeException>(() => module.predict(input));
        Assert.Equal(onCpu.Message, error.Message);
        using var single = input[3];
        Assert.Equal(0, Assert.Throws<DecodeException>(() => module.predict(single)).Faults.Single().Row);

        // PyTorch's log_prob goes on with what it has, and so does this one.
        using var logProbs = module.log_prob(input);
        using var soundLogProbs = module.log_prob(sound);
        Assert.True(logProbs[3].isnan().all().item<bool>());
        foreach (var (one, other) in soundLogProbs[4].data<float>().ToArray().Zip(logProbs[4].data<float>().ToArray())) Assert.Equal(one, other, 1e-3f);
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public void WeightsFault_IsThatOfTheRowsThatReadIt(float fault)
    {
        for (var index = 0; index < 8; index++)
        {
            using var layer = Create();
            using var module = layer.ToTorch();
            var vectors = Vectors();
            using var input = tensor(vectors, [Rows, Hidden]);
            var expected = module.predict(input).data<long>().ToArray();
            layer.Parameters[index].EditRow(layer.Parameters[index].Rows - 1, row => row[^1] = fault);
            using (no_grad()) module.OrderedParameters()[index].view(-1)[-1].fill_(fault);
            var cluster = index < 2 ? 0 : index / 2;

            var classes = module.predict(input, out var faults).data<long>().ToArray();
            var onCpu = new List<DecodeFault>();
            try
            {
                layer.Predict(vectors, new int[Rows]);
            }
            catch (DecodeException exception)
            {
                onCpu.AddRange(exception.Faults);
            }

            Assert.Superset(onCpu.Select(found => (found.Row, found.Kind, found.Cluster)).ToHashSet(), faults.Select(found => (found.Row, found.Kind, found.Cluster)).ToHashSet());
            Assert.All(faults, found => Assert.Equal(cluster, found.Cluster));
            if (cluster == 0) Assert.Equal(Rows, faults.Count);
            Assert.Equal(faults.Select(found => found.Row).Order(), faults.Select(found => found.Row));
            for (var row = 0; row < Rows; row++) Assert.Equal(faults.Any(found => found.Row == row) ? -1 : expected[row], classes[row]);
        }
    }

    [Fact]
    public void DisposingWhileOthersCall_EndsTheirCallsOrRefusesThem()
    {
        var layout = SoftmaxLayout.Create(64, 20_000, [1000, 5000], 2);
        for (var round = 0; round < 12; round++)
        {
            using var layer = new DynamicAdaptiveSoftmax(layout, seed: 1);
            var module = layer.ToTorch();
            var embed = new AdaptiveInput(module, tie_projections: true);
            var calls = 0;
            Thread[] threads =
            [
                .. Enumerable.Range(0, 3).Select(kind => new Thread(() =>
                {
                    using var scope = NewDisposeScope();
                    using var off = no_grad();
                    var (input, target) = (randn(64, 64), arange(64, ScalarType.Int64) * 300);
                    try
                    {
                        while (true)
                        {
                            using var inner = NewDisposeScope();
                            _ = kind switch
                            {
                                0 => module.forward(input, target).loss,
                                1 => module.predict(input),
                                _ => embed.forward(target),
                            };
                            Interlocked.Increment(ref calls);
                        }
                    }
                    catch (ObjectDisposedException)
                    {
                        // As it should end.
                    }
                })),
            ];
            foreach (var thread in threads) thread.Start();
            SpinWait.SpinUntil(() => Volatile.Read(ref calls) > 3);
            module.Dispose();
            module.Dispose();
            foreach (var thread in threads) thread.Join();
            embed.Dispose();
        }
    }

    // Weights with which tails are visited, and win.
    private static DynamicAdaptiveSoftmax Create()
    {
        var layer = new DynamicAdaptiveSoftmax(s_layout, seed: 3);
        foreach (var parameter in layer.Parameters)
        {
            parameter.Edit(values =>
            {
                foreach (ref var value in values) value *= 6;
            });
        }

        return layer;
    }

    private static float[] Vectors() => [.. Enumerable.Range(0, Rows * Hidden).Select(i => 2 * MathF.Sin(i * i))];
}
