using System.Runtime.InteropServices;

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
public sealed unsafe class Parameter : IDisposable
{
    private readonly RowSet? _touchedRows;
    private readonly NativeFloats _values;
    private readonly bool _isBorrowed;
    private NativeFloats? _gradient;
    private bool _hasDenseGradient;
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

    /// <summary>Which rows of the gradient a step can reach.</summary>
    public GradientLayout GradientLayout { get; }

    /// <summary>The values, row by row: [rows, columns]. <see cref="Edit"/> and <see cref="Set"/> change them.</summary>
    /// <exception cref="InvalidOperationException">There are more values than a span holds; use <see cref="Row"/>.</exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public ReadOnlySpan<float> Values => new(ValuesPointer, SpanLength());

    /// <summary>
    /// The gradient, row by row: [rows, columns]. Reading it changes nothing: where <see cref="HasGradient"/> is false it is
    /// all zeros, and so are the rows of a row-sparse one that were not touched. <see cref="TouchGradient"/> and
    /// <see cref="TouchGradientRow"/> give it to add to.
    /// </summary>
    /// <exception cref="InvalidOperationException">There are more values than a span holds; use <see cref="GradientRow"/>.</exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public ReadOnlySpan<float> Gradient
    {
        get
        {
            var length = SpanLength();
            return new ReadOnlySpan<float>(EnsureGradient(), length);
        }
    }

    /// <summary>
    /// Whether the parameter learns, as PyTorch's <c>requires_grad</c>. A frozen one takes no gradient: a backward pass leaves
    /// its share of the work out, and steps pass over it. Freezing forgets a gradient that is there. Files do not keep it.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public bool RequiresGradient
    {
        get;
        set
        {
            if (!value) ZeroGradient();
            field = value;
        }
    } = true;

    /// <summary>
    /// Whether something was added to the gradient since the last step. Optimizers and clipping skip a parameter
    /// without one, as PyTorch skips a parameter whose <c>grad</c> is None.
    /// </summary>
    public bool HasGradient => _touchedRows is null ? _hasDenseGradient : _touchedRows.Count > 0;

    /// <summary>The rows of a row-sparse gradient, in the order of their first touch; empty for a dense one.</summary>
    public ReadOnlySpan<int> TouchedRows => _touchedRows is null ? [] : _touchedRows.Rows;

    /// <summary>The optimizer that took the last step, which no checkpoint may forget; null before the first.</summary>
    internal object? SteppedBy { get; set; }

    /// <summary>Whether the gradient was found to be finite since something was last added to it.</summary>
    internal bool GradientIsSound { get; set; }

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
    internal MemoryLeases Leases { get; set; } = new();

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

    /// <summary>The first value of the gradient; null where it was never allocated. Marks nothing.</summary>
    internal float* GradientPointer => _gradient is null ? null : _gradient.Pointer;

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

    /// <summary>The gradient of one row, [columns]. Reading it changes nothing.</summary>
    /// <param name="row">A row in [0, rows).</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public ReadOnlySpan<float> GradientRow(int row)
    {
        CheckRow(row);
        return new ReadOnlySpan<float>(EnsureGradient() + ((long)row * Columns), Columns);
    }

    /// <summary>The gradient to add to, [rows, columns]. Marks the parameter as having one, so that the next step moves it.</summary>
    /// <exception cref="InvalidOperationException">
    /// The gradient is row-sparse, or has more values than a span holds; use <see cref="TouchGradientRow"/>. Or the parameter is
    /// frozen.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public Span<float> TouchGradient()
    {
        CheckLearns();
        var length = SpanLength();
        return new Span<float>(TouchGradientPointer(), length);
    }

    /// <summary>The gradient of one row to add to, [columns]. Records the row as touched, so that the next step moves it.</summary>
    /// <param name="row">A row in [0, rows).</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    /// <exception cref="InvalidOperationException">The parameter is frozen.</exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public Span<float> TouchGradientRow(int row)
    {
        CheckRow(row);
        CheckLearns();
        var gradient = EnsureGradient();
        if (_touchedRows is null) _hasDenseGradient = true;
        else _touchedRows.Add(row);
        GradientIsSound = false;
        return new Span<float>(gradient + ((long)row * Columns), Columns);
    }

    /// <summary>Sets the gradient to zero without a step; afterwards <see cref="HasGradient"/> is false.</summary>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public void ZeroGradient()
    {
        using var use = Use();
        ClearGradient();
    }

    /// <summary>The same within a call that <see cref="Use"/> let in.</summary>
    internal void ClearGradient()
    {
        if (HasGradient)
        {
            if (_touchedRows is null)
            {
                NativeMemory.Clear(GradientPointer, (nuint)Count * sizeof(float));
            }
            else
            {
                foreach (var row in _touchedRows.Rows)
                    new Span<float>(GradientPointer + ((long)row * Columns), Columns).Clear();
            }
        }

        ForgetGradient();
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

    /// <summary>Says that the values have changed, for those who keep what they derived from them.</summary>
    internal void MarkChanged() => Interlocked.Increment(ref _version);

    /// <summary>
    /// Allocates a dense gradient if needed, marks it, and gives its first value; null where a borrowed parameter wants none
    /// and where it is frozen.
    /// </summary>
    internal float* TouchGradientPointer()
    {
        if (_touchedRows is not null)
            throw new InvalidOperationException($"The gradient of '{Name}' is row-sparse; add to it through {nameof(TouchGradientRow)}, which records the row.");
        if (!LearnsFromBackward) return null;
        var pointer = EnsureGradient();
        _hasDenseGradient = true;
        GradientIsSound = false;
        return pointer;
    }

    /// <summary>Whether a backward pass has a gradient to compute.</summary>
    internal bool LearnsFromBackward => RequiresGradient && !(_isBorrowed && _gradient is null);

    /// <summary>The touched rows in ascending order, which is the order of a step.</summary>
    internal ReadOnlySpan<int> SortTouchedRows()
    {
        if (_touchedRows is null) return [];
        _touchedRows.Sort();
        return _touchedRows.Rows;
    }

    /// <summary>Says that the gradient is all zeros again, which a step that zeroed it on its way does.</summary>
    internal void ForgetGradient()
    {
        _hasDenseGradient = false;
        _touchedRows?.Clear();
    }

    private void Free()
    {
        _gradient?.Dispose();
        _values.Dispose();
        ForgetGradient();
    }

    private float* EnsureGradient()
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        _gradient ??= new NativeFloats(Count);
        return _gradient.Pointer;
    }

    private void CheckRow(int row)
    {
        if ((uint)row >= (uint)Rows)
            throw new ArgumentOutOfRangeException(nameof(row), row, FormattableString.Invariant($"'{Name}' has {Rows} rows, so a row must be in [0, {Rows})."));
    }

    private void CheckLearns()
    {
        if (!RequiresGradient)
            throw new InvalidOperationException($"'{Name}' is frozen, so it takes no gradient; ask {nameof(RequiresGradient)} before computing one, or set it.");
    }

    private int SpanLength()
    {
        if (Count > int.MaxValue)
            throw new InvalidOperationException(FormattableString.Invariant($"'{Name}' has {Count} values, more than a span holds; use {nameof(Row)}, {nameof(GradientRow)} and {nameof(TouchGradientRow)}."));
        return (int)Count;
    }
}
