namespace AdaptiveSoftmax;

/// <summary>
/// A named matrix of trainable values with its gradient, both in 64-byte aligned native memory.
/// </summary>
/// <remarks>
/// The gradient is allocated when it is first asked for, so a model that only decodes never pays for it. While
/// <see cref="HasGradient"/> is false the gradient is all zeros, which lets a backward pass always add to it.
/// The memory is released by <see cref="Dispose"/> and by nothing else: a span over native memory does not keep its
/// owner alive, so a finalizer could release values that are still being read.
/// A parameter may be read by several threads at once; writing, and all that has to do with gradients, belongs to one thread.
/// </remarks>
public sealed unsafe partial class Parameter : IDisposable
{
    private NativeFloats _values;
    private readonly bool _isBorrowed;
    private bool _isOfLayer;
    private long _version;
    private int _isDisposed;

    /// <summary>Creates a matrix [rows, columns] of zeros.</summary>
    /// <param name="name">The name in a state dict, for example <c>head.weight</c>.</param>
    /// <param name="rows">The number of rows, which may be 0.</param>
    /// <param name="columns">The number of columns, which may be 0.</param>
    /// <param name="gradientLayout">Which rows of the gradient a step can reach.</param>
    /// <exception cref="ArgumentException">The name is empty or a size is negative.</exception>
    /// <exception cref="OutOfMemoryException">The memory cannot be had.</exception>
    public Parameter(string name, int rows, int columns, GradientLayout gradientLayout = GradientLayout.Dense)
        : this(name, rows, columns, gradientLayout, isVector: false)
    {
    }

    private Parameter(string name, int rows, int columns, GradientLayout gradientLayout, bool isVector)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        Name = name;
        Rows = rows;
        Columns = columns;
        IsVector = isVector;
        GradientLayout = gradientLayout;
        _touchedRows = gradientLayout == GradientLayout.SparseRows ? new RowSet(rows) : null;
        _values = new NativeFloats((long)rows * columns);
    }

    private Parameter(string name, int rows, int columns, bool isVector, float* values, float* gradient)
    {
        Name = name;
        Rows = rows;
        Columns = columns;
        IsVector = isVector;
        _isBorrowed = true;
        _values = new NativeFloats(values, (long)rows * columns);
        _gradient = gradient is null ? null : new NativeFloats(gradient, (long)rows * columns);
    }

    /// <summary>Creates a vector [length], such as a bias: its rows are its values, and it has one column.</summary>
    /// <param name="name">The name in a state dict, for example <c>head.bias</c>.</param>
    /// <param name="length">The number of values, which may be 0.</param>
    /// <exception cref="ArgumentException">The name is empty or the length is negative.</exception>
    /// <exception cref="OutOfMemoryException">The memory cannot be had.</exception>
    public static Parameter CreateVector(string name, int length) =>
        new(name, length, 1, GradientLayout.Dense, isVector: true);

    /// <summary>Stands for a matrix in memory that somebody else owns and keeps for as long as this is used.</summary>
    /// <param name="name">The name in a state dict.</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="columns">The number of columns.</param>
    /// <param name="isVector">Whether it is a vector.</param>
    /// <param name="values">The values, [rows, columns].</param>
    /// <param name="gradient">
    /// Where a backward pass writes the gradient, whatever stands there; null where none is wanted.
    /// </param>
    internal static Parameter Borrow(string name, int rows, int columns, bool isVector, float* values, float* gradient) =>
        new(name, rows, columns, isVector, values, gradient);

    /// <summary>The name in a state dict, for example <c>head.weight</c>.</summary>
    public string Name { get; }

    /// <summary>The number of rows.</summary>
    public int Rows { get; }

    /// <summary>The number of columns.</summary>
    public int Columns { get; }

    /// <summary>Whether a state dict holds it with one dimension, [rows], instead of two.</summary>
    public bool IsVector { get; }

    /// <summary>The number of values, rows × columns.</summary>
    public long Count => _values.Count;

    /// <summary>The values, row by row: [rows, columns]. <see cref="Edit"/> and <see cref="Set"/> change them.</summary>
    /// <exception cref="InvalidOperationException">There are more values than a span holds; use <see cref="Row"/>.</exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public ReadOnlySpan<float> Values => new(ValuesPointer, SpanLength());

    /// <summary>What it is a part of; null where it is a tensor of its own.</summary>
    internal TensorPart? Part { get; set; }

    /// <summary>The name of its tensor in files.</summary>
    internal string TensorName => Part?.Name ?? Name;

    /// <summary>Its first value in its tensor.</summary>
    internal long FirstValue => (long)(Part?.FirstRow ?? 0) * Columns;

    /// <summary>The optimizer that took the last step, which no checkpoint may forget; null before the first.</summary>
    internal object? SteppedBy { get; set; }

    /// <summary>
    /// Counts the changes of the values. There is no way to write them that does not count, so whoever derived something from
    /// them, such as <see cref="CertifiedSoftmax"/>, knows when it no longer holds.
    /// </summary>
    public long Version => Volatile.Read(ref _version);

    /// <summary>The values to write, [rows, columns]: counts the change first, and must not be kept.</summary>
    internal Span<float> WritableValues
    {
        get
        {
            var length = SpanLength();
            MarkChanged();
            return new Span<float>(ValuesPointer, length);
        }
    }

    /// <summary>Whether the memory is given up; calls that began before may still work in it.</summary>
    internal bool IsDisposed => Volatile.Read(ref _isDisposed) != 0;

    /// <summary>The calls that work in the memory; a layer's parameters share those of the layer.</summary>
    internal MemoryLeases Leases { get; private set; } = new();

    /// <summary>The first value.</summary>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    internal float* ValuesPointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsDisposed, this);
            return _values.Pointer;
        }
    }

    /// <summary>The first value within a call that <see cref="Use"/> let in, disposed meanwhile or not, so that it can end what it began.</summary>
    internal float* KeptValuesPointer => _values.Pointer;

    /// <summary><see cref="KeptValuesPointer"/> to write to before <see cref="MarkChanged"/>: a file that is mapped is copied first.</summary>
    internal float* WritablePointer
    {
        get
        {
            _values.Map?.MakePrivate();
            return _values.Pointer;
        }
    }

    /// <summary>The values of one row, [columns]. <see cref="EditRow"/> changes them.</summary>
    /// <param name="row">A row in [0, rows).</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public ReadOnlySpan<float> Row(int row)
    {
        CheckRow(row);
        return new ReadOnlySpan<float>(ValuesPointer + ((long)row * Columns), Columns);
    }

    /// <summary>Changes the values. The span is the action's alone: a change that nobody counts cannot be made.</summary>
    /// <param name="change">Receives the values, row by row, [rows, columns].</param>
    /// <exception cref="InvalidOperationException">There are more values than a span holds; use <see cref="EditRow"/>.</exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public void Edit(Action<Span<float>> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        using var use = Use();
        try
        {
            change(WritableValues);
        }
        finally
        {
            MarkChanged();
        }
    }

    /// <summary>Changes the values of one row, as <see cref="Edit"/> does those of all.</summary>
    /// <param name="row">A row in [0, rows).</param>
    /// <param name="change">Receives the values of the row, [columns].</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public void EditRow(int row, Action<Span<float>> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        using var use = Use();
        try
        {
            change(WritableRow(row));
        }
        finally
        {
            MarkChanged();
        }
    }

    /// <summary>Takes over values.</summary>
    /// <param name="values">The values, row by row, [rows, columns].</param>
    /// <exception cref="ArgumentException">There are more values or fewer.</exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public void Set(ReadOnlySpan<float> values)
    {
        if (values.Length != Count) throw new ArgumentException(FormattableString.Invariant($"There are {values.Length} values for '{Name}', which has {Count}."), nameof(values));
        using var use = Use();
        values.CopyTo(WritableValues);
        MarkChanged();
    }

    /// <summary>The values of one row to write, [columns]: counts the change first, and must not be kept.</summary>
    internal Span<float> WritableRow(int row)
    {
        CheckRow(row);
        MarkChanged();
        return new Span<float>(ValuesPointer + ((long)row * Columns), Columns);
    }

    /// <summary>
    /// Releases values and gradient. Calls of this library that work with them on other threads end first, or with an
    /// <see cref="ObjectDisposedException"/>; spans taken before must not be used any more.
    /// </summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0) Leases.WhenUnused(Free);
    }

    /// <summary>Keeps the memory until the lease ends.</summary>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    internal MemoryLease Use()
    {
        var lease = Leases.Take();
        if (!IsDisposed) return lease;
        lease.Dispose();
        throw new ObjectDisposedException(GetType().FullName);
    }

    /// <summary>From now on the layer's calls keep the memory, and the layer gives it up.</summary>
    /// <param name="leases">The layer's.</param>
    /// <exception cref="ArgumentException">Another layer does already, so that neither could know when the other is done.</exception>
    internal void JoinLayer(MemoryLeases leases)
    {
        if (_isOfLayer) throw new ArgumentException($"'{Name}' is a weight of another layer; a weight has one layer, which several threads, a body or a TiedEmbedding can share.");
        (_isOfLayer, Leases) = (true, leases);
    }

    /// <summary>The file whose pages the values are; null where they are in memory of their own.</summary>
    internal MappedFile? Map => _values.Map;

    /// <summary>Takes over memory with other values, and releases its own. For a parameter that nobody uses yet.</summary>
    internal void Adopt(NativeFloats values)
    {
        _values.Dispose();
        _values = values;
        Interlocked.Increment(ref _version);
    }

    /// <summary>Says that the values have changed or will, for those who keep what they derived from them.</summary>
    internal void MarkChanged()
    {
        _values.Map?.MakePrivate();
        Interlocked.Increment(ref _version);
    }

    private void Free()
    {
        _gradient?.Dispose();
        _values.Dispose();
        ForgetGradient();
    }

    private void CheckRow(int row)
    {
        if ((uint)row >= (uint)Rows)
            throw new ArgumentOutOfRangeException(nameof(row), row, FormattableString.Invariant($"'{Name}' has {Rows} rows, so a row must be in [0, {Rows})."));
    }

    private int SpanLength()
    {
        if (Count > int.MaxValue)
            throw new InvalidOperationException(FormattableString.Invariant($"'{Name}' has {Count} values, more than a span holds; use {nameof(Row)}, {nameof(GradientRow)} and {nameof(TouchGradientRow)}."));
        return (int)Count;
    }
}
