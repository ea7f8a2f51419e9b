using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// A trainable matrix on a device, with its gradient. Rows are <see cref="Stride"/> values apart; what lies between
/// <see cref="Columns"/> and the stride is 0 and must stay so.
/// </summary>
public sealed partial class GpuParameter : IDisposable
{
    private DeviceBuffers? _buffers;
    private ArrayView<float> _values;
    private ArrayView<int> _state;
    private MemoryBuffer1D<float, Stride1D.Dense>? _gradient;

    /// <summary>Allocates a matrix of zeros.</summary>
    /// <param name="accelerator">The device.</param>
    /// <param name="name">The name in a state dict.</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="columns">The number of columns.</param>
    /// <param name="isVector">Whether a state dict holds it with one dimension, [rows]; it then has one column and no gaps.</param>
    /// <param name="gradientLayout">Which rows of the gradient a step can reach; a vector's is dense.</param>
    /// <exception cref="ArgumentException">
    /// The name is empty, a size is negative, or a vector has more than one column or a row-sparse gradient.
    /// </exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public GpuParameter(Accelerator accelerator, string name, int rows, int columns, bool isVector = false, GradientLayout gradientLayout = GradientLayout.Dense)
        : this(name, accelerator, rows, columns, isVector, gradientLayout) => Allocate();

    private GpuParameter(string name, Accelerator accelerator, int rows, int columns, bool isVector, GradientLayout gradientLayout)
    {
        ArgumentNullException.ThrowIfNull(accelerator);
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        if (isVector && columns != 1)
            throw new ArgumentException(FormattableString.Invariant($"'{name}' is a vector with {columns} columns; a vector has one."), nameof(columns));
        if (isVector && gradientLayout != GradientLayout.Dense)
            throw new ArgumentException($"'{name}' is a vector; only a matrix can have a row-sparse gradient.", nameof(gradientLayout));
        Accelerator = accelerator;
        Name = name;
        Rows = rows;
        Columns = columns;
        IsVector = isVector;
        GradientLayout = gradientLayout;
        Stride = isVector ? 1 : Sizes.Stride(columns);
    }

    /// <summary>The device.</summary>
    public Accelerator Accelerator { get; }

    /// <summary>The name in a state dict.</summary>
    public string Name { get; }

    /// <summary>The number of rows.</summary>
    public int Rows { get; }

    /// <summary>The number of columns.</summary>
    public int Columns { get; }

    /// <summary>Whether a state dict holds it with one dimension.</summary>
    public bool IsVector { get; }

    /// <summary>The values from one row to the next: columns rounded up to 8, or 1 for a vector.</summary>
    public int Stride { get; }

    /// <summary>The bytes on the device: values, and the gradient where there was one.</summary>
    public long Bytes => (_buffers?.Bytes ?? 0) + (_gradient?.LengthInBytes ?? 0);

    /// <summary>The values, [rows, stride].</summary>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public ArrayView<float> Values
    {
        get
        {
            CheckUsable();
            return _values;
        }
    }

    /// <summary>
    /// Whether the parameter learns, as PyTorch's <c>requires_grad</c>. A frozen one takes no gradient: a backward pass leaves
    /// its product out, and steps pass over it. Freezing forgets a gradient that is there. Files do not keep it.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public bool RequiresGradient
    {
        get;
        set
        {
            if (!value && WasAllocated) ZeroGradient();
            if (field != value) LearningChanges++;
            field = value;
        }
    } = true;

    /// <summary>How often <see cref="RequiresGradient"/> changed, which ends recordings of backward passes.</summary>
    internal int LearningChanges { get; private set; }

    internal ArrayView<float> Gradient
    {
        get
        {
            ReserveGradient();
            return _gradient!.View;
        }
    }

    internal ArrayView<int> State
    {
        get
        {
            CheckUsable();
            return _state;
        }
    }

    /// <summary>Its memory was released: who remembers something of it on the device releases that as well.</summary>
    internal event Action<GpuParameter>? Disposed;

    /// <summary>Whether the memory is released.</summary>
    internal bool IsDisposed => _buffers is { IsDisposed: true };

    /// <summary>The optimizer that stepped it last.</summary>
    internal object? SteppedBy { get; set; }

    /// <summary>Whether it has, or had, memory of its own.</summary>
    internal bool WasAllocated => _buffers is not null;

    internal long PaddedCount => (long)Rows * Stride;

    /// <summary>Copies the values from the device. Waits for the device.</summary>
    /// <param name="destination">Receives [rows, columns] without gaps.</param>
    /// <exception cref="ArgumentException">The destination has another size.</exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public unsafe void CopyTo(Span<float> destination)
    {
        CheckLength(destination.Length);
        fixed (float* pointer = destination) Download(Values, pointer);
    }

    /// <summary>Replaces the values.</summary>
    /// <param name="source">[rows, columns] without gaps.</param>
    /// <exception cref="ArgumentException">The source has another size.</exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public unsafe void CopyFrom(ReadOnlySpan<float> source)
    {
        CheckLength(source.Length);
        fixed (float* pointer = source) Upload(pointer, Values);
    }

    /// <summary>Copies the values of a parameter on the host, bit by bit.</summary>
    /// <param name="source">A parameter of the same sizes.</param>
    /// <exception cref="ArgumentException">It has other sizes.</exception>
    /// <exception cref="ObjectDisposedException">One of the two is disposed.</exception>
    public unsafe void CopyFrom(Parameter source)
    {
        CheckSizes(source);
        using var use = source.Use();
        Upload(source.ValuesPointer, Values);
    }

    /// <summary>Copies the values to a parameter on the host, bit by bit. Waits for the device.</summary>
    /// <param name="destination">A parameter of the same sizes.</param>
    /// <exception cref="ArgumentException">It has other sizes.</exception>
    /// <exception cref="ObjectDisposedException">One of the two is disposed.</exception>
    public unsafe void CopyTo(Parameter destination)
    {
        CheckSizes(destination);
        using var use = destination.Use();
        destination.MarkChanged();
        Download(Values, destination.ValuesPointer);
    }

    /// <summary>Copies the gradient from the device, zeros where there is none. Waits for the device.</summary>
    /// <param name="destination">Receives [rows, columns] without gaps.</param>
    /// <exception cref="ArgumentException">The destination has another size.</exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public unsafe void CopyGradientTo(Span<float> destination)
    {
        CheckLength(destination.Length);
        destination.Clear();
        if (!HasGradient()) return;
        fixed (float* pointer = destination) Download(Gradient, pointer);
    }

    /// <summary>Forgets the gradient without a step. Waits for nothing.</summary>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public void ZeroGradient()
    {
        var kernels = KernelCache.Get(Accelerator, accelerator => new OptimizerKernels(accelerator));
        kernels.Finish(Accelerator.DefaultStream, (1, 1), State);
        if (_gradient is not null) TouchedRows?.Clear(_gradient.View, Stride);
    }

    /// <summary>Releases the device's memory.</summary>
    public void Dispose()
    {
        _buffers?.Dispose();
        _gradient?.Dispose();
        Disposed?.Invoke(this);
    }

    /// <summary>A weight without memory, which the layer that takes it over allocates.</summary>
    internal static GpuParameter CreateWithoutMemory(Accelerator accelerator, string name, int rows, int columns, bool isVector = false) =>
        new(name, accelerator, rows, columns, isVector, GradientLayout.Dense);

    /// <summary>Allocates zeros, once.</summary>
    /// <exception cref="GpuMemoryException">The device has too little memory; the parameter then has none.</exception>
    internal void Allocate()
    {
        _buffers = new DeviceBuffers(Accelerator);
        _values = _buffers.AllocateZeros<float>(PaddedCount, FormattableString.Invariant($"the weight '{Name}' [{Rows}, {Columns}]"));
        _state = _buffers.AllocateZeros<int>(ParameterState.Length, $"the state of '{Name}'");
        if (GradientLayout == GradientLayout.SparseRows) TouchedRows = new TouchedRows(Accelerator, _buffers, Rows, Name);
    }

    /// <summary>Makes room for a gradient, which is not marked as present by that.</summary>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    internal void ReserveGradient()
    {
        CheckUsable();
        // Zeros, so that the gaps between rows are 0 for good: kernels write whole strides, but not every row.
        _gradient ??= DeviceMemory.AllocateZeros<float>(Accelerator, PaddedCount, FormattableString.Invariant($"the gradient of '{Name}' [{Rows}, {Columns}]"));
    }

    /// <summary>Whether a gradient was written since the last step. Waits for the device.</summary>
    internal bool HasGradient()
    {
        var state = new int[ParameterState.Length];
        State.CopyToCPU(Accelerator.DefaultStream, state);
        return state[ParameterState.HasGradient] != 0;
    }

    /// <summary>A parameter on the host of the same name and sizes, filled with zeros.</summary>
    internal Parameter CreateHost() => IsVector ? Parameter.CreateVector(Name, Rows) : new Parameter(Name, Rows, Columns);

    /// <summary>Copies padded rows from the device, without the gaps.</summary>
    internal unsafe void Download(ArrayView<float> padded, float* destination)
    {
        var rows = RowsPerCopy;
        var buffer = Stride == Columns ? null : new float[rows * Stride];
        for (var first = 0; first < Rows; first += rows)
        {
            var count = Math.Min(rows, Rows - first);
            var source = padded.SubView((long)first * Stride, (long)count * Stride);
            var target = new Span<float>(destination + ((long)first * Columns), count * Columns);
            if (buffer is null)
            {
                source.CopyToCPU(Accelerator.DefaultStream, target);
                continue;
            }

            source.CopyToCPU(Accelerator.DefaultStream, buffer.AsSpan(0, count * Stride));
            for (var row = 0; row < count; row++)
                buffer.AsSpan(row * Stride, Columns).CopyTo(target.Slice(row * Columns, Columns));
        }
    }

    /// <summary>Copies rows to the device, with zeros in the gaps.</summary>
    internal unsafe void Upload(float* source, ArrayView<float> padded)
    {
        var rows = RowsPerCopy;
        var buffer = Stride == Columns ? null : new float[rows * Stride];
        for (var first = 0; first < Rows; first += rows)
        {
            var count = Math.Min(rows, Rows - first);
            var target = padded.SubView((long)first * Stride, (long)count * Stride);
            var values = new ReadOnlySpan<float>(source + ((long)first * Columns), count * Columns);
            if (buffer is null)
            {
                target.CopyFromCPU(Accelerator.DefaultStream, values);
                continue;
            }

            for (var row = 0; row < count; row++)
                values.Slice(row * Columns, Columns).CopyTo(buffer.AsSpan(row * Stride, Columns));
            target.CopyFromCPU(Accelerator.DefaultStream, new ReadOnlySpan<float>(buffer, 0, count * Stride));
        }
    }

    // Rows at a time, so that removing the gaps costs the host a few megabytes however large the matrix.
    private int RowsPerCopy => Math.Max(1, (1 << 20) / Math.Max(1, Stride));

    private void CheckUsable()
    {
        if (_buffers is null)
            throw new InvalidOperationException($"'{Name}' has no memory yet: a head's or a tail's weights get it when a layer is made of them.");
        ObjectDisposedException.ThrowIf(_buffers.IsDisposed, this);
    }

    private void CheckLearns()
    {
        if (!RequiresGradient)
            throw new InvalidOperationException($"'{Name}' is frozen, so it takes no gradient; ask {nameof(RequiresGradient)} before computing one, or set it.");
    }

    private void CheckSizes(Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        if (parameter.Rows != Rows || parameter.Columns != Columns)
            throw new ArgumentException(FormattableString.Invariant($"'{Name}' is [{Rows}, {Columns}]; '{parameter.Name}' on the host is [{parameter.Rows}, {parameter.Columns}]."), nameof(parameter));
    }

    private void CheckLength(int length)
    {
        if (length != (long)Rows * Columns)
            throw new ArgumentException(FormattableString.Invariant($"'{Name}' is [{Rows}, {Columns}] with {(long)Rows * Columns} values; {length} were given."));
    }
}
