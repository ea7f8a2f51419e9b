using System.Reflection;
using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// On all devices but OpenCL's, ILGPU hands a launch's arguments over in a struct of its own assembly, with a field of
/// each argument's type; a shape that this assembly does not see would fail with the first launch, as an access denied.
/// </summary>
internal static class ShapeVisibility
{
    /// <summary>Checks a shape that is to be an argument of kernels.</summary>
    /// <typeparam name="TShape">The shape.</typeparam>
    /// <param name="accelerator">The device.</param>
    /// <exception cref="NotSupportedException">ILGPU does not see it; the message says how to mend that.</exception>
    public static void Check<TShape>(Accelerator accelerator)
    {
        ArgumentNullException.ThrowIfNull(accelerator);
        if (accelerator.AcceleratorType == AcceleratorType.OpenCL || IsSeen(typeof(TShape))) return;
        throw new NotSupportedException(
            $"ILGPU does not see '{typeof(TShape)}', which kernels on '{accelerator.Name}' need as an argument. Make its class and the classes around it public; "
            + $"internal ones do as well in an assembly that is not signed and has [assembly: InternalsVisibleTo(\"{Context.RuntimeAssemblyName}\")].");
    }

    private static bool IsSeen(Type type) => type.IsVisible || (IsInternal(type) && HasFriend(type.Assembly) && type.GetGenericArguments().All(IsSeen));

    // Not private, nor protected alone, and nor is what it lies in.
    private static bool IsInternal(Type type) =>
        !type.IsNestedPrivate && !type.IsNestedFamily && !type.IsNestedFamANDAssem && (type.DeclaringType is null || IsInternal(type.DeclaringType));

    private static bool HasFriend(Assembly assembly) =>
        assembly.GetCustomAttributes<InternalsVisibleToAttribute>().Any(friend => friend.AssemblyName == Context.RuntimeAssemblyName);
}
