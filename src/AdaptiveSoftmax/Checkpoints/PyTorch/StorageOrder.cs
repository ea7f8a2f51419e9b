namespace AdaptiveSoftmax;

/// <summary>
/// Walks the values of a view in the order of its storage, so that a storage is read once from its beginning, however the
/// view turns it. Not every view can be walked so: those whose windows overlap cannot.
/// </summary>
internal sealed class StorageOrder
{
    private readonly long[] _sizes;
    private readonly long[] _strides;
    private readonly long[] _places;
    private readonly long[] _index;

    /// <summary>Begins at the first value.</summary>
    /// <param name="tensor">The view, which has values.</param>
    public StorageOrder(PyTorchTensor tensor)
    {
        var axes = Enumerable.Range(0, tensor.Shape.Count).Where(axis => tensor.Shape[axis] > 1).OrderByDescending(axis => tensor.Strides[axis]).ToArray();
        var places = new long[tensor.Shape.Count];
        var place = 1L;
        for (var axis = places.Length - 1; axis >= 0; axis--)
        {
            places[axis] = place;
            place *= tensor.Shape[axis];
        }

        // Axes that are one in storage and tensor alike are walked as one.
        var (sizes, strides, steps) = (new List<long>(), new List<long>(), new List<long>());
        foreach (var axis in axes)
        {
            var (size, stride, step) = (tensor.Shape[axis], tensor.Strides[axis], places[axis]);
            if (sizes.Count > 0 && strides[^1] == size * stride && steps[^1] == size * step)
            {
                (sizes[^1], strides[^1], steps[^1]) = (sizes[^1] * size, stride, step);
                continue;
            }

            sizes.Add(size);
            strides.Add(stride);
            steps.Add(step);
        }

        (_sizes, _strides, _places) = ([.. sizes], [.. strides], [.. steps]);
        _index = new long[_sizes.Length];
        Position = tensor.Offset;
    }

    /// <summary>Whether no step goes back in the storage.</summary>
    public bool IsAscending
    {
        get
        {
            var inner = 0L;
            for (var axis = _sizes.Length - 1; axis >= 0; axis--)
            {
                if (_strides[axis] < inner) return false;
                inner += (_sizes[axis] - 1) * _strides[axis];
            }

            return true;
        }
    }

    /// <summary>The value's place in the storage.</summary>
    public long Position { get; private set; }

    /// <summary>The value's place in the tensor, in row-major order.</summary>
    public long Place { get; private set; }

    /// <summary>How many values from here on stand side by side in both.</summary>
    public long Run => _sizes.Length > 0 && _strides[^1] == 1 && _places[^1] == 1 ? _sizes[^1] - _index[^1] : 1;

    /// <summary>Goes on by values of one <see cref="Run"/>; false at the end.</summary>
    public bool Advance(long count)
    {
        for (var axis = _sizes.Length - 1; axis >= 0; axis--)
        {
            Position += count * _strides[axis];
            Place += count * _places[axis];
            if ((_index[axis] += count) < _sizes[axis]) return true;
            Position -= _sizes[axis] * _strides[axis];
            Place -= _sizes[axis] * _places[axis];
            _index[axis] = 0;
            count = 1;
        }

        return false;
    }
}
