using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax;

/// <summary>Sums of vectors of any length.</summary>
internal static unsafe class Vectors
{
    /// <summary>target[i] += source[i].</summary>
    public static void Add(float* target, float* source, int count) => Elementwise.Run(new Addition(target, source), count);

    /// <summary>The same, at most at one vector width.</summary>
    public static void Add<TSimd>(float* target, float* source, int count)
        where TSimd : unmanaged, ISimd<TSimd> => Elementwise.Run<TSimd, Addition>(new Addition(target, source), count);

    private readonly struct Addition(float* target, float* source) : IElementOperation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<TSimd>(int index)
            where TSimd : unmanaged, ISimd<TSimd> => TSimd.Store(TSimd.Add(TSimd.Load(target + index), TSimd.Load(source + index)), target + index);
    }
}
