using System.IO.Compression;

namespace AdaptiveSoftmax;

/// <summary>One tensor of a PyTorch file: a view, with strides, of a zip entry.</summary>
internal sealed class PyTorchTensor(string name, PickleTensor view, long count, ZipArchiveEntry? entry)
    : WeightsTensor(name, view.Type, view.Shape, count)
{
    /// <summary>The storage's bytes; null where there are none that can be read.</summary>
    public ZipArchiveEntry? Entry { get; } = entry;

    /// <summary>The first value, counted in values.</summary>
    public long Offset { get; } = view.Offset;

    /// <summary>The distance of neighbours in each dimension, in values.</summary>
    public IReadOnlyList<long> Strides { get; } = view.Strides;

    /// <summary>Whether its values are those of the storage with the other sign.</summary>
    public bool IsNegated { get; } = view.IsNegated;

    /// <summary>Whether it is a run of its storage, row by row.</summary>
    public bool IsContiguous
    {
        get
        {
            var step = 1L;
            for (var i = Shape.Count - 1; i >= 0; i--)
            {
                if (Shape[i] != 1 && Strides[i] != step) return false;
                step *= Shape[i];
            }

            return Entry is not null && Count > 0 && !IsNegated;
        }
    }

    /// <summary>The same values, each as often as it is stored: an axis of stride 0 repeats all behind it.</summary>
    /// <param name="repeats">How often each of them stands in this tensor.</param>
    public PyTorchTensor WithoutRepeats(out long repeats)
    {
        var shape = Shape.Zip(Strides, (size, stride) => stride == 0 ? Math.Min(size, 1) : size).ToArray();
        var once = shape.Aggregate(1L, (product, size) => product * size);
        repeats = once == 0 ? 0 : Count / once;
        return new PyTorchTensor(Name, view with { Shape = shape }, once, Entry);
    }

    /// <summary>The values from the first that it covers to the last, of a tensor that has any.</summary>
    public long Span => 1 + Shape.Zip(Strides, (size, stride) => (size - 1) * stride).Sum();
}
