using System.Globalization;
using AdaptiveSoftmax.Vocabulary;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp;

/// <summary>What the modules ask of their arguments.</summary>
internal static class ModuleArguments
{
    /// <summary>The layout of a module that takes PyTorch's arguments.</summary>
    /// <param name="hiddenSize">The size of a hidden vector.</param>
    /// <param name="hiddenName">Its name among the module's arguments.</param>
    /// <param name="n_classes">The number of classes.</param>
    /// <param name="cutoffs">The first class of each tail cluster.</param>
    /// <param name="divValue">The factor by which each cluster's projection narrows.</param>
    /// <param name="headBias">Whether the head has a bias.</param>
    /// <exception cref="ArgumentException">The arguments do not describe an adaptive softmax; the message says which.</exception>
    public static SoftmaxLayout CreateLayout(long hiddenSize, string hiddenName, long n_classes, IReadOnlyList<long> cutoffs, double divValue, bool headBias = false)
    {
        ArgumentNullException.ThrowIfNull(cutoffs);
        return SoftmaxLayout.Create(
            ToInt(hiddenSize, hiddenName), ToInt(n_classes, nameof(n_classes)), [.. cutoffs.Select(cutoff => ToInt(cutoff, nameof(cutoffs)))], divValue, headBias);
    }

    /// <summary>The name of a module whose sizes are given and for which libtorch is there.</summary>
    /// <remarks>For the call of the base class, which is the first use of libtorch.</remarks>
    /// <param name="sizes">Where the module takes its sizes from.</param>
    /// <param name="name">The name.</param>
    public static string CheckedName(object sizes, string name)
    {
        ArgumentNullException.ThrowIfNull(sizes);
        if (sizes is SoftmaxLayout { MapsLogits: true })
            throw new NotSupportedException("Scaled and capped logits are not computed by a module; take the layer itself, or fold a logitScale without a cap into the weights, and leave both out of the spec.");
        LibTorch.Require();
        return name;
    }

    /// <summary>Refuses classes that are no integers.</summary>
    /// <param name="classes">The classes.</param>
    /// <param name="name">The caller's argument, for the error.</param>
    public static void CheckClasses(Tensor classes, string name)
    {
        if (classes.dtype is not (ScalarType.Int64 or ScalarType.Int32 or ScalarType.Int16 or ScalarType.Int8 or ScalarType.Byte))
            throw new ArgumentException($"The {name}'s type is {classes.dtype}; classes are integers.", name);
    }

    /// <summary>Refuses an argument that is not where the parameters are.</summary>
    /// <param name="argument">The argument.</param>
    /// <param name="name">Its name, for the error.</param>
    /// <param name="device">Where the parameters are.</param>
    public static void CheckDevice(Tensor argument, string name, Device device)
    {
        if (!IsSame(argument.device, device))
            throw new ArgumentException($"The {name} is on {argument.device} and the parameters are on {device}; move one to the other.", name);
    }

    /// <summary>Whether two devices are one; TorchSharp's own comparison tells objects apart.</summary>
    /// <param name="one">A device.</param>
    /// <param name="other">The other.</param>
    public static bool IsSame(Device one, Device other) => one.type == other.type && one.index == other.index;

    private static int ToInt(long value, string name) =>
        value is >= int.MinValue and <= int.MaxValue
            ? (int)value
            : throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"{name} has the value {value}; sizes are at most {int.MaxValue}."), name);
}
