using TorchSharp.Modules;
using static TorchSharp.torch;
using TorchParameter = TorchSharp.Modules.Parameter;

namespace AdaptiveSoftmax.TorchSharp;

/// <summary>What the modules ask of their parameters, which TorchSharp lets anybody replace by others.</summary>
internal static class ModuleParameters
{
    /// <summary>The weight of a linear module that has no bias.</summary>
    /// <param name="module">The module.</param>
    /// <param name="name">Its name.</param>
    /// <param name="rows">The rows that the weight must have.</param>
    /// <param name="columns">The columns that it must have.</param>
    /// <exception cref="InvalidOperationException">The module is another one, or the weight does not fit.</exception>
    /// <exception cref="ObjectDisposedException">The weight is disposed.</exception>
    public static TorchParameter Weight(nn.IModule<Tensor, Tensor> module, string name, long rows, long columns)
    {
        if (module is not Linear linear) throw new InvalidOperationException($"{name} is a {module.GetType().Name}; it must be a {nameof(Linear)}.");
        if (linear.bias is not null) throw new InvalidOperationException($"{name}.bias is there; {name} has no bias.");
        return Check(linear.weight, $"{name}.weight", rows, columns);
    }

    /// <summary>Refuses a parameter that does not fit its place.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="name">Its name.</param>
    /// <param name="shape">The shape that it must have.</param>
    /// <returns>The parameter.</returns>
    /// <exception cref="InvalidOperationException">It has another shape, or no floating-point type, or is sparse.</exception>
    /// <exception cref="ObjectDisposedException">It is disposed.</exception>
    public static TorchParameter Check(TorchParameter parameter, string name, params ReadOnlySpan<long> shape)
    {
        if (parameter.IsInvalid) throw new ObjectDisposedException(name, "The parameter is disposed; its module cannot be used any more.");
        long[] found = parameter.shape;
        if (!found.AsSpan().SequenceEqual(shape))
            throw new InvalidOperationException($"{name} has the shape [{string.Join(", ", found)}]; it must have [{string.Join(", ", shape.ToArray())}], which follows from the module's sizes.");
        if (!IsFloatingPoint(parameter.dtype))
            throw new InvalidOperationException($"{name} is of type {parameter.dtype}; it must be of a floating-point type.");
        if (parameter.is_sparse) throw new InvalidOperationException($"{name} is sparse; it must be dense.");
        return parameter;
    }

    /// <summary>Refuses a type that parameters cannot have.</summary>
    /// <param name="dtype">The type; null for the default type.</param>
    /// <exception cref="ArgumentException">It is no floating-point type.</exception>
    public static void CheckType(ScalarType? dtype)
    {
        if (!IsFloatingPoint(dtype ?? get_default_dtype()))
            throw new ArgumentException($"The parameters' type is {dtype}; it must be Float32, Float64, Float16 or BFloat16.", nameof(dtype));
    }

    /// <summary>Refuses parameters that are not on one device.</summary>
    /// <param name="parameters">The parameters with their names.</param>
    /// <exception cref="InvalidOperationException">They are on several.</exception>
    public static void CheckDevices(IReadOnlyList<(string Name, TorchParameter Parameter)> parameters)
    {
        var (firstName, first) = parameters[0];
        foreach (var (name, parameter) in parameters)
        {
            if (!ModuleArguments.IsSame(parameter.device, first.device))
                throw new InvalidOperationException($"{name} is on {parameter.device} and {firstName} on {first.device}; move the module as a whole.");
        }
    }

    private static bool IsFloatingPoint(ScalarType type) => type is ScalarType.Float32 or ScalarType.Float64 or ScalarType.Float16 or ScalarType.BFloat16;
}
