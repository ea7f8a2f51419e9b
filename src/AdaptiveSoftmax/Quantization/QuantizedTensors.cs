using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>One tensor of a weight as it stands in a file.</summary>
/// <param name="Suffix">What follows the weight's name.</param>
/// <param name="Type">The type by its name in safetensors.</param>
/// <param name="Shape">The shape.</param>
/// <param name="ReadBehind">The bytes behind its last that may be read with it, whatever they are.</param>
internal sealed record QuantizedTensor(string Suffix, string Type, IReadOnlyList<long> Shape, int ReadBehind = 0)
{
    public long Count => Shape.Aggregate(1L, (count, size) => count * size);

    public long ByteCount => Count * SafetensorsTypes.FindBits(Type) / 8;
}

/// <summary>The layout of small weights in a file: the names, types and shapes of what a precision keeps of a weight.</summary>
internal static class QuantizedTensors
{
    /// <summary>The tensors of a weight, in the order of <see cref="QuantizedMatrix.Parts"/>.</summary>
    public static IReadOnlyList<QuantizedTensor> Of(WeightPrecision precision, int rows, int columns) => precision switch
    {
        WeightPrecision.Float32 => [new("", SafetensorsTypes.Float32, [rows, columns])],
        WeightPrecision.BFloat16 => [new("", SafetensorsTypes.BFloat16, [rows, columns])],
        WeightPrecision.Float16 => [new("", SafetensorsTypes.Float16, [rows, columns])],
        WeightPrecision.Int4 =>
        [
            new("", SafetensorsTypes.Byte, [rows, Int4Gemv.Groups(columns), Int4Gemv.GroupBytes]),
            new("_group_scale", SafetensorsTypes.Float16, [rows, Int4Gemv.Groups(columns)], Int4Gemv.ReadBehind * sizeof(short)),
            new("_scale", SafetensorsTypes.Float32, [rows]),
        ],
        WeightPrecision.Int8 => [new("", SafetensorsTypes.Int8, [rows, columns]), new("_scale", SafetensorsTypes.Float32, [rows])],
        _ => throw new ArgumentOutOfRangeException(nameof(precision), precision, "The precision has no layout in files."),
    };

    /// <summary>The tensors of a certified decoder's copy of a weight, in the order of <see cref="RowScreen.Parts"/>.</summary>
    public static IReadOnlyList<QuantizedTensor> OfScreen(WeightPrecision precision, int rows, int columns)
    {
        var name = "_" + precision.GetName();
        return
        [
            .. Of(precision, rows, columns).Select(tensor => tensor with { Suffix = name + tensor.Suffix }),
            new($"{name}_error", SafetensorsTypes.Float32, [rows]),
        ];
    }

    /// <summary>The weights that a certified decoder has copies of: the head's and the tails' output.</summary>
    public static IEnumerable<(string Name, int Rows, int Columns)> Screened(SoftmaxLayout layout) =>
        Weights(layout, QuantizationOptions.Default).Where(weight => !weight.Name.EndsWith(".0.weight", StringComparison.Ordinal)).Select(weight => (weight.Name, weight.Rows, weight.Columns));

    /// <summary>The weights of a softmax under PyTorch's names, with their sizes and precisions.</summary>
    public static IEnumerable<(string Name, int Rows, int Columns, WeightPrecision Precision)> Weights(SoftmaxLayout layout, QuantizationOptions precision)
    {
        yield return ("head.weight", layout.HeadRows, layout.HiddenSize, precision.Head);
        foreach (var tail in layout.Tails)
        {
            var name = $"tail.{tail.Index.ToString(CultureInfo.InvariantCulture)}";
            var output = precision.OfTail(tail.Index);
            yield return ($"{name}.0.weight", tail.ProjectionWidth, layout.HiddenSize, QuantizedCluster.OfProjection(output));
            yield return ($"{name}.1.weight", tail.Size, tail.ProjectionWidth, output);
        }
    }
}
