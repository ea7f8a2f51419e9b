using AdaptiveSoftmax.Tests;
using AdaptiveSoftmax.Vocabulary;
using CsCheck;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Decoding;

/// <summary>
/// Weights of two bytes on a device against float64 of the same rounded weights, and against the CPU's
/// <see cref="QuantizedSoftmax"/>, whose values they are.
/// </summary>
public abstract class QuantizedSoftmaxTests
{
    // Rows of more than 128 values, of one tile and of one more; a cluster of one token; widths that fill no block of eight.
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(140, 700, [127, 300, 301], [20, 3, 9], hasHeadBias: true);

    private protected abstract Accelerator Accelerator { get; }

    /// <summary>How many random layouts a backend can afford.</summary>
    private protected virtual int Cases => 20;

    private protected virtual int ManyRows => 140;

    public static TheoryData<WeightPrecision> Precisions => [WeightPrecision.BFloat16, WeightPrecision.Float16];

    [Theory]
    [MemberData(nameof(Precisions))]
    public void LogProb_AgreesWithFloat64(WeightPrecision precision) => Sample(@case =>
    {
        using var host = @case.CreateLayer();
        using var layer = Create(host, precision);
        var (hidden, vocabulary) = (@case.Hidden(), @case.Layout.VocabularySize);
        var output = new float[@case.Tokens * vocabulary];
        layer.LogProb(hidden, output);
        Round(host, precision);
        var reference = new ReferenceSoftmax(host);
        for (var token = 0; token < @case.Tokens; token++)
        {
            var expected = reference.LogProb(Row(hidden, token, @case.Layout.HiddenSize));
            for (var slot = 0; slot < vocabulary; slot++) Assert.Equal(expected[slot], output[(token * vocabulary) + slot], 2e-4);
        }
    });

    [Theory]
    [MemberData(nameof(Precisions))]
    public void Predict_FindsTheLargestLogProbOfFloat64(WeightPrecision precision) => Sample(@case =>
    {
        using var host = @case.CreateLayer();
        Scale(host, 4);
        using var layer = Create(host, precision);
        var hidden = @case.Hidden();
        var tokens = new int[@case.Tokens];
        layer.Predict(hidden, tokens);
        Round(host, precision);
        var reference = new ReferenceSoftmax(host);
        for (var token = 0; token < @case.Tokens; token++)
        {
            // Nearly equal tokens may change places.
            var expected = reference.LogProb(Row(hidden, token, @case.Layout.HiddenSize));
            Assert.Equal(expected.Max(), expected[tokens[token]], 2e-4);
            Assert.Equal(expected.Max(), expected[layer.Predict(hidden.AsSpan(token * @case.Layout.HiddenSize, @case.Layout.HiddenSize))], 2e-4);
        }
    });

    [Theory]
    [MemberData(nameof(Precisions))]
    public void Rows_HaveTheSameBitsInBatchesOfAnySize(WeightPrecision precision)
    {
        using var host = new DynamicAdaptiveSoftmax(s_layout, seed: 3);
        Scale(host, 4);
        using var layer = Create(host, precision);
        using var session = layer.CreateSession();
        var hidden = Hidden(ManyRows);
        var (tokens, logProbs, whole) = (new int[ManyRows * 5], new float[ManyRows * 5], new float[ManyRows * 700]);
        session.TopK(hidden, tokens, logProbs, new TopKResult[ManyRows]);
        layer.LogProb(hidden, whole);
        foreach (var (first, count) in new[] { (0, 1), (3, 2), (5, 17), (ManyRows - 65, 65) })
        {
            var (few, fewLogProbs, some) = (new int[count * 5], new float[count * 5], new float[count * 700]);
            session.TopK(hidden.AsSpan(first * 140, count * 140), few, fewLogProbs, new TopKResult[count]);
            Assert.Equal(tokens[(first * 5)..((first + count) * 5)], few);
            Assert.Equal(logProbs[(first * 5)..((first + count) * 5)], fewLogProbs);
            layer.LogProb(hidden.AsSpan(first * 140, count * 140), some);
            Assert.Equal(whole[(first * 700)..((first + count) * 700)], some);
        }
    }

    [Theory]
    [MemberData(nameof(Precisions))]
    public void Sessions_ChooseWhatTheCpuChoosesOfTheSameWeights(WeightPrecision precision)
    {
        using var host = new DynamicAdaptiveSoftmax(s_layout, seed: 8);
        Scale(host, 5);
        using var small = host.Quantize(Options(precision));
        using var layer = new GpuQuantizedSoftmax(Accelerator, small);
        using var session = layer.CreateSession();
        using var onCpu = small.CreateSession();
        const int Rows = 12;
        var hidden = Hidden(Rows);
        var (tokens, logProbs, results) = (new int[Rows * 6], new float[Rows * 6], new TopKResult[Rows]);
        var (expectedTokens, expectedLogProbs, expectedResults) = (new int[Rows * 6], new float[Rows * 6], new TopKResult[Rows]);
        session.TopK(hidden, tokens, logProbs, results);
        onCpu.TopK(hidden, expectedTokens, expectedLogProbs, expectedResults);
        Assert.Equal(expectedTokens, tokens);
        for (var i = 0; i < logProbs.Length; i++) Assert.Equal(expectedLogProbs[i], logProbs[i], 1e-4);

        DecodeOptions[] options =
        [
            new DecodeOptions { TopP = 0.9f, TopLogProbs = 2 },
            new DecodeOptions { TopK = 20, Temperature = 0.8f },
            new DecodeOptions { Policy = DecodePolicy.Full, Mask = layer.CreateDenyMask([0, 5, 301]), RepetitionPenalty = 1.2f },
        ];
        DecodeSequence[] sequences = [.. Enumerable.Range(0, Rows).Select(row => new DecodeSequence(small, options[row % 3] with { Mask = options[row % 3].Mask is null ? null : small.CreateDenyMask([0, 5, 301]) }, (ulong)row))];
        DecodeSequence[] same = [.. sequences.Select(sequence => sequence.Fork(sequence.Random))];
        var (drawn, expected) = (new DecodedToken[Rows], new DecodedToken[Rows]);
        session.Sample(hidden, sequences, drawn);
        onCpu.Sample(hidden, same, expected);
        Assert.InRange(Enumerable.Range(0, Rows).Count(row => drawn[row].Token != expected[row].Token), 0, 1);
        session.Sample(hidden, [.. Enumerable.Range(0, Rows).Select(row => layer.CreateSequence(options[row % 3], (ulong)row))], drawn);
        Assert.InRange(Enumerable.Range(0, Rows).Count(row => drawn[row].Token != expected[row].Token), 0, 1);
    }

    [Fact]
    public void EachClusterMayHaveItsPrecision()
    {
        using var host = new DynamicAdaptiveSoftmax(s_layout, seed: 4);
        Scale(host, 4);
        using var small = host.Quantize(new QuantizationOptions { Head = WeightPrecision.Float32, TailOverrides = [WeightPrecision.BFloat16, WeightPrecision.Float16, WeightPrecision.Float32] });
        using var layer = new GpuQuantizedSoftmax(Accelerator, small);
        var (hidden, output, expected) = (Hidden(3), new float[3 * 700], new float[3 * 700]);
        layer.LogProb(hidden, output);
        small.LogProb(hidden, expected);
        for (var i = 0; i < output.Length; i++) Assert.Equal(expected[i], output[i], 1e-4);
        Assert.Equal(small.Precision, layer.Precision);
    }

    [Fact]
    public void Float16BelowItsNormalNumbers_IsExact()
    {
        // One token a row, whose logit is the row's only value: every subnormal number, both zeros, and the ends of the normal ones.
        float[] values = [.. Enumerable.Range(0, 1026).Concat([0x7BFE, 0x7BFF]).Select(bits => (float)BitConverter.UInt16BitsToHalf((ushort)bits))];
        var layout = SoftmaxLayout.CreateFull(1, 2 * values.Length);
        using var host = new DynamicAdaptiveSoftmax(layout);
        host.Parameters[0].Edit(row =>
        {
            for (var i = 0; i < row.Length; i++) row[i] = i < values.Length ? values[i] : -values[i - values.Length];
        });
        using var layer = Create(host, WeightPrecision.Float16);
        var logProbs = new float[layout.VocabularySize];

        // Scaled so that they differ by more than a log-prob is rounded.
        float[] hidden = [1 << 20];
        layer.LogProb(hidden, logProbs);
        Assert.Equal(0, logProbs[values.Length - 1]);
        hidden[0] = MathF.ScaleB(1, -6);
        Assert.Equal(values.Length - 1, layer.Predict(hidden));
        host.Parameters[0].Edit(row => row[(values.Length - 2)..].Clear());
        using var subnormal = Create(host, WeightPrecision.Float16);
        using var onCpu = host.Quantize(Options(WeightPrecision.Float16));
        var expected = new float[layout.VocabularySize];
        hidden[0] = 1 << 14;
        subnormal.LogProb(hidden, logProbs);
        onCpu.LogProb(hidden, expected);
        for (var slot = 0; slot < values.Length - 2; slot++) Assert.Equal(expected[slot] - expected[0], logProbs[slot] - logProbs[0], 2e-6);
        Assert.Equal(1, expected[1024] - expected[0], 1e-5);
    }

    // One vector, a few and many are decoded by kernels of their own.
    [Theory]
    [InlineData(float.NaN, 1)]
    [InlineData(float.NegativeInfinity, 9)]
    [InlineData(float.PositiveInfinity, 70)]
    public void WhatIsNotFinite_IsTheFaultOfTheRowsThatReadIt(float fault, int rows)
    {
        using var host = new DynamicAdaptiveSoftmax(s_layout, seed: 3);
        Scale(host, 4);
        var hidden = Hidden(rows);
        var tokens = new int[rows];
        using (var whole = Create(host, WeightPrecision.BFloat16))
        {
            whole.Predict(hidden, tokens);
            var other = Hidden(rows);
            other[^1] = fault;
            var error = Assert.Throws<DecodeException>(() => whole.Predict(other, new int[rows]));
            Assert.Equal([(rows - 1, DecodeFaultKind.HiddenNotFinite)], error.Faults.Select(found => (found.Row, found.Kind)));
        }

        // Of the head, a projection and outputs the last value, beside which there is nothing in its tile. Copies of layers have none,
        // files may.
        foreach (var (cluster, matrix) in new[] { (0, 0), (1, 0), (2, 1), (3, 1) })
        {
            using var small = host.Quantize(Options(WeightPrecision.BFloat16));
            var view = small.Clusters.ElementAt(cluster).Matrices.ElementAt(matrix).View;
            var row = view.Stored(view.Rows - 1, view.Rows).ToArray();
            BitConverter.TryWriteBytes(row.AsSpan(row.Length - 2), (ushort)(BitConverter.SingleToUInt32Bits(fault) >> 16));
            view.StoreRow(view.Rows - 1, row);
            using var layer = new GpuQuantizedSoftmax(Accelerator, small);
            var actual = new int[rows];
            var faults = Catch(() => layer.Predict(hidden, actual));
            Assert.All(faults, found => Assert.Equal((cluster, cluster == 0 ? DecodeFaultKind.HeadNotFinite : DecodeFaultKind.TailNotFinite), (found.Cluster, found.Kind)));
            if (cluster == 0) Assert.Equal(rows, faults.Count);
            for (var i = 0; i < rows; i++) Assert.Equal(faults.Any(found => found.Row == i) ? -1 : tokens[i], actual[i]);
            Assert.Equal(rows, Catch(() => layer.LogProb(hidden, new float[rows * 700])).Count);

            // Tails come in slot order on a device, so that it may visit more of them, and never fewer.
            Assert.Superset(Catch(() => small.Predict(hidden, new int[rows])).Select(found => found.Row).ToHashSet(), faults.Select(found => found.Row).ToHashSet());
        }
    }

    [Fact]
    public void DenseHeadOfACheckpoint_IsDecodedAsItIsStored()
    {
        using var host = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(96, 300), seed: 6);
        Scale(host, 3);
        Round(host, WeightPrecision.BFloat16);
        var stored = new byte[300 * 96 * 2];
        for (var i = 0; i < stored.Length / 2; i++) BitConverter.TryWriteBytes(stored.AsSpan(2 * i), (ushort)(BitConverter.SingleToUInt32Bits(host.Parameters[0].Values[i]) >> 16));
        var path = Path.Combine(Directory.CreateTempSubdirectory().FullName, "model.safetensors");
        var header = System.Text.Encoding.UTF8.GetBytes(FormattableString.Invariant($$$"""{"lm_head.weight":{"dtype":"BF16","shape":[300,96],"data_offsets":[0,{{{stored.Length}}}]}}"""));
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((ulong)header.Length), .. header, .. stored]);
        using var small = QuantizedSoftmax.LoadHead(path, host.Identity, token => token, slot => slot, cancellationToken: TestContext.Current.CancellationToken);
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
        using var layer = new GpuQuantizedSoftmax(Accelerator, small);
        Assert.Equal((WeightPrecision.BFloat16, stored.Length), (layer.Precision.Head, layer.WeightBytes));
        var hidden = Hidden(3).AsSpan(0, 3 * 96).ToArray();
        var logProbs = new float[3 * 300];
        layer.LogProb(hidden, logProbs);
        var reference = new ReferenceSoftmax(host);
        for (var row = 0; row < 3; row++)
        {
            var expected = reference.LogProb(Row(hidden, row, 96));
            for (var slot = 0; slot < 300; slot++) Assert.Equal(expected[slot], logProbs[(row * 300) + slot], 2e-4);
        }
    }

    [Fact]
    public void Weights_TakeTwoBytesAValueAndNothingBeside()
    {
        var layout = SoftmaxLayout.Create(64, 5000, [1000], [16]);
        using var host = new DynamicAdaptiveSoftmax(layout, seed: 2);
        using var small = host.Quantize(Options(WeightPrecision.BFloat16));
        using var layer = new GpuQuantizedSoftmax(Accelerator, small);
        Assert.Equal(small.WeightBytes, layer.WeightBytes);
        Assert.Equal(2 * ((1001 * 64) + (16 * 64) + (4000 * 16)), layer.WeightBytes);

        // Token ids, and some kilobytes for one vector.
        Assert.InRange(layer.WorkingBytes, 5000 * sizeof(int), (5000 * sizeof(int)) + 20_000);
        layer.Predict(new float[9 * 64], new int[9]);
        var working = layer.WorkingBytes;
        layer.Predict(new float[8 * 64], new int[8]);
        Assert.Equal(working, layer.WorkingBytes);
    }

    [Fact]
    public void SourceMayGoOnceTheWeightsAreCopied()
    {
        var host = new DynamicAdaptiveSoftmax(s_layout, seed: 2);
        var small = host.Quantize(Options(WeightPrecision.BFloat16));
        using var layer = new GpuQuantizedSoftmax(Accelerator, small);
        var (hidden, expected, tokens) = (Hidden(9), new int[9], new int[9]);
        small.Predict(hidden, expected);
        small.Dispose();
        host.Dispose();
        layer.Predict(hidden, tokens);
        Assert.Equal(expected, tokens);
        Assert.Throws<ObjectDisposedException>(() => new GpuQuantizedSoftmax(Accelerator, small));
        layer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => layer.Predict(hidden, tokens));
    }

    [Fact]
    public void Recordings_PredictForWhatTheirMemoryHoldsThen()
    {
        using var host = new DynamicAdaptiveSoftmax(s_layout, seed: 2);
        Scale(host, 4);
        using var layer = Create(host, WeightPrecision.BFloat16);
        foreach (var rows in new[] { 1, 9 })
        {
            using var hidden = Accelerator.Allocate1D<float>(rows * 140);
            using var tokens = Accelerator.Allocate1D<int>(rows);
            hidden.MemSetToZero();
            using var recording = layer.RecordPredict(hidden.View, tokens.View);
            hidden.CopyFromCPU(Hidden(rows));
            recording.Replay();
            var expected = new int[rows];
            layer.Predict(Hidden(rows), expected);
            Assert.Equal(expected, tokens.GetAsArray1D());
        }
    }

    [Fact]
    public void WhatADeviceDoesNotDecode_IsRefusedWithItsRemedy()
    {
        using var host = new DynamicAdaptiveSoftmax(s_layout, seed: 2);
        using var small = host.Quantize(new QuantizationOptions { Head = WeightPrecision.BFloat16 });
        var error = Assert.Throws<NotSupportedException>(() => new GpuQuantizedSoftmax(Accelerator, small));
        Assert.Equal("Tail 0 is in int8, which is not decoded on a device; quantize with Head and Tails in BFloat16 or Float16.", error.Message);
        using var all = host.Quantize();
        Assert.StartsWith("The head is in int8,", Assert.Throws<NotSupportedException>(() => new GpuQuantizedSoftmax(Accelerator, all)).Message, StringComparison.Ordinal);
        using var fits = host.Quantize(Options(WeightPrecision.BFloat16));
        Assert.Contains("are of training", Assert.Throws<ArgumentException>(() => new GpuQuantizedSoftmax(Accelerator, fits, new GpuOptions { TensorCores = TensorCoreUse.On })).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new GpuQuantizedSoftmax(Accelerator, fits, new GpuOptions { LogitBytes = -1 }));
        Assert.Throws<ArgumentNullException>(() => new GpuQuantizedSoftmax(Accelerator, null!));
        using var capped = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(8, 20, logitSoftCap: 30));
        using var smallCapped = capped.Quantize(Options(WeightPrecision.BFloat16));
        Assert.Contains("take the class on the CPU", Assert.Throws<NotSupportedException>(() => new GpuQuantizedSoftmax(Accelerator, smallCapped)).Message, StringComparison.Ordinal);
    }

    private protected GpuQuantizedSoftmax Create(AdaptiveSoftmaxLayer host, WeightPrecision precision)
    {
        using var small = host.Quantize(Options(precision));
        return new GpuQuantizedSoftmax(Accelerator, small);
    }

    private protected static QuantizationOptions Options(WeightPrecision precision) => new() { Head = precision, Tails = precision };

    private static void Scale(DynamicAdaptiveSoftmax host, float scale)
    {
        foreach (var parameter in host.Parameters)
        {
            foreach (ref var value in parameter.WritableValues) value *= scale;
        }
    }

    // The head's bias stays as it is.
    private static void Round(DynamicAdaptiveSoftmax host, WeightPrecision precision)
    {
        foreach (var parameter in host.Parameters.Where(parameter => !parameter.IsVector))
        {
            foreach (ref var value in parameter.WritableValues) value = precision == WeightPrecision.Float16 ? (float)(Half)value : Round(value);
        }

        static float Round(float value)
        {
            var bits = BitConverter.SingleToUInt32Bits(value);
            return BitConverter.UInt32BitsToSingle((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000);
        }
    }

    private static double[] Row(float[] hidden, int row, int size) => [.. hidden.Skip(row * size).Take(size).Select(value => (double)value)];

    private static float[] Hidden(int rows) => [.. Enumerable.Range(0, rows * 140).Select(i => 2 * MathF.Sin(i * i))];

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

    private void Sample(Action<LayerCase> check)
    {
        // Before sampling, which would take the skip of a missing device for a failure.
        _ = Accelerator;
        LayerCase.Any.Sample(check, iter: Cases, threads: 1);
    }
}

[Collection(Backend.Collection)]
public sealed class OpenClQuantizedSoftmaxTests : QuantizedSoftmaxTests
{
    private protected override Accelerator Accelerator => Backend.OpenCl;
}

[Collection(Backend.Collection)]
public sealed class CudaQuantizedSoftmaxTests : QuantizedSoftmaxTests
{
    private protected override Accelerator Accelerator => Backend.Cuda;
}
