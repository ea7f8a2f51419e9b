using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Layers;

/// <summary>What is not finite, in every path of decoding on a device: the faults of the CPU, and other rows as without them.</summary>
public abstract class DecodeFaultTests
{
    // The last tail has one token, the one before more rows than one tile.
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(20, 400, [15, 30, 399], [9, 4, 2], hasHeadBias: true);

    // One vector, a few and many are decoded by kernels of their own.
    public static TheoryData<float, int> Cases => new()
    {
        { float.NaN, 1 },
        { float.NegativeInfinity, 1 },
        { -float.NaN, 9 },
        { float.PositiveInfinity, 9 },
        { float.NaN, 70 },
        { float.NegativeInfinity, 70 },
    };

    private protected abstract Accelerator Accelerator { get; }

    [Theory]
    [MemberData(nameof(Cases))]
    public void HiddenVectorsFault_IsItsRowsAlone(float fault, int rows)
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 3);
        using var host = new DynamicAdaptiveSoftmax(s_layout, seed: 3);
        Sharpen(layer, host);
        var hidden = Hidden(rows);
        var (tokens, logProbs) = (new int[rows], new float[rows * 400]);
        layer.Predict(hidden, tokens);
        layer.LogProb(hidden, logProbs);
        int[] faulty = rows == 1 ? [0] : [2, rows - 1];
        foreach (var row in faulty) hidden[(row * 20) + 7] = fault;

        var (actual, actualLogProbs) = (new int[rows], new float[rows * 400]);
        var error = Assert.Throws<DecodeException>(() => layer.Predict(hidden, actual));
        var expected = Assert.Throws<DecodeException>(() => host.Predict(hidden, new int[rows]));
        Assert.Equal(expected.Faults, error.Faults);
        Assert.Equal(expected.Message, error.Message);
        Assert.Equal(Enumerable.Range(0, rows).Select(row => faulty.Contains(row) ? -1 : tokens[row]), actual);
        error = Assert.Throws<DecodeException>(() => layer.LogProb(hidden, actualLogProbs));
        Assert.Equal(expected.Faults, error.Faults);
        foreach (var row in faulty) logProbs.AsSpan(row * 400, 400).Fill(float.NaN);
        Assert.Equal(logProbs, actualLogProbs);

        // Views wait for nothing, and so hold what is left instead of an error.
        using var vectors = Accelerator.Allocate1D(hidden);
        using var result = Accelerator.Allocate1D<int>(rows);
        using var results = Accelerator.Allocate1D<float>(rows * 400);
        layer.Predict(vectors.View, result.View);
        Assert.Equal(actual, result.GetAsArray1D());
        layer.LogProb(vectors.View, results.View);
        Assert.Equal(logProbs, results.GetAsArray1D());

        // The next call knows nothing of it.
        layer.Predict(Hidden(rows), actual);
        Assert.Equal(tokens, actual);
        layer.LogProb(Hidden(rows), actualLogProbs);
        Assert.DoesNotContain(actualLogProbs, float.IsNaN);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void WeightsFault_IsThatOfTheRowsThatReadIt(float fault, int rows)
    {
        // Of head and tails, weight, bias, projection and output; of many rows, which an emulator takes long for, one each.
        foreach (var index in rows > 64 ? [1, 4, 7] : Enumerable.Range(0, 8).ToArray())
        {
            using var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 3);
            using var host = new DynamicAdaptiveSoftmax(s_layout, seed: 3);
            Sharpen(layer, host);
            var hidden = Hidden(rows);
            var tokens = new int[rows];
            layer.Predict(hidden, tokens);
            var parameter = host.Parameters[index];
            // The last value, beside which there is nothing in its tile.
            parameter.EditRow(parameter.Rows - 1, row => row[^1] = fault);
            layer.Parameters[index].CopyFrom(parameter);
            var cluster = index < 2 ? 0 : index / 2;

            var actual = new int[rows];
            var onHost = Catch(() => host.Predict(hidden, new int[rows]));
            var onDevice = Catch(() => layer.Predict(hidden, actual));
            // Tails come in slot order on a device, so that it may visit more of them, and never fewer.
            Assert.Superset(onHost.Select(found => (found.Row, found.Kind, found.Cluster)).ToHashSet(), onDevice.Select(found => (found.Row, found.Kind, found.Cluster)).ToHashSet());
            Assert.All(onDevice, found => Assert.Equal((cluster, cluster == 0 ? DecodeFaultKind.HeadNotFinite : DecodeFaultKind.TailNotFinite), (found.Cluster, found.Kind)));
            if (cluster == 0) Assert.Equal(Enumerable.Range(0, rows), onDevice.Select(found => found.Row));
            for (var row = 0; row < rows; row++) Assert.Equal(onDevice.Any(found => found.Row == row) ? -1 : tokens[row], actual[row]);

            // All log-probs need every weight.
            var logProbs = new float[rows * 400];
            var all = Catch(() => layer.LogProb(hidden, logProbs));
            Assert.Equal(Catch(() => host.LogProb(hidden, new float[rows * 400])).Select(found => (found.Row, found.Kind, found.Cluster)), all.Select(found => (found.Row, found.Kind, found.Cluster)));
            Assert.Equal(rows, all.Count);
            Assert.All(logProbs, value => Assert.True(float.IsNaN(value)));
        }
    }

    [Fact]
    public void LogitBeyondFloat32_IsAFault()
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 3);
        var hidden = Hidden(3);
        hidden.AsSpan(20, 20).Fill(3e38f);
        var tokens = new int[3];
        var error = Assert.Throws<DecodeException>(() => layer.Predict(hidden, tokens));
        Assert.Equal((1, DecodeFaultKind.HeadNotFinite, 0), (error.Faults.Single().Row, error.Faults[0].Kind, error.Faults[0].Cluster));
        Assert.Equal([false, true, false], tokens.Select(token => token == -1));
        Assert.Contains("head.weight or head.bias holds values that are not finite or far too large", error.Message, StringComparison.Ordinal);
        Assert.Throws<DecodeException>(() => layer.Predict(hidden.AsSpan(20, 20)));
    }

    // Weights with which tails are visited, and win.
    private static void Sharpen(GpuAdaptiveSoftmax layer, AdaptiveSoftmaxLayer host)
    {
        for (var i = 0; i < host.Parameters.Count; i++)
        {
            host.Parameters[i].Edit(values =>
            {
                foreach (ref var value in values) value *= 6;
            });
            layer.Parameters[i].CopyFrom(host.Parameters[i]);
        }
    }

    private static float[] Hidden(int rows) => [.. Enumerable.Range(0, rows * 20).Select(i => 2 * MathF.Sin(i * i))];

    private static IReadOnlyList<DecodeFault> Catch(Action call)
    {
        try
        {
            call();
            return [];
        }
        catch (DecodeException exception)
        {
            return exception.Faults;
        }
    }
}

[Collection(Backend.Collection)]
public sealed class OpenClDecodeFaultTests : DecodeFaultTests
{
    private protected override Accelerator Accelerator => Backend.OpenCl;
}

[Collection(Backend.Collection)]
public sealed class CudaDecodeFaultTests : DecodeFaultTests
{
    private protected override Accelerator Accelerator => Backend.Cuda;
}
