using System.Runtime.CompilerServices;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// What becomes of a logit x before the softmax: y = c · tanh(s · x / c), or s · x where there is no cap. The default is x itself.
/// </summary>
/// <remarks>It rises with x. A logit that is not finite becomes NaN under a cap, which would hide an infinity.</remarks>
internal readonly unsafe struct LogitMap
{
    private readonly float _scale;
    private readonly float _cap;

    public LogitMap(double scale, double cap) => (_scale, _cap, IsSet) = ((float)scale, (float)cap, scale != 1 || !double.IsInfinity(cap));

    /// <summary>Whether it changes logits.</summary>
    public bool IsSet { get; }

    // Of both sides of a comparison, and more.
    private const float ErrorShare = 1f / (1 << 18);

    private bool IsCapped => !float.IsInfinity(_cap);

    /// <summary>That of a layout.</summary>
    public static LogitMap Of(SoftmaxLayout layout) => new(layout.LogitScale, layout.LogitSoftCap);

    /// <summary>Turns logits into mapped ones.</summary>
    public void Apply(float* logits, int count)
    {
        if (!IsSet) return;
        if (IsCapped) Elementwise.Run(new Capping(logits, _scale / _cap, _cap), count);
        else Elementwise.Run(new Scaling(logits, _scale), count);
    }

    /// <summary>A mapped logit, with the bits that it has among others.</summary>
    public float Apply(float logit)
    {
        Apply(&logit, 1);
        return logit;
    }

    /// <summary>Turns upper bounds of logits into those of mapped ones, which are computed with an error of less than 2⁻²⁰ of their own.</summary>
    public void ApplyToBounds(float* bounds, int count)
    {
        if (!IsSet) return;
        Apply(bounds, count);
        Elementwise.Run(new Raising(bounds), count);
    }

    /// <summary>No mapped logit has a larger magnitude, where no logit has a larger one than this.</summary>
    public double Largest(double magnitude) => IsSet ? Math.Min(magnitude * _scale, _cap) * (1 + ErrorShare) : magnitude;

    /// <summary>dy/dx of mapped logits y: s (1 − (y / c)²).</summary>
    public void Slopes(float* mapped, float* slopes, int count)
    {
        if (IsCapped) Elementwise.Run(new Slope(mapped, slopes, _scale, -_scale / (_cap * _cap)), count);
        else new Span<float>(slopes, count).Fill(_scale);
    }

    private readonly struct Scaling(float* logits, float scale) : IElementOperation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<TSimd>(int index)
            where TSimd : unmanaged, ISimd<TSimd> => TSimd.Store(TSimd.Multiply(TSimd.Load(logits + index), TSimd.Broadcast(scale)), logits + index);
    }

    private readonly struct Capping(float* logits, float ratio, float cap) : IElementOperation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<TSimd>(int index)
            where TSimd : unmanaged, ISimd<TSimd>
        {
            var x = TSimd.Load(logits + index);

            // x − x is 0, and NaN where x is not finite.
            TSimd.Store(TSimd.MultiplyAdd(SimdTanh.Of(TSimd.Multiply(x, TSimd.Broadcast(ratio))), TSimd.Broadcast(cap), TSimd.Subtract(x, x)), logits + index);
        }
    }

    private readonly struct Raising(float* bounds) : IElementOperation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<TSimd>(int index)
            where TSimd : unmanaged, ISimd<TSimd>
        {
            var y = TSimd.Load(bounds + index);
            TSimd.Store(TSimd.MultiplyAdd(TSimd.Max(y, TSimd.Subtract(TSimd.Zero, y)), TSimd.Broadcast(ErrorShare), y), bounds + index);
        }
    }

    private readonly struct Slope(float* mapped, float* slopes, float scale, float curvature) : IElementOperation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<TSimd>(int index)
            where TSimd : unmanaged, ISimd<TSimd>
        {
            var y = TSimd.Load(mapped + index);
            TSimd.Store(TSimd.MultiplyAdd(TSimd.Multiply(y, y), TSimd.Broadcast(curvature), TSimd.Broadcast(scale)), slopes + index);
        }
    }
}
