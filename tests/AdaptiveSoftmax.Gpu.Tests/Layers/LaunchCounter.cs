using System.Linq.Expressions;
using System.Reflection;
using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Layers;

/// <summary>
/// Counts the launches of training's kernels on one accelerator, and of decoding's of sizes known at run time: until it is disposed, each launcher counts and then launches, or
/// only counts. The launchers are where the library keeps them, in the fields behind their properties.
/// </summary>
internal sealed class LaunchCounter : IDisposable
{
    private readonly List<(FieldInfo Field, object Owner, Delegate Launcher)> _launchers = [];

    /// <param name="accelerator">The accelerator.</param>
    /// <param name="launched">The kernels that are launched, by name; null for all that were in use before.</param>
    public LaunchCounter(Accelerator accelerator, params string[]? launched)
    {
        object[] owners =
        [
            KernelCache.Get(accelerator, device => new CommonKernels(device)),
            KernelCache.Get(accelerator, device => new ClusterKernels<Tile16>(device)),
            KernelCache.Get(accelerator, device => new ClusterKernels<Tile128>(device)),
            KernelCache.Get(accelerator, device => new StoreKernels<Tile16, Float4>(device)),
            KernelCache.Get(accelerator, device => new StoreKernels<Tile128, Float4>(device)),
        ];
        object[] ofDecoding =
        [
            .. Decoding<Float4>(accelerator),
            .. Decoding<BFloat8>(accelerator),
            KernelCache.Get(accelerator, device => new StoreKernels<Tile16, BFloat8>(device)),
            KernelCache.Get(accelerator, device => new StoreKernels<Tile128, BFloat8>(device)),
        ];
        foreach (var owner in launched is null ? [.. owners, .. ofDecoding] : owners)
        {
            // Those that only count must not be found missing, and compiled, when they are first used.
            if (launched is not null)
            {
                foreach (var property in owner.GetType().GetProperties()) property.GetValue(owner);
            }

            foreach (var field in owner.GetType().GetFields(BindingFlags.Instance | BindingFlags.NonPublic))
            {
                if (field.GetValue(owner) is not Delegate launcher) continue;
                _launchers.Add((field, owner, launcher));
                field.SetValue(owner, Wrap(launcher, launched is null || launched.Any(name => field.Name == $"<{name}>k__BackingField")));
            }
        }
    }

    public int Count { get; private set; }

    public void Dispose()
    {
        foreach (var (field, owner, launcher) in _launchers) field.SetValue(owner, launcher);
    }

    private static object[] Decoding<TBlock>(Accelerator accelerator)
        where TBlock : unmanaged, IWeightBlock<TBlock> =>
    [
        KernelCache.Get(accelerator, device => new VectorProducts<MatrixShape, TBlock>(device)),
        KernelCache.Get(accelerator, device => new DecodeProducts<MatrixShape, Tile16, TBlock>(device)),
        KernelCache.Get(accelerator, device => new DecodeProducts<MatrixShape, Tile128, TBlock>(device)),
    ];

    private Delegate Wrap(Delegate launcher, bool launches)
    {
        var parameters = launcher.GetType().GetMethod("Invoke")!.GetParameters().Select(parameter => Expression.Parameter(parameter.ParameterType)).ToArray();
        var count = Expression.PreIncrementAssign(Expression.Property(Expression.Constant(this), nameof(Count)));
        Expression launch = launches ? Expression.Invoke(Expression.Constant(launcher), parameters) : Expression.Empty();
        return Expression.Lambda(launcher.GetType(), Expression.Block(typeof(void), count, launch), parameters).Compile();
    }
}
