using AdaptiveSoftmax.Vocabulary;
using CsCheck;

namespace AdaptiveSoftmax.Tests.Quantization;

public class CertifiedSoftmaxTests
{
    [Fact]
    public void Predictions_AreThoseOfTheStoredWeights() => Gen.Select(CertifiedCase.Any, Gen.Enum<ScreeningStages>(), Gen.Int[0, 2]).Sample(
        (@case, stages, stored) =>
        {
            using var float32 = @case.CreateLayer();
            using var copy = stored == 0 || @case.Kind == CertifiedCase.Trouble.Huge ? null : float32.Quantize(Both(stored == 1 ? WeightPrecision.BFloat16 : WeightPrecision.Float16, @case));
            var options = new CertifyOptions { Stages = stages };
            SoftmaxDecoder layer = copy is null ? float32 : copy;
            using var certified = copy is null ? float32.Certify(options) : copy.Certify(options);
            var hidden = @case.Hidden();
            var (expected, actual) = (new int[@case.Layer.Tokens], new int[@case.Layer.Tokens]);
            Assert.Equal(Faults(() => layer.Predict(hidden, expected)), Faults(() => certified.Predict(hidden, actual)));
            Assert.Equal(expected, actual);
            for (var token = 0; token < expected.Length; token++)
            {
                var one = new int[1];
                Faults(() => certified.Predict(hidden.AsSpan(token * layer.Layout.HiddenSize, layer.Layout.HiddenSize), one));
                Assert.Equal(expected[token], one[0]);
            }
        },
        iter: 3000);

    // float16 refuses what it cannot hold.
    private static QuantizationOptions Both(WeightPrecision precision, CertifiedCase @case)
    {
        if (@case.Kind is CertifiedCase.Trouble.OutliersInARow or CertifiedCase.Trouble.OneLongRow) precision = WeightPrecision.BFloat16;
        return new QuantizationOptions { Head = precision, Tails = precision };
    }

    // Where nearly all rows pass int4, the next predictions do not ask it, and where few do, int8 reads those alone.
    [Fact]
    public void Stages_ArePaidWhereTheyPay()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(64, 3000), 5);
        foreach (ref var value in layer.Parameters[0].WritableValues) value *= 8;
        using var certified = layer.Certify(new CertifyOptions { Stages = ScreeningStages.Int4ThenInt8 });
        for (var i = 0; i < 20; i++)
        {
            float[] peaked = [.. layer.Parameters[0].Row(i * 100).ToArray().Select(value => value * 3)];
            Assert.Equal(i * 100, certified.Predict(peaked));
            Assert.Equal(layer.Predict(peaked), certified.Predict(peaked));
        }

        var before = certified.Statistics;
        Assert.Equal(40 * 3000, before.Int4Rows);
        Assert.InRange(before.Int8Rows, 40, 40 * 3000 / 16);
        Assert.InRange(before.RescoredRows, 40, before.Int8Rows);
        var zero = new float[64];
        for (var i = 0; i < 66; i++) Assert.Equal(layer.Predict(zero), certified.Predict(zero));
        var after = certified.Statistics;

        // The first one and the last one ask int4, and read all rows in int8 then.
        Assert.Equal(2 * 3000, after.Int4Rows - before.Int4Rows);
        Assert.Equal((66 * 3000) + (2 * ((3000 / 16) + 16)), after.Int8Rows - before.Int8Rows);
        Assert.Equal(66, after.StoredPredictions - before.StoredPredictions);
    }

    [Fact]
    public void CopiesOfWholeNumbers_AndWeightsThatAreNotFinite_AreRefused()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(16, 90, [40]));
        using var whole = layer.Quantize();
        Assert.Contains("int8", Assert.Throws<ArgumentException>(() => whole.Certify()).Message, StringComparison.Ordinal);
        using var tail = layer.Quantize(new QuantizationOptions { Head = WeightPrecision.BFloat16, Tails = WeightPrecision.Int4 });
        Assert.Contains("Tail 0 is in int4", Assert.Throws<ArgumentException>(() => tail.Certify()).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => layer.Certify(new CertifyOptions { Stages = (ScreeningStages)9 }));
    }

    // Huge weights overflow, of which both say the same.
    private static IReadOnlyList<DecodeFault> Faults(Action predict)
    {
        try
        {
            predict();
            return [];
        }
        catch (DecodeException exception)
        {
            return exception.Faults;
        }
    }

    // Tokens of one tail, of the shortlist and of another tail whose log-probs lie within a few roundings of each other.
    [Fact]
    public void NearTiesBetweenParts_AreDecidedAsInFloat32() => Gen.Select(Gen.Int[1, 5000], Gen.Int[0, 40]).Sample(
        (seed, steps) =>
        {
            var layout = SoftmaxLayout.Create(16, 60, [20, 40], [16, 16], hasHeadBias: true);
            using var layer = new DynamicAdaptiveSoftmax(layout, (ulong)seed);
            foreach (var parameter in layer.Parameters)
            {
                foreach (ref var value in parameter.WritableValues) value *= 6;
            }

            var hidden = Peaked(layer, (ulong)seed, size: 16);
            var logProbs = new float[60];
            layer.LogProb(hidden, logProbs);
            var best = BestOf(logProbs, 0, 20);
            foreach (var (start, end) in ((int, int)[])[(20, 40), (40, 60)])
            {
                // The cluster's bias lifts its best token to the shortlist's, and then a few roundings further.
                var row = start / 20 - 1 + 20;
                for (var i = 0; i < 6; i++)
                {
                    layer.Parameters[1].WritableValues[row] += logProbs[best] - logProbs[BestOf(logProbs, start, end)];
                    layer.LogProb(hidden, logProbs);
                }

                ref var bias = ref layer.Parameters[1].WritableValues[row];
                for (var i = 0; i < steps; i++) bias = MathF.BitIncrement(bias);
                for (var i = 0; i < 20; i++) bias = MathF.BitDecrement(bias);
            }

            using var certified = layer.Certify();
            Assert.Equal(layer.Predict(hidden), certified.Predict(hidden));
        },
        iter: 1500);

    [Fact]
    public void OnAPeakedModel_FewRowsAreReadInFloat32()
    {
        var layout = SoftmaxLayout.Create(128, 20000, [1000, 6000], hasHeadBias: true);
        using var layer = new DynamicAdaptiveSoftmax(layout, 5);
        foreach (var parameter in layer.Parameters)
        {
            foreach (ref var value in parameter.WritableValues) value *= 8;
        }

        using var certified = layer.Certify();
        for (var i = 0; i < 200; i++)
        {
            var hidden = Peaked(layer, (ulong)i, size: 128);
            Assert.Equal(layer.Predict(hidden), certified.Predict(hidden));
        }

        var statistics = certified.Statistics;
        Assert.Equal(200, statistics.Predictions);
        Assert.InRange(statistics.ScreenedRows, 200 * layout.HeadRows, 200 * (layout.HeadRows + 19000));
        Assert.True(statistics.ScreenedRows > 200 * layout.HeadRows);
        Assert.InRange(statistics.RescoredRows, 200, statistics.ScreenedRows);
        Assert.True(statistics.RescoredShare < 0.05, $"{statistics}");
        Assert.True(statistics.StoredPredictions < 20, $"{statistics}");
    }

    [Fact]
    public void RowsThatAreAllTheSame_AreLeftToFloat32()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(16, 900, [500]), 5);
        using var certified = layer.Certify();
        Assert.Equal(0, certified.Predict(new float[16]));
        Assert.Equal(new CertifiedStatistics(1, 501, 0, 501, (500 / 16) + 16, 0, 1), certified.Statistics);
    }

    [Fact]
    public void AllOtherCalls_HaveTheFloat32LayersBits()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(40, 700, [90, 300], hasHeadBias: true), 8);
        using var certified = layer.Certify();
        var random = new Random(1);
        float[] hidden = [.. Enumerable.Range(0, 40 * 30).Select(_ => (float)random.NextDouble() * 9)];
        var (expected, actual) = (new float[30 * 700], new float[30 * 700]);
        layer.LogProb(hidden, expected);
        certified.LogProb(hidden, actual);
        Assert.True(expected.AsSpan().SequenceEqual(actual));
        var (tokens, predicted) = (new int[30], new int[30]);
        layer.Predict(hidden, tokens);
        certified.Predict(hidden, predicted);
        Assert.Equal(tokens, predicted);
        layer.TopK(hidden.AsSpan(0, 40), tokens, expected.AsSpan(0, 30));
        certified.TopK(hidden.AsSpan(0, 40), predicted, actual.AsSpan(0, 30));
        Assert.Equal(tokens, predicted);
        Assert.True(expected.AsSpan(0, 30).SequenceEqual(actual.AsSpan(0, 30)));
        Assert.Equal(0, certified.Statistics.Predictions);
    }

    [Fact]
    public void AChangedLayer_IsRefused()
    {
        var hidden = new float[16];
        hidden[3] = 1;
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(16, 90, [40]));
        Refuses(() =>
        {
            using var optimizer = new Sgd(0.1);
            layer.Backward(hidden, [3], new float[16]);
            optimizer.Step(layer);
        });
        Refuses(() => layer.Initialize(7));
        using var folder = new Checkpoints.TemporaryFolder();
        layer.Save(folder["w.safetensors"]);
        Refuses(() => layer.Restore(folder["w.safetensors"]));
        Refuses(() => layer.Parameters[2].Edit(values => values[0] += 1));
        Refuses(() => layer.Parameters[1].EditRow(3, row => row[1] -= 1));
        Refuses(() => layer.Parameters[0].Set(new float[layer.Parameters[0].Count]));
        Refuses(() =>
        {
            using var file = WeightsFile.Open(folder["w.safetensors"]);
            file.Read(file.Tensors.Single(tensor => tensor.Name == "tail.0.1.weight"), layer.Parameters[2]);
        });
        Refuses(() => Assert.Throws<TimeoutException>(() => layer.Parameters[0].Edit(_ => throw new TimeoutException())));

        void Refuses(Action change)
        {
            using var certified = layer.Certify();
            Assert.Equal(layer.Predict(hidden), certified.Predict(hidden));
            change();
            Assert.Contains("Certify() again", Assert.Throws<InvalidOperationException>(() => certified.Predict(hidden)).Message, StringComparison.Ordinal);
            Assert.Throws<InvalidOperationException>(() => certified.LogProbOf(hidden, 1));
        }
    }

    [Fact]
    public void ADisposedLayer_IsRefused()
    {
        var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(16, 90, [40]));
        using var certified = layer.Certify();
        layer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => certified.Predict(new float[16]));
        Assert.Throws<ObjectDisposedException>(() => layer.Certify());
    }

    [Fact]
    public void APrediction_AllocatesNothing()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(64, 3000, [200, 900]), 3);
        using var certified = layer.Certify();
        var hidden = Peaked(layer, 1, size: 64);
        for (var i = 0; i < 100; i++) certified.Predict(hidden);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++) certified.Predict(hidden);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void ScreeningBytes_AreAQuarterAndTwoFloatsARow()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(128, 20000, [2000]));
        using var certified = layer.Certify();
        Assert.Equal((2001 * (128 + 8)) + (18000 * (32 + 8)), certified.ScreeningBytes);
    }

    // A hidden vector near some row of the head, every third time a cluster's, so that the prediction is not a matter of chance.
    private static float[] Peaked(DynamicAdaptiveSoftmax layer, ulong seed, int size)
    {
        var random = new Random((int)seed);
        var row = layer.Parameters[0].Row(seed % 3 == 0 ? layer.Layout.HeadRows - 1 : random.Next(layer.Layout.ShortlistSize));
        var hidden = new float[size];
        for (var k = 0; k < size; k++) hidden[k] = (row[k] * 0.5f) + ((float)random.NextDouble() - 0.5f);
        return hidden;
    }

    private static int BestOf(float[] values, int start, int end)
    {
        var best = start;
        for (var i = start; i < end; i++)
        {
            if (values[i] > values[best]) best = i;
        }

        return best;
    }
}
