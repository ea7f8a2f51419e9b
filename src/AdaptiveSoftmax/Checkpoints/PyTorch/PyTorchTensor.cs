using System.IO.Compression;

namespace AdaptiveSoftmax;

/// <summary>One tensor of a PyTorch file: a view, with strides, of a zip entry.</summary>
internal sealed class PyTorchTensor(string name, PickleTensor view, long count, ZipArchiveEntry entry)
    : WeightsTensor(name, view.Storage.Type, view.Shape, count)
{
    /// <summary>The storage's bytes.</summary>
    public ZipArchiveEntry Entry { get; } = entry;

    /// <summary>The first value, counted in values.</summary>
    public long Offset { get; } = view.Offset;

    /// <summary>The distance of neighbours in each dimension, in values.</summary>
    public IReadOnlyList<long> Strides { get; } = view.Strides;

    /// <summary>Whether the values stand in row-major order without gaps.</summary>
    public bool IsContiguous
    {
        get
        {
            var expected = 1L;
            for (var i = Shape.Count - 1; i >= 0; i--)
            {
                if (Shape[i] != 1 && Strides[i] != expected) return false;
                expected *= Shape[i];
            }

            return true;
        }
    }
}
