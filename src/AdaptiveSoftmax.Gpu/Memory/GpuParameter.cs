using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// A trainable matrix on a device, with its gradient. Rows are <see cref="Stride"/> values apart; what lies between
/// <see cref="Columns"/> and the stride is 0 and must stay so.
/// </summary>
public sealed class GpuParameter : IDisposable
{
    private readonly MemoryBuffer1D<float, Stride1D.Dense> _values;
    private readonly MemoryBuffer1D<int, Stride1D.Dense> _state;
    private MemoryBuffer1D<float, Stride1D.Dense>? _gradient;

    /// <summary>Allocates a matrix of zeros.</summary>
    /// <param name="accelerator">The device.</param>
    /// <param name="name">The name in a state dict.</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="columns">The number of columns.</param>
    /// <param name="isVector">Whether a state dict holds it with one dimension, [rows]; it then has one column and no gaps.</param>
    /// <exception cref="ArgumentException">The name is empty, a size is negative, or a vector has more than one column.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public GpuParameter(Accelerator accelerator, string name, int rows, int columns, bool isVector = false)
    {
        ArgumentNullException.ThrowIfNull(accelerator);
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        if (isVector && columns != 1)
            throw new ArgumentException($"'{name}' is a vector with {columns} columns; a vector has one.", nameof(columns));
        Accelerator = accelerator;
        Name = name;
        Rows = rows;
        Columns = columns;
        IsVector = isVector;
        Stride = isVector ? 1 : Sizes.Stride(columns);
        _values = DeviceMemory.AllocateZeros<float>(accelerator, PaddedCount, $"the weight '{name}' [{rows}, {columns}]");
        _state = DeviceMemory.AllocateZeros<int>(accelerator, ParameterState.Length, $"the state of '{name}'");
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
    public long Bytes => (_values.LengthInBytes + (_gradient?.LengthInBytes ?? 0)) + _state.LengthInBytes;

    /// <summary>The values, [rows, stride].</summary>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public ArrayView<float> Values
    {
        get
        {
            ObjectDisposedException.ThrowIf(_values.IsDisposed, this);
            return _values.View;
        }
    }

    internal ArrayView<float> Gradient
    {
        get
        {
            ObjectDisposedException.ThrowIf(_values.IsDisposed, this);
            // Zeros, so that the gaps between rows are 0 for good: kernels write whole strides, but not every row.
            _gradient ??= DeviceMemory.AllocateZeros<float>(Accelerator, PaddedCount, $"the gradient of '{Name}' [{Rows}, {Columns}]");
            return _gradient.View;
        }
    }

    internal ArrayView<int> State
    {
        get
        {
            ObjectDisposedException.ThrowIf(_values.IsDisposed, this);
            return _state.View;
        }
    }

    internal long PaddedCount => (long)Rows * Stride;

    /// <summary>Copies the values from the device. Waits for the device.</summary>
    /// <param name="destination">Receives [rows, columns] without gaps.</param>
    /// <exception cref="ArgumentException">The destination has another size.</exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public void CopyTo(Span<float> destination) => Download(Values, destination);

    /// <summary>Replaces the values.</summary>
    /// <param name="source">[rows, columns] without gaps.</param>
    /// <exception cref="ArgumentException">The source has another size.</exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public void CopyFrom(ReadOnlySpan<float> source) => Upload(source, Values);

    /// <summary>Copies the gradient from the device, zeros where there is none. Waits for the device.</summary>
    /// <param name="destination">Receives [rows, columns] without gaps.</param>
    /// <exception cref="ArgumentException">The destination has another size.</exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public void CopyGradientTo(Span<float> destination)
    {
        if (HasGradient()) Download(Gradient, destination);
        else destination.Clear();
    }

    /// <summary>Forgets the gradient without a step.</summary>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public void ZeroGradient() => State.SubView(ParameterState.HasGradient, 1).MemSetToZero();

    /// <summary>Releases the device's memory.</summary>
    public void Dispose()
    {
        _values.Dispose();
        _gradient?.Dispose();
        _state.Dispose();
    }

    /// <summary>Whether a gradient was written since the last step. Waits for the device.</summary>
    internal bool HasGradient() => ReadState()[ParameterState.HasGradient] != 0;

    internal int[] ReadState()
    {
        var state = new int[ParameterState.Length];
        State.CopyToCPU(state);
        return state;
    }

    internal void Download(ArrayView<float> padded, Span<float> destination)
    {
        CheckLength(destination.Length);
        if (Stride == Columns)
        {
            if (destination.Length > 0) padded.SubView(0, destination.Length).CopyToCPU(destination);
            return;
        }

        // Rows at a time, so that the gaps cost a small buffer on the host.
        var rows = Math.Max(1, (1 << 20) / Stride);
        var buffer = new float[(long)rows * Stride];
        for (var first = 0; first < Rows; first += rows)
        {
            var count = Math.Min(rows, Rows - first);
            padded.SubView((long)first * Stride, (long)count * Stride).CopyToCPU(buffer.AsSpan(0, count * Stride));
            for (var row = 0; row < count; row++)
                buffer.AsSpan(row * Stride, Columns).CopyTo(destination.Slice((first + row) * Columns, Columns));
        }
    }

    internal void Upload(ReadOnlySpan<float> source, ArrayView<float> padded)
    {
        CheckLength(source.Length);
        if (Stride == Columns)
        {
            if (source.Length > 0) padded.SubView(0, source.Length).CopyFromCPU(source.ToArray());
            return;
        }

        var rows = Math.Max(1, (1 << 20) / Stride);
        for (var first = 0; first < Rows; first += rows)
        {
            var count = Math.Min(rows, Rows - first);
            var buffer = new float[(long)count * Stride];
            for (var row = 0; row < count; row++)
                source.Slice((first + row) * Columns, Columns).CopyTo(buffer.AsSpan(row * Stride, Columns));
            padded.SubView((long)first * Stride, (long)count * Stride).CopyFromCPU(buffer);
        }
    }

    private void CheckLength(int length)
    {
        if (length != (long)Rows * Columns)
            throw new ArgumentException($"'{Name}' is [{Rows}, {Columns}] with {(long)Rows * Columns} values; {length} were given.");
    }
}
