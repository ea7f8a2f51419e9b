using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>
/// The softmax over logits laid out [rows, tokens], a block of rows at a time: a lane is a token, so nothing is ever
/// summed across the lanes of a vector.
/// </summary>
internal static unsafe class SoftmaxKernel
{
    /// <summary>
    /// The maximum and the sum of exp(logit − maximum) of each token over the rows of one block, <paramref name="stride"/>
    /// floats apart: the parts of an online log-sum-exp. The sum is NaN where a logit is not finite.
    /// </summary>
    public static void BlockStatistics(float* logits, nint stride, int lanes, int rows, float* maximum, float* sum)
    {
        if (Vector512.IsHardwareAccelerated) BlockStatistics<Simd512>(logits, stride, lanes, rows, maximum, sum);
        else if (Vector256.IsHardwareAccelerated) BlockStatistics<Simd256>(logits, stride, lanes, rows, maximum, sum);
        else BlockStatistics<Simd128>(logits, stride, lanes, rows, maximum, sum);
    }

    /// <summary>logits[r, t] = exp(logits[r, t] − logSumExp[t]) · scale[t] − uniform[t] · (the row's weight).</summary>
    public static void Gradient(float* logits, int lanes, int rows, float* logSumExp, float* scale, float* uniform, float rowWeight)
    {
        if (Vector512.IsHardwareAccelerated) Gradient<Simd512>(logits, lanes, rows, logSumExp, scale, uniform, rowWeight);
        else if (Vector256.IsHardwareAccelerated) Gradient<Simd256>(logits, lanes, rows, logSumExp, scale, uniform, rowWeight);
        else Gradient<Simd128>(logits, lanes, rows, logSumExp, scale, uniform, rowWeight);
    }

    /// <summary>The same for one token, whose logits are one after the other.</summary>
    public static void TokenGradient(float* logits, int count, float logSumExp, float scale, float uniform) =>
        Elementwise.Run(new TokenGradients(logits, logSumExp, scale, uniform), count);

    /// <summary>The same, at most at one vector width.</summary>
    public static void TokenGradient<TSimd>(float* logits, int count, float logSumExp, float scale, float uniform)
        where TSimd : unmanaged, ISimd<TSimd> => Elementwise.Run<TSimd, TokenGradients>(new TokenGradients(logits, logSumExp, scale, uniform), count);

    /// <summary>output[r] = (logit[r] − log-sum-exp) + cluster for one token: <see cref="BestScore.Of"/> of each row.</summary>
    public static void LogProbs(float* logits, int count, float logSumExp, float cluster, float* output) =>
        Elementwise.Run(new TokenLogProbs(logits, logSumExp, cluster, output), count);

    /// <summary>The largest logit of one token; NaN where one is.</summary>
    public static float Maximum(float* logits, int count)
    {
        if (Vector512.IsHardwareAccelerated) return Maximum<Simd512>(logits, count);
        return Vector256.IsHardwareAccelerated ? Maximum<Simd256>(logits, count) : Maximum<Simd128>(logits, count);
    }

    /// <inheritdoc cref="Maximum(float*, int)"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Maximum<TSimd>(float* logits, int count)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        if (count < TSimd.Width)
        {
            return TSimd.Width > Simd256.Width ? Maximum<Simd256>(logits, count)
                : TSimd.Width > Simd128.Width ? Maximum<Simd128>(logits, count) : Maximum<SimdScalar>(logits, count);
        }

        var top = TSimd.Load(logits + count - TSimd.Width);
        for (var i = 0; i + TSimd.Width <= count; i += TSimd.Width) top = TSimd.Max(top, TSimd.Load(logits + i));
        var lanes = stackalloc float[TSimd.Width];
        TSimd.Store(top, lanes);
        var maximum = lanes[0];
        for (var lane = 1; lane < TSimd.Width; lane++) maximum = MathF.Max(maximum, lanes[lane]);
        return maximum;
    }

    /// <summary>Σ exp(logit − maximum) over the logits of one token; NaN where a logit is not finite.</summary>
    public static float SumExp(float* logits, int count, float maximum)
    {
        if (Vector512.IsHardwareAccelerated) return SumExp<Simd512>(logits, count, maximum);
        return Vector256.IsHardwareAccelerated ? SumExp<Simd256>(logits, count, maximum) : SumExp<Simd128>(logits, count, maximum);
    }

    /// <inheritdoc cref="SumExp(float*, int, float)"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float SumExp<TSimd>(float* logits, int count, float maximum)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        if (count < TSimd.Width)
        {
            return TSimd.Width > Simd256.Width ? SumExp<Simd256>(logits, count, maximum)
                : TSimd.Width > Simd128.Width ? SumExp<Simd128>(logits, count, maximum) : SumExp<SimdScalar>(logits, count, maximum);
        }

        var top = TSimd.Broadcast(maximum);
        var sum = TSimd.Zero;
        var i = 0;
        for (; i + TSimd.Width <= count; i += TSimd.Width) sum = AddExp(sum, TSimd.Load(logits + i), top);
        return i == count ? TSimd.Sum(sum) : TSimd.Sum(sum) + SumExpOfLast<TSimd>(logits + count - TSimd.Width, count - i, maximum);
    }

    // Apart from the loop, whose constants then stay in registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static float SumExpOfLast<TSimd>(float* logits, int lanes, float maximum)
        where TSimd : unmanaged, ISimd<TSimd> =>
        TSimd.Sum(TSimd.And(AddExp(TSimd.Zero, TSimd.Load(logits), TSimd.Broadcast(maximum)), TSimd.LastLanes(lanes)));

    /// <inheritdoc cref="BlockStatistics(float*, nint, int, int, float*, float*)"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void BlockStatistics<TSimd>(float* logits, nint stride, int lanes, int rows, float* maximum, float* sum)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        // Four vectors at a time use the whole of each stretch of memory that a row brings into the cache.
        var lane = 0;
        for (; lane + (4 * TSimd.Width) <= lanes; lane += 4 * TSimd.Width) FourVectors<TSimd>(logits + lane, stride, rows, maximum + lane, sum + lane);
        for (; lane < lanes; lane += TSimd.Width)
        {
            var top = TSimd.Broadcast(float.NegativeInfinity);
            var logit = logits + lane;
            for (var row = 0; row < rows; row++, logit += stride) top = TSimd.Max(top, TSimd.Load(logit));
            var total = TSimd.Zero;
            logit = logits + lane;
            for (var row = 0; row < rows; row++, logit += stride) total = AddExp(total, TSimd.Load(logit), top);
            TSimd.Store(top, maximum + lane);
            TSimd.Store(total, sum + lane);
        }
    }

    // sum + exp(logit − top). exp(−∞) is 0 and would hide a weight that is not finite; 0 · logit is 0 or NaN.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TSimd AddExp<TSimd>(TSimd sum, TSimd logit, TSimd top)
        where TSimd : unmanaged, ISimd<TSimd> => TSimd.MultiplyAdd(logit, TSimd.Zero, TSimd.Add(sum, SimdExp.Of(TSimd.Subtract(logit, top))));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourVectors<TSimd>(float* logits, nint stride, int rows, float* maximum, float* sum)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        int w = TSimd.Width, w2 = 2 * w, w3 = 3 * w;
        var top0 = TSimd.Broadcast(float.NegativeInfinity);
        TSimd top1 = top0, top2 = top0, top3 = top0;
        var logit = logits;
        for (var row = 0; row < rows; row++, logit += stride)
        {
            top0 = TSimd.Max(top0, TSimd.Load(logit));
            top1 = TSimd.Max(top1, TSimd.Load(logit + w));
            top2 = TSimd.Max(top2, TSimd.Load(logit + w2));
            top3 = TSimd.Max(top3, TSimd.Load(logit + w3));
        }

        TSimd total0 = TSimd.Zero, total1 = TSimd.Zero, total2 = TSimd.Zero, total3 = TSimd.Zero;
        logit = logits;
        for (var row = 0; row < rows; row++, logit += stride)
        {
            total0 = AddExp(total0, TSimd.Load(logit), top0);
            total1 = AddExp(total1, TSimd.Load(logit + w), top1);
            total2 = AddExp(total2, TSimd.Load(logit + w2), top2);
            total3 = AddExp(total3, TSimd.Load(logit + w3), top3);
        }

        TSimd.Store(top0, maximum);
        TSimd.Store(top1, maximum + w);
        TSimd.Store(top2, maximum + w2);
        TSimd.Store(top3, maximum + w3);
        TSimd.Store(total0, sum);
        TSimd.Store(total1, sum + w);
        TSimd.Store(total2, sum + w2);
        TSimd.Store(total3, sum + w3);
    }

    /// <inheritdoc cref="Gradient(float*, int, int, float*, float*, float*, float)"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Gradient<TSimd>(float* logits, int lanes, int rows, float* logSumExp, float* scale, float* uniform, float rowWeight)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        var weight = TSimd.Broadcast(rowWeight);
        for (var row = 0; row < rows; row++, logits += lanes)
        {
            for (var lane = 0; lane < lanes; lane += TSimd.Width)
            {
                var probability = SimdExp.Of(TSimd.Subtract(TSimd.Load(logits + lane), TSimd.Load(logSumExp + lane)));
                var smoothed = TSimd.Multiply(TSimd.Load(uniform + lane), weight);
                TSimd.Store(TSimd.Subtract(TSimd.Multiply(probability, TSimd.Load(scale + lane)), smoothed), logits + lane);
            }
        }
    }

    private readonly struct TokenGradients(float* logits, float logSumExp, float scale, float uniform) : IElementOperation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<TSimd>(int index)
            where TSimd : unmanaged, ISimd<TSimd>
        {
            var probability = SimdExp.Of(TSimd.Subtract(TSimd.Load(logits + index), TSimd.Broadcast(logSumExp)));
            TSimd.Store(TSimd.Subtract(TSimd.Multiply(probability, TSimd.Broadcast(scale)), TSimd.Broadcast(uniform)), logits + index);
        }
    }

    private readonly struct TokenLogProbs(float* logits, float logSumExp, float cluster, float* output) : IElementOperation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<TSimd>(int index)
            where TSimd : unmanaged, ISimd<TSimd> =>
            TSimd.Store(TSimd.Add(TSimd.Subtract(TSimd.Load(logits + index), TSimd.Broadcast(logSumExp)), TSimd.Broadcast(cluster)), output + index);
    }
}
