using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax.Gpu.Tests.Emulation;

/// <summary>Carries an instruction out for some lanes of a warp.</summary>
internal abstract class Operation
{
    /// <summary>The instruction's predicate, or -1.</summary>
    public int Guard { get; set; } = -1;

    /// <summary>The value of the predicate for which a lane takes part.</summary>
    public bool GuardValue { get; set; }

    /// <summary>Carries it out.</summary>
    /// <param name="warp">The warp.</param>
    /// <param name="lanes">The lanes that take part, at least one.</param>
    public abstract void Execute(Warp warp, uint lanes);
}

/// <summary>A function of one value for each of many lanes.</summary>
internal interface IUnary<T>
{
    static abstract Vector512<T> Apply(Vector512<T> a);
}

/// <summary>A function of two values for each of many lanes.</summary>
internal interface IBinary<T>
{
    static abstract Vector512<T> Apply(Vector512<T> a, Vector512<T> b);
}

/// <summary>A function of three values for each of many lanes.</summary>
internal interface ITernary<T>
{
    static abstract Vector512<T> Apply(Vector512<T> a, Vector512<T> b, Vector512<T> c);
}

/// <summary>A shift by the same distance for each of many lanes.</summary>
internal interface IShift<T>
{
    static abstract Vector512<T> Apply(Vector512<T> a, int distance);
}

/// <summary>A comparison of two values for each of many lanes; the result has all bits of a lane where it holds.</summary>
internal interface IComparison<T>
{
    static abstract Vector512<T> Apply(Vector512<T> a, Vector512<T> b);
}

/// <summary>The lanes of a warp as bits of a number.</summary>
internal static unsafe class Lanes
{
    public const uint All = uint.MaxValue;

    private static readonly Vector512<uint> s_bits32 = Vector512.Create(1u, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15);
    private static readonly Vector512<ulong> s_bits64 = Vector512.Create(1ul, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7);

    /// <summary>All bits of those elements whose lane is set; the first element is lane 0's.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Spread<T>(uint lanes)
        where T : unmanaged
    {
        if (sizeof(T) == 4) return Vector512.Equals(Vector512.Create(lanes) & s_bits32, s_bits32).As<uint, T>();
        return Vector512.Equals(Vector512.Create((ulong)lanes) & s_bits64, s_bits64).As<ulong, T>();
    }

    /// <summary>Stores those elements whose lane is set.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<T>(Vector512<T> value, T* target, uint lanes)
        where T : unmanaged
    {
        var all = (uint)((1 << Vector512<T>.Count) - 1);
        if ((lanes & all) != all) value = Vector512.ConditionalSelect(Spread<T>(lanes), value, Vector512.Load(target));
        value.Store(target);
    }

    /// <summary>The first of the lanes.</summary>
    public static int First(uint lanes) => BitOperations.TrailingZeroCount(lanes);
}

internal sealed unsafe class UnaryOperation<T, TFunction>(int result, int source) : Operation
    where T : unmanaged
    where TFunction : IUnary<T>
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint lanes)
    {
        var target = warp.Row<T>(result);
        var a = warp.Row<T>(source);
        for (var i = 0; i < Warp.Size; i += Vector512<T>.Count) Lanes.Store(TFunction.Apply(Vector512.Load(a + i)), target + i, lanes >> i);
    }
}

internal sealed unsafe class BinaryOperation<T, TFunction>(int result, int left, int right) : Operation
    where T : unmanaged
    where TFunction : IBinary<T>
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint lanes)
    {
        var target = warp.Row<T>(result);
        var a = warp.Row<T>(left);
        var b = warp.Row<T>(right);
        for (var i = 0; i < Warp.Size; i += Vector512<T>.Count)
            Lanes.Store(TFunction.Apply(Vector512.Load(a + i), Vector512.Load(b + i)), target + i, lanes >> i);
    }
}

internal sealed unsafe class TernaryOperation<T, TFunction>(int result, int first, int second, int third) : Operation
    where T : unmanaged
    where TFunction : ITernary<T>
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint lanes)
    {
        var target = warp.Row<T>(result);
        var a = warp.Row<T>(first);
        var b = warp.Row<T>(second);
        var c = warp.Row<T>(third);
        for (var i = 0; i < Warp.Size; i += Vector512<T>.Count)
            Lanes.Store(TFunction.Apply(Vector512.Load(a + i), Vector512.Load(b + i), Vector512.Load(c + i)), target + i, lanes >> i);
    }
}

/// <summary>A shift by a constant that is smaller than the register.</summary>
internal sealed unsafe class ShiftOperation<T, TFunction>(int result, int source, int distance) : Operation
    where T : unmanaged
    where TFunction : IShift<T>
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint lanes)
    {
        var target = warp.Row<T>(result);
        var a = warp.Row<T>(source);
        for (var i = 0; i < Warp.Size; i += Vector512<T>.Count) Lanes.Store(TFunction.Apply(Vector512.Load(a + i), distance), target + i, lanes >> i);
    }
}

/// <summary>A shift by a distance of 32 bits for each lane.</summary>
internal sealed unsafe class ScalarShiftOperation<T>(int result, int source, int distance, Func<T, uint, T> function) : Operation
    where T : unmanaged
{
    public override void Execute(Warp warp, uint lanes)
    {
        var target = warp.Row<T>(result);
        for (var rest = lanes; rest != 0; rest &= rest - 1)
        {
            var lane = Lanes.First(rest);
            target[lane] = function(warp.Row<T>(source)[lane], warp.Row<uint>(distance)[lane]);
        }
    }
}

/// <summary>The products of unsigned numbers, twice as wide.</summary>
internal sealed unsafe class WideMultiplyOperation(int result, int left, int right) : Operation
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint lanes)
    {
        var target = warp.Row<ulong>(result);
        var a = warp.Row<uint>(left);
        var b = warp.Row<uint>(right);
        for (var i = 0; i < Warp.Size; i += Vector512<uint>.Count)
        {
            var (lowA, highA) = Vector512.Widen(Vector512.Load(a + i));
            var (lowB, highB) = Vector512.Widen(Vector512.Load(b + i));
            Lanes.Store(lowA * lowB, target + i, lanes >> i);
            Lanes.Store(highA * highB, target + i + Vector512<ulong>.Count, lanes >> (i + Vector512<ulong>.Count));
        }
    }
}

/// <summary>Signed numbers, twice as wide.</summary>
internal sealed unsafe class WidenOperation(int result, int source) : Operation
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint lanes)
    {
        var target = warp.Row<long>(result);
        var a = warp.Row<int>(source);
        for (var i = 0; i < Warp.Size; i += Vector512<int>.Count)
        {
            var (low, high) = Vector512.Widen(Vector512.Load(a + i));
            Lanes.Store(low, target + i, lanes >> i);
            Lanes.Store(high, target + i + Vector512<long>.Count, lanes >> (i + Vector512<long>.Count));
        }
    }
}

/// <summary>What happens to the result of a comparison before it is stored.</summary>
internal enum Combination
{
    None,
    And,
    Or,
    Xor,
}

/// <summary>A comparison that sets a predicate, alone or combined with another predicate.</summary>
internal sealed unsafe class CompareOperation<T, TFunction>(int result, int left, int right, bool isNegated, Combination combination, int other) : Operation
    where T : unmanaged
    where TFunction : IComparison<T>
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint lanes)
    {
        var a = warp.Row<T>(left);
        var b = warp.Row<T>(right);
        var value = 0u;
        for (var i = 0; i < Warp.Size; i += Vector512<T>.Count)
            value |= (uint)TFunction.Apply(Vector512.Load(a + i), Vector512.Load(b + i)).ExtractMostSignificantBits() << i;
        if (isNegated) value = ~value;
        value = combination switch
        {
            Combination.And => value & warp.Predicates[other],
            Combination.Or => value | warp.Predicates[other],
            Combination.Xor => value ^ warp.Predicates[other],
            _ => value,
        };
        warp.SetPredicate(result, value, lanes);
    }
}

/// <summary>One of two values, lane by lane.</summary>
internal sealed unsafe class SelectOperation<T>(int result, int left, int right, int predicate) : Operation
    where T : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint lanes)
    {
        var target = warp.Row<T>(result);
        var a = warp.Row<T>(left);
        var b = warp.Row<T>(right);
        var chosen = warp.Predicates[predicate];
        for (var i = 0; i < Warp.Size; i += Vector512<T>.Count)
            Lanes.Store(Vector512.ConditionalSelect(Lanes.Spread<T>(chosen >> i), Vector512.Load(a + i), Vector512.Load(b + i)), target + i, lanes >> i);
    }
}

/// <summary>A function of predicates, all lanes at once.</summary>
internal sealed class PredicateOperation(int result, int left, int right, Func<uint, uint, uint> function) : Operation
{
    public override void Execute(Warp warp, uint lanes) =>
        warp.SetPredicate(result, function(warp.Predicates[left], warp.Predicates[right]), lanes);
}

/// <summary>A function that no vector instruction has, one lane after the other; <typeparamref name="T"/> is what it reads.</summary>
internal sealed unsafe class ScalarOperation<T, TResult>(int result, int left, int right, Func<T, T, TResult> function) : Operation
    where T : unmanaged
    where TResult : unmanaged
{
    public override void Execute(Warp warp, uint lanes)
    {
        var target = warp.Row<TResult>(result);
        var a = warp.Row<T>(left);
        var b = warp.Row<T>(right);
        // Where a result is wider than what is read it must not overwrite lanes yet to be read.
        Span<TResult> values = stackalloc TResult[Warp.Size];
        for (var rest = lanes; rest != 0; rest &= rest - 1)
        {
            var lane = Lanes.First(rest);
            values[lane] = function(a[lane], b[lane]);
        }

        for (var rest = lanes; rest != 0; rest &= rest - 1) target[Lanes.First(rest)] = values[Lanes.First(rest)];
    }
}

/// <summary>Anything else.</summary>
internal sealed class OtherOperation(Action<Warp, uint> action) : Operation
{
    public override void Execute(Warp warp, uint lanes) => action(warp, lanes);
}
