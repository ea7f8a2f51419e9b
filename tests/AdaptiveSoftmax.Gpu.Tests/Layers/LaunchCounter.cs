using System.Linq.Expressions;
using System.Reflection;
using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Layers;

/// <summary>
/// Counts the launches of training's kernels on one accelerator: until it is disposed, each launcher that was in use before
/// counts and then launches. The launchers are where the library keeps them, in the fields behind their properties.
/// </summary>
internal sealed class LaunchCounter : IDisposable
{
    private readonly List<(FieldInfo Field, object Owner, Delegate Launcher)> _launchers = [];

    public LaunchCounter(Accelerator accelerator)
    {
        object[] owners =
        [
            KernelCache.Get(accelerator, device => new CommonKernels(device)),
            KernelCache.Get(accelerator, device => new ClusterKernels<Tile16>(device)),
            KernelCache.Get(accelerator, device => new ClusterKernels<Tile128>(device)),
        ];
        foreach (var owner in owners)
        {
            foreach (var field in owner.GetType().GetFields(BindingFlags.Instance | BindingFlags.NonPublic))
            {
                if (field.GetValue(owner) is not Delegate launcher) continue;
                _launchers.Add((field, owner, launcher));
                field.SetValue(owner, Wrap(launcher));
            }
        }
    }

    public int Count { get; private set; }

    public void Dispose()
    {
        foreach (var (field, owner, launcher) in _launchers) field.SetValue(owner, launcher);
    }

    private Delegate Wrap(Delegate launcher)
    {
        var parameters = launcher.GetType().GetMethod("Invoke")!.GetParameters().Select(parameter => Expression.Parameter(parameter.ParameterType)).ToArray();
        var count = Expression.PreIncrementAssign(Expression.Property(Expression.Constant(this), nameof(Count)));
        return Expression.Lambda(launcher.GetType(), Expression.Block(count, Expression.Invoke(Expression.Constant(launcher), parameters)), parameters).Compile();
    }
}
