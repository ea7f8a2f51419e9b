using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Quantization;

public unsafe class RowRoundingTests
{
    private static readonly int[] s_threads = [1, 2, 3, 7];

    [Fact]
    public void Int8_IsTheDefinition_AtEveryLengthOfARow()
    {
        var random = new Random(1);
        for (var columns = 1; columns <= 70; columns++)
        {
            using var row = new NativeArray(columns, random);
            // A tie, the largest and a zero in places that move.
            row.Span[columns / 2] = 127;
            row.Span[columns / 3] = 2.5f;
            row.Span[columns / 5] = 0;
            var target = new sbyte[columns + 2];
            float scale;
            fixed (sbyte* pointer = target) scale = RowRounding.ToInt8(row.Pointer, columns, pointer + 1);
            Assert.Equal(row.Span.ToArray().Max(MathF.Abs) / 127, scale);
            Assert.Equal(row.Span.ToArray().Select(value => (sbyte)MathF.Round(value / scale)), target[1..^1]);
            Assert.Equal((0, 0), (target[0], target[^1]));
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void ARowThatIsNotFinite_HasNaNForAScale_WhereverTheValueStands(float value)
    {
        foreach (var columns in (ReadOnlySpan<int>)[1, 7, 8, 9, 16, 31, 33])
        {
            var target = new sbyte[columns];
            for (var at = 0; at < columns; at++)
            {
                using var row = new NativeArray(columns, new Random(1));
                row.Span[at] = value;
                fixed (sbyte* pointer = target) Assert.Equal(float.NaN, RowRounding.ToInt8(row.Pointer, columns, pointer));
            }
        }
    }

    [Fact]
    public void RowsOfZerosAndOfTheSmallestNumbers_StayInRange()
    {
        foreach (var largest in (ReadOnlySpan<float>)[0, float.Epsilon, 100 * float.Epsilon, 1e-38f, float.MaxValue])
        {
            var target = new sbyte[40];
            using var row = new NativeArray(40, new Random(1));
            row.Span.Fill(largest);
            row.Span[1] = -largest;
            fixed (sbyte* pointer = target) RowRounding.ToInt8(row.Pointer, 40, pointer);
            Assert.All(target, value => Assert.InRange(value, (sbyte)-127, (sbyte)127));
        }
    }

    [Fact]
    public void BFloat16_IsToNearestTiesToEven_AtEveryLengthOfARow()
    {
        var random = new Random(2);
        for (var columns = 1; columns <= 70; columns++)
        {
            using var row = new NativeArray(columns, random);
            for (var k = 0; k < columns; k++) row.Span[k] = BitConverter.UInt32BitsToSingle((uint)random.NextInt64(1L << 32));
            row.Span[columns / 2] = float.NaN;
            row.Span[columns / 3] = BitConverter.UInt32BitsToSingle(0x3F808000);
            row.Span[columns / 5] = BitConverter.UInt32BitsToSingle(0x3F818000);
            var target = new ushort[columns + 2];
            fixed (ushort* pointer = target) RowRounding.ToBFloat16(row.Pointer, columns, pointer + 1);
            Assert.Equal((0, 0), (target[0], target[^1]));
            for (var k = 0; k < columns; k++)
            {
                if (float.IsNaN(row[k])) Assert.True(float.IsNaN(Widened(target[k + 1])));
                else Assert.Equal(Nearest(row[k]), target[k + 1]);
            }
        }
    }

    [Fact]
    public void Threads_ChangeNoBit_OfAnInitialisation_AQuantisation_OrACertification()
    {
        var layout = SoftmaxLayout.Create(67, 3_001, [500, 1_999], [33, 9], hasHeadBias: true);
        var results = s_threads.Select(threads =>
        {
            using var layer = new DynamicAdaptiveSoftmax(layout, seed: 5, new AdaptiveSoftmaxOptions { Threads = threads });
            using var quantized = layer.Quantize(new QuantizationOptions { Tails = WeightPrecision.BFloat16 });
            using var certified = layer.Certify();
            var hidden = new float[5 * 67];
            for (var i = 0; i < hidden.Length; i++) hidden[i] = (i * 37 % 100 / 50f) - 1;
            var logProbs = new float[5 * 3_001];
            quantized.LogProb(hidden, logProbs);
            var tokens = new int[5];
            certified.Predict(hidden, tokens);
            return (float[])[.. layer.Parameters.SelectMany(parameter => parameter.Values.ToArray()), .. logProbs, .. tokens, certified.Statistics.RescoredRows];
        }).ToArray();
        Assert.All(results, result => Assert.Equal(results[0], result));
    }

    [Fact]
    public void Initialisation_IsNumberAfterNumberOfTheStream_InEveryPart()
    {
        using var parameter = new Parameter("w", 1, 40_003);
        UniformInitializer.Fill(WorkerPool.Get(3), parameter, bound: 0.3, seed: 11, stream: 4);
        var start = CountedRandom.Start(11, 4);
        for (var i = 0; i < parameter.Columns; i++)
        {
            var unit = (CountedRandom.Bits(start, (ulong)i) >> 40) * (1.0 / (1 << 24));
            Assert.Equal((float)(((2 * unit) - 1) * 0.3), parameter.Values[i]);
        }
    }

    private static float Widened(ushort value) => BitConverter.UInt32BitsToSingle((uint)value << 16);

    // Of the two neighbours, the nearer one, of equally near ones the even one; what is past the largest lies as far as if
    // there were another power of two.
    private static ushort Nearest(float value)
    {
        var below = (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
        var above = (ushort)(below + 1);
        var next = float.IsInfinity(Widened(above)) ? (double)MathF.CopySign(1, value) * Math.Pow(2, 128) : Widened(above);
        var (toBelow, toAbove) = (Math.Abs(value - (double)Widened(below)), Math.Abs(next - value));
        return toBelow < toAbove || (toBelow == toAbove && below % 2 == 0) || float.IsInfinity(value) ? below : above;
    }
}
