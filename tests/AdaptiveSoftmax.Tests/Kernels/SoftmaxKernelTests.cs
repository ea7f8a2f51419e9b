namespace AdaptiveSoftmax.Tests;

public unsafe class SoftmaxKernelTests
{
    private const int Lanes = 64;
    private const int Rows = 37;

    private delegate void Statistics(float* logits, nint stride, int lanes, int rows, float* maximum, float* sum);

    private delegate void Gradient(float* logits, int lanes, int rows, float* logSumExp, float* scale, float* uniform, float rowWeight);

    private delegate float ScreeningSum(float* logits, float* errors, float norm, float floor, int count, float maximum, out float ofErrors);

    private delegate void TokenGradient(float* logits, int count, float logSumExp, float scale, float uniform);

    [Fact]
    public void BlockStatistics_AgreeWithTheDefinitionAtEveryWidth()
    {
        foreach (var kernel in (Statistics[])[SoftmaxKernel.BlockStatistics<Simd128>, SoftmaxKernel.BlockStatistics<Simd256>, SoftmaxKernel.BlockStatistics<Simd512>, SoftmaxKernel.BlockStatistics])
        {
            var random = new Random(3);
            using var logits = new NativeArray(Rows * Lanes, random);
            foreach (ref var logit in logits.Span) logit *= 80;
            using var maximum = new NativeArray(Lanes, random);
            using var sum = new NativeArray(Lanes, random);
            kernel(logits.Pointer, Lanes, Lanes, Rows, maximum.Pointer, sum.Pointer);
            for (var lane = 0; lane < Lanes; lane++)
            {
                var column = Enumerable.Range(0, Rows).Select(row => (double)logits[(row * Lanes) + lane]).ToArray();
                Assert.Equal(column.Max(), maximum[lane]);
                Assert.Equal(column.Sum(logit => Math.Exp(logit - column.Max())), sum[lane], 1e-5);
            }

            maximum.AssertGuardsAreWhole();
            sum.AssertGuardsAreWhole();
        }
    }

    [Fact]
    public void Gradient_AgreesWithTheDefinitionAtEveryWidth()
    {
        foreach (var kernel in (Gradient[])[SoftmaxKernel.Gradient<Simd128>, SoftmaxKernel.Gradient<Simd256>, SoftmaxKernel.Gradient<Simd512>, SoftmaxKernel.Gradient])
        {
            var random = new Random(4);
            using var logits = new NativeArray(Rows * Lanes, random);
            using var logSumExp = new NativeArray(Lanes, random);
            using var scale = new NativeArray(Lanes, random);
            using var uniform = new NativeArray(Lanes, random);
            var before = logits.Span.ToArray();
            kernel(logits.Pointer, Lanes, Rows, logSumExp.Pointer, scale.Pointer, uniform.Pointer, 3);
            for (var i = 0; i < before.Length; i++)
            {
                var lane = i % Lanes;
                var expected = (Math.Exp((double)before[i] - logSumExp[lane]) * scale[lane]) - (3.0 * uniform[lane]);
                Assert.Equal(expected, logits[i], 1e-5);
            }

            logits.AssertGuardsAreWhole();
        }
    }

    // A block of lanes in the midst of wider rows.
    [Fact]
    public void BlockStatistics_OfSomeLanes_AreThoseOfAllLanes()
    {
        var random = new Random(5);
        using var logits = new NativeArray(Rows * Lanes, random);
        using var all = new NativeArray(2 * Lanes, random);
        using var some = new NativeArray(2 * 16, random);
        SoftmaxKernel.BlockStatistics(logits.Pointer, Lanes, Lanes, Rows, all.Pointer, all.Pointer + Lanes);
        SoftmaxKernel.BlockStatistics(logits.Pointer + 32, Lanes, 16, Rows, some.Pointer, some.Pointer + 16);
        Assert.Equal(all.Span.Slice(32, 16).ToArray(), some.Span[..16].ToArray());
        Assert.Equal(all.Span.Slice(Lanes + 32, 16).ToArray(), some.Span[16..].ToArray());
        some.AssertGuardsAreWhole();
    }

    [Fact]
    public void TokenGradient_AgreesWithTheDefinitionAtEveryWidth()
    {
        foreach (var kernel in (TokenGradient[])[SoftmaxKernel.TokenGradient<Simd128>, SoftmaxKernel.TokenGradient<Simd256>, SoftmaxKernel.TokenGradient<Simd512>, SoftmaxKernel.TokenGradient])
        {
            for (var count = 0; count <= 77; count++)
            {
                using var logits = new NativeArray(77, new Random(6));
                var before = logits.Span.ToArray();
                kernel(logits.Pointer, count, 1.5f, 0.7f, 0.2f);
                for (var i = 0; i < before.Length; i++)
                    Assert.Equal(i < count ? (Math.Exp((double)before[i] - 1.5f) * 0.7f) - 0.2f : before[i], logits[i], 1e-6);
                logits.AssertGuardsAreWhole();
            }
        }
    }

    [Fact]
    public void SumExp_AgreesWithTheDefinitionAtEveryWidth()
    {
        using var logits = new NativeArray(77, new Random(9));
        for (var count = 1; count <= 77; count++)
        {
            var top = logits.Span[..count].ToArray().Max();
            var expected = logits.Span[..count].ToArray().Sum(logit => Math.Exp((double)logit - top));
            Assert.Equal(expected, SoftmaxKernel.SumExp<Simd128>(logits.Pointer, count, top), 1e-4);
            Assert.Equal(expected, SoftmaxKernel.SumExp<Simd256>(logits.Pointer, count, top), 1e-4);
            Assert.Equal(expected, SoftmaxKernel.SumExp<Simd512>(logits.Pointer, count, top), 1e-4);
            Assert.True(SoftmaxKernel.SumExp(logits.Pointer, count, top) >= 1, "a smaller sum would let a token beat its own cluster");
        }
    }

    [Fact]
    public void Maximum_IsTheLargestAtEveryWidth()
    {
        using var logits = new NativeArray(77, new Random(9));
        for (var count = 1; count <= 77; count++)
        {
            var expected = logits.Span[..count].ToArray().Max();
            Assert.Equal(expected, SoftmaxKernel.Maximum<Simd128>(logits.Pointer, count));
            Assert.Equal(expected, SoftmaxKernel.Maximum<Simd256>(logits.Pointer, count));
            Assert.Equal(expected, SoftmaxKernel.Maximum<Simd512>(logits.Pointer, count));
            Assert.Equal(expected, SoftmaxKernel.Maximum(logits.Pointer, count));
        }
    }

    [Fact]
    public void Maximum_IsNaN_WhereverOneStands()
    {
        using var logits = new NativeArray(77, new Random(9));
        for (var at = 0; at < 77; at++)
        {
            var value = logits[at];
            logits.Span[at] = float.NaN;
            Assert.Equal(float.NaN, SoftmaxKernel.Maximum<Simd128>(logits.Pointer, 77));
            Assert.Equal(float.NaN, SoftmaxKernel.Maximum<Simd256>(logits.Pointer, 77));
            Assert.Equal(float.NaN, SoftmaxKernel.Maximum<Simd512>(logits.Pointer, 77));
            logits.Span[at] = value;
        }
    }

    [Fact]
    public void SumExp_IsNaN_WhereverALogitIsNotFinite()
    {
        using var logits = new NativeArray(77, new Random(9));
        for (var count = 1; count <= 77; count++)
        {
            for (var at = Math.Max(0, count - 20); at < count; at++)
            {
                var value = logits[at];
                logits.Span[at] = float.NegativeInfinity;
                Assert.Equal(float.NaN, SoftmaxKernel.SumExp<Simd128>(logits.Pointer, count, 1));
                Assert.Equal(float.NaN, SoftmaxKernel.SumExp<Simd256>(logits.Pointer, count, 1));
                Assert.Equal(float.NaN, SoftmaxKernel.SumExp<Simd512>(logits.Pointer, count, 1));
                logits.Span[at] = value;
            }
        }
    }

    [Fact]
    public void LogProbs_AreBestScoresOfEachRow()
    {
        for (var count = 0; count <= 77; count++)
        {
            using var logits = new NativeArray(count, new Random(9));
            using var output = new NativeArray(count, new Random(10));
            SoftmaxKernel.LogProbs(logits.Pointer, count, 1.5f, -0.7f, output.Pointer);
            output.AssertGuardsAreWhole();
            for (var i = 0; i < count; i++) Assert.Equal(BestScore.Of(logits[i], 1.5f, -0.7f), output[i]);
        }
    }

    [Fact]
    public void ScreeningSums_AgreeWithTheDefinitionAtEveryWidth()
    {
        using var logits = new NativeArray(77, new Random(9));
        using var errors = new NativeArray(77, new Random(10));
        foreach (ref var error in errors.Span) error = MathF.Abs(error);
        for (var count = 1; count <= 77; count++)
        {
            var powers = logits.Span[..count].ToArray().Select(logit => Math.Exp((double)logit - 0.25)).ToArray();
            var expected = powers.Select((power, i) => power * ((errors[i] * 0.5) + 0.125)).Sum();
            foreach (var kernel in (ScreeningSum[])[ScreeningKernel.SumExp<Simd128>, ScreeningKernel.SumExp<Simd256>, ScreeningKernel.SumExp<Simd512>, ScreeningKernel.SumExp])
            {
                Assert.Equal(powers.Sum(), kernel(logits.Pointer, errors.Pointer, 0.5f, 0.125f, count, 0.25f, out var ofErrors), 1e-4);
                Assert.Equal(expected, ofErrors, 1e-4);
            }
        }
    }

    [Fact]
    public void Raise_AddsTheBoundOfEachRow_AndGivesTheLargest()
    {
        for (var count = 1; count <= 77; count++)
        {
            using var logits = new NativeArray(count, new Random(9));
            using var errors = new NativeArray(count, new Random(10));
            var before = logits.Span.ToArray();
            var largest = ScreeningKernel.Raise(logits.Pointer, errors.Pointer, 0.5f, 0.125f, count);
            logits.AssertGuardsAreWhole();
            for (var i = 0; i < count; i++) Assert.Equal(before[i] + (errors[i] * 0.5f) + 0.125f, logits[i], 1e-6);
            Assert.Equal(logits.Span.ToArray().Max(), largest);
        }
    }

    [Fact]
    public void BestScore_FindsTheFirstOfEqualLogProbs_WhetherInAPartOrBehindTheLast()
    {
        const int PartRows = 8;
        using var logits = new NativeArray(100 * 2, new Random(1));
        using var maximum = new NativeArray(13 * 2, new Random(1));
        foreach (var first in (ReadOnlySpan<int>)[0, 1, 7, 8, 50, 95, 96, 98])
        {
            logits.Span.Fill(-3);
            logits.Span[(first * 2) + 1] = 5;
            logits.Span[(99 * 2) + 1] = 5;
            for (var part = 0; part < 13; part++)
                maximum.Span[(part * 2) + 1] = Enumerable.Range(part * PartRows, PartRows).Where(row => row < 100).Max(row => logits[(row * 2) + 1]);
            var score = BestScore.Find(logits.Pointer + 1, maximum.Pointer + 1, lanes: 2, PartRows, rows: 100, logSumExp: 7, cluster: -1, out var found);
            Assert.Equal(first, found);
            Assert.Equal(-3, score);
        }

        // Rows of a part that are not asked for must not win by their part's maximum.
        BestScore.Find(logits.Pointer + 1, maximum.Pointer + 1, lanes: 2, PartRows, rows: 98, logSumExp: 7, cluster: -1, out var row);
        Assert.Equal(0, row);
    }
}
