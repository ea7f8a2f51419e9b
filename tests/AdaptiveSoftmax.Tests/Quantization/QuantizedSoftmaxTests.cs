using AdaptiveSoftmax.Vocabulary;
using CsCheck;

namespace AdaptiveSoftmax.Tests.Quantization;

public unsafe class QuantizedSoftmaxTests
{
    [Theory]
    [InlineData(WeightPrecision.Float32)]
    [InlineData(WeightPrecision.BFloat16)]
    [InlineData(WeightPrecision.Float16)]
    public void EveryVectorWidth_MultipliesTheStoredValues(WeightPrecision precision) => Gen.Select(Gen.Int[1, 40], Gen.Int[1, 300], Gen.Int).Sample(
        (rows, columns, seed) =>
        {
            var random = new Random(seed);
            using var source = new Parameter("w", rows, columns);
            foreach (ref var value in source.WritableValues) value = (float)((random.NextDouble() * 2) - 1);
            using var matrix = new QuantizedMatrix(WorkerPool.Get(2), source, precision);
            using var input = new NativeArray(columns, random);
            using var outputs = new NativeArray(rows, random);
            var stored = Stored(source, precision);
            for (var width = 0; width < 3; width++)
            {
                outputs.Span.Clear();
                if (width == 0) matrix.View.MultiplyRows<Simd128>(input.Pointer, outputs.Pointer, 0, rows);
                else if (width == 1) matrix.View.MultiplyRows<Simd256>(input.Pointer, outputs.Pointer, 0, rows);
                else matrix.View.MultiplyRows<Simd512>(input.Pointer, outputs.Pointer, 0, rows);
                outputs.AssertGuardsAreWhole();
                for (var row = 0; row < rows; row++)
                {
                    var expected = 0.0;
                    for (var k = 0; k < columns; k++) expected += stored[(row * columns) + k] * input[k];
                    // 300 products of at most 1 in float32.
                    Assert.Equal(expected, outputs[row], 5e-5);
                }
            }

            using var widened = new NativeArray(rows * columns, random);
            matrix.View.Widen(0, rows, widened.Pointer);
            widened.AssertGuardsAreWhole();
            for (var i = 0; i < stored.Length; i++) Assert.Equal(stored[i], widened[i], 1e-7);
        },
        iter: 100);

    [Fact]
    public void LogProb_OfOneTokenAndOfBlocks_IsThatOfTheStoredWeights() => Gen.Select(LayerCase.Any, Gen.Int[0, 4], Gen.Int[0, 4]).Sample(
        (@case, head, tails) =>
        {
            using var layer = @case.CreateLayer();
            var options = new QuantizationOptions { Head = (WeightPrecision)head, Tails = (WeightPrecision)tails };
            using var quantized = layer.Quantize(options);
            foreach (var parameter in layer.Parameters)
            {
                var precision = parameter.Name == "head.weight" ? options.Head
                    : parameter.Name == "head.bias" ? WeightPrecision.Float32
                    : parameter.Name.EndsWith(".1.weight", StringComparison.Ordinal) ? options.Tails
                    : options.Tails is WeightPrecision.Int8 or WeightPrecision.Int4 ? WeightPrecision.BFloat16 : options.Tails;
                var stored = Stored(parameter, precision);
                for (var i = 0; i < stored.Length; i++) parameter.WritableValues[i] = (float)stored[i];
            }

            var reference = new ReferenceSoftmax(layer);
            layer.Dispose();
            var hidden = @case.Hidden();
            var vocabulary = @case.Layout.VocabularySize;
            var output = new float[@case.Tokens * vocabulary];
            var predictions = new int[@case.Tokens];
            quantized.LogProb(hidden, output);
            quantized.Predict(hidden, predictions);
            for (var token = 0; token < @case.Tokens; token++)
            {
                double[] vector = [.. hidden.AsSpan(token * @case.Layout.HiddenSize, @case.Layout.HiddenSize).ToArray().Select(value => (double)value)];
                var expected = reference.LogProb(vector);
                for (var slot = 0; slot < vocabulary; slot++)
                    Assert.Equal(expected[slot], output[(token * vocabulary) + slot], 2e-5 * (1 + Math.Abs(expected[slot])));
                var row = output.AsSpan(token * vocabulary, vocabulary).ToArray();
                Assert.Equal(Array.IndexOf(row, row.Max()), predictions[token]);
            }
        },
        iter: 60);

    [Fact]
    public void Threads_DoNotChangeTheBits()
    {
        var layout = SoftmaxLayout.Create(64, 9000, [1500, 4000], hasHeadBias: true);
        var random = new Random(3);
        float[] hidden = [.. Enumerable.Range(0, 64 * 20).Select(_ => (float)random.NextDouble())];
        float[]? expected = null;
        foreach (var threads in (int[])[1, 2, 5])
        {
            using var layer = new DynamicAdaptiveSoftmax(layout, 7, new AdaptiveSoftmaxOptions { Threads = threads });
            using var quantized = layer.Quantize();
            var output = new float[21 * 9000];
            quantized.LogProb(hidden.AsSpan(0, 64), output.AsSpan(0, 9000));
            quantized.LogProb(hidden, output.AsSpan(9000));
            expected ??= output;
            Assert.True(expected.AsSpan().SequenceEqual(output));
        }
    }

    [Fact]
    public void WeightBytes_AreAnEighthInInt4_AQuarterInInt8_AndAHalfInBFloat16()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(512, 20000, [2000]));
        var full = layer.Parameters.Sum(parameter => parameter.Count) * 4.0;
        using var bytes = layer.Quantize();
        using var halves = layer.Quantize(new QuantizationOptions { Head = WeightPrecision.BFloat16, Tails = WeightPrecision.BFloat16 });
        Assert.Equal(0.5, halves.WeightBytes / full);
        Assert.InRange(bytes.WeightBytes / full, 0.25, 0.27);
        using var small = layer.Quantize(new QuantizationOptions { Head = WeightPrecision.Int4, Tails = WeightPrecision.Int4 });
        Assert.Equal((2001 * ((512 / 32 * 18) + 4)) + (128 * 512 * 2) + (18000 * ((128 / 32 * 18) + 4)), small.WeightBytes);
    }

    [Fact]
    public void EveryFiniteFloat16_IsWidenedExactly_AtEveryVectorWidth()
    {
        var halves = Enumerable.Range(0, 1 << 16).Select(bits => BitConverter.UInt16BitsToHalf((ushort)bits)).Where(Half.IsFinite).ToArray();
        var widened = new float[halves.Length];
        fixed (Half* source = halves)
        fixed (float* target = widened)
        {
            Widen<Simd128>(source, target, halves.Length);
            Check();
            Widen<Simd256>(source, target, halves.Length);
            Check();
            Widen<Simd512>(source, target, halves.Length);
            Check();
        }

        void Check()
        {
            for (var i = 0; i < halves.Length; i++) Assert.Equal(BitConverter.SingleToInt32Bits((float)halves[i]), BitConverter.SingleToInt32Bits(widened[i]));
            Array.Clear(widened);
        }

        static void Widen<TSimd>(Half* source, float* target, int count)
            where TSimd : unmanaged, ISimd<TSimd>
        {
            for (var i = 0; i + TSimd.Width <= count; i += TSimd.Width) TSimd.Store(TSimd.LoadFloat16(source + i), target + i);
        }
    }

    [Fact]
    public void ANumberBeyondFloat16_IsRefusedByName()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(8, 20));
        layer.Parameters[0].WritableValues[37] = -65521;
        var options = new QuantizationOptions { Head = WeightPrecision.Float16 };
        Assert.Contains("'head.weight' holds a number of magnitude 65521", Assert.Throws<ArgumentException>(() => layer.Quantize(options)).Message, StringComparison.Ordinal);
        layer.Parameters[0].WritableValues[37] = -65504;
        using var quantized = layer.Quantize(options);
    }

    [Fact]
    public void BFloat16_RoundsToNearestEven()
    {
        Check(1 + (1 / 256f), 1);
        Check(1 + (3 / 256f), 1 + (2 / 128f));
        Check(1 + (1 / 256f) + (1 / 65536f), 1 + (1 / 128f));
        Check(float.NaN, float.NaN);
        Check(float.NegativeInfinity, float.NegativeInfinity);

        static void Check(float value, float expected)
        {
            using var source = new Parameter("w", 1, 1);
            source.WritableValues[0] = value;
            using var matrix = new QuantizedMatrix(WorkerPool.Get(2), source, WeightPrecision.BFloat16);
            float actual;
            matrix.View.Widen(0, 1, &actual);
            Assert.Equal(expected, actual);
        }
    }

    [Fact]
    public void PrecisionsThatDoNotFit_AreRefused()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(16, 50, [10, 30]));
        Assert.Throws<ArgumentException>(() => layer.Quantize(new QuantizationOptions { TailOverrides = [WeightPrecision.Int8] }));
        Assert.Throws<ArgumentException>(() => layer.Quantize(new QuantizationOptions { Head = (WeightPrecision)9 }));
    }

    [Fact]
    public void EachTail_HasAPrecisionOfItsOwn()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(16, 50, [10, 30], [8, 4]));
        using var quantized = layer.Quantize(new QuantizationOptions { TailOverrides = [WeightPrecision.Int8, WeightPrecision.Float32] });
        Assert.Equal((12 * 20) + (8 * 16 * 2) + (20 * 12) + (((4 * 16) + (20 * 4)) * 4), quantized.WeightBytes);
    }

    // What each format keeps of a value, by arithmetic in float64: bfloat16 has 8 significant bits, float16 has 11 down to 2⁻¹⁴.
    private static double[] Stored(Parameter source, WeightPrecision precision)
    {
        var values = source.Values.ToArray();
        if (precision == WeightPrecision.Int4) return Int4(source);
        return
        [
            .. values.Select((value, i) => precision switch
            {
                WeightPrecision.Float32 => value,
                WeightPrecision.BFloat16 => value == 0 ? 0 : Math.Round(value / Unit(value, 7)) * Unit(value, 7),
                WeightPrecision.Float16 => Math.Round(value / Math.Max(Unit(value, 10), Math.Pow(2, -24))) * Math.Max(Unit(value, 10), Math.Pow(2, -24)),
                _ => ToInt8(value, values.AsSpan(i / source.Columns * source.Columns, source.Columns)),
            }),
        ];

        static double Unit(float value, int bits) => Math.Pow(2, Math.Floor(Math.Log2(Math.Abs((double)value))) - bits);
    }

    // Int4RoundingTests hold what these are.
    private static double[] Int4(Parameter source)
    {
        using var matrix = new QuantizedMatrix(WorkerPool.Get(1), source, WeightPrecision.Int4);
        var values = new float[source.Count];
        fixed (float* target = values) matrix.View.Widen(0, source.Rows, target);
        return [.. values];
    }

    private static double ToInt8(float value, ReadOnlySpan<float> row)
    {
        var largest = 0f;
        foreach (var other in row) largest = Math.Max(largest, Math.Abs(other));
        var scale = largest / 127;
        return scale == 0 ? 0 : MathF.Round(value / scale) * (double)scale;
    }
}
