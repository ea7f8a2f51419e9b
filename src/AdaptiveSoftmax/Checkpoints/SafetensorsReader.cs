using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace AdaptiveSoftmax;

/// <summary>
/// Reads a safetensors file of any size: checks the whole header when it opens, then reads tensor after tensor straight
/// into the memory they are for.
/// </summary>
public sealed unsafe class SafetensorsReader : IDisposable
{
    private const int ReadLength = 1 << 24;
    private const int ConvertLength = 1 << 16;

    private readonly SafeFileHandle _handle;
    private readonly SafetensorsHeader _header;
    private readonly long _dataStart;

    private SafetensorsReader(string fileName, SafeFileHandle handle, SafetensorsHeader header, long dataStart)
    {
        FileName = fileName;
        _handle = handle;
        _header = header;
        _dataStart = dataStart;
        Tensors = [.. header.Tensors.Values.OrderBy(tensor => tensor.Start).ThenBy(tensor => tensor.End)];
    }

    /// <summary>The file.</summary>
    public string FileName { get; }

    /// <summary>The strings that were saved beside the tensors.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<SafetensorsTensor> Tensors { get; }

    /// <summary>Opens a file and checks its header.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="SafetensorsFormatException">The file is not a sound safetensors file.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static SafetensorsReader Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        try
        {
            var fileLength = RandomAccess.GetLength(handle);
            if (fileLength < sizeof(ulong))
                throw new SafetensorsFormatException(path, null, $"It has {fileLength} bytes, fewer than the 8 of the header's length.", "The file is cut short; copy or save it again.");
            Span<byte> prefix = stackalloc byte[sizeof(ulong)];
            ReadExactly(path, handle, prefix, 0);
            var length = SafetensorsHeader.CheckLength(path, BinaryPrimitives.ReadUInt64LittleEndian(prefix), fileLength);
            var json = new byte[length];
            ReadExactly(path, handle, json, sizeof(ulong));
            var dataStart = sizeof(ulong) + (long)length;
            var header = SafetensorsHeader.Parse(path, json, fileLength - dataStart);
            return new SafetensorsReader(path, handle, header, dataStart);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Finds a tensor by name.</summary>
    /// <param name="name">The name, compared byte for byte.</param>
    /// <param name="tensor">The tensor, if there is one.</param>
    public bool TryGetTensor(string name, [NotNullWhen(true)] out SafetensorsTensor? tensor) =>
        _header.Tensors.TryGetValue(name, out tensor);

    /// <summary>Reads all values of a tensor of type F32, F64, F16 or BF16 as float32, in row-major order.</summary>
    /// <param name="tensor">A tensor of this file.</param>
    /// <param name="destination">As many values as the tensor has.</param>
    /// <exception cref="ArgumentException">The destination has another length.</exception>
    /// <exception cref="SafetensorsFormatException">The tensor has another type, or the file was cut short meanwhile.</exception>
    public void Read(SafetensorsTensor tensor, Span<float> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (destination.Length != tensor.Count)
            throw new ArgumentException($"'{tensor.Name}' has {tensor.Count} values, but there is room for {destination.Length}.", nameof(destination));
        fixed (float* pointer = destination) Read(tensor, pointer);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _handle.Dispose();

    /// <summary>Reads all values of a tensor to memory that has room for <see cref="SafetensorsTensor.Count"/> floats.</summary>
    internal void Read(SafetensorsTensor tensor, float* destination)
    {
        if (tensor.Type == SafetensorsTypes.Float32) ReadBytes(tensor, destination);
        else ReadConverted(tensor, destination);
    }

    private void ReadBytes(SafetensorsTensor tensor, float* destination)
    {
        var length = tensor.End - tensor.Start;
        for (var done = 0L; done < length; done += ReadLength)
        {
            var part = new Span<byte>((byte*)destination + done, (int)Math.Min(ReadLength, length - done));
            ReadExactly(FileName, _handle, part, _dataStart + tensor.Start + done);
        }
    }

    private void ReadConverted(SafetensorsTensor tensor, float* destination)
    {
        var size = tensor.Type switch
        {
            SafetensorsTypes.Float64 => sizeof(double),
            SafetensorsTypes.Float16 or SafetensorsTypes.BFloat16 => sizeof(ushort),
            _ => throw new SafetensorsFormatException(FileName, tensor.Name, $"Its type is {tensor.Type}; only F32, F64, F16 and BF16 can be read as weights.", "Convert it to F32 before loading."),
        };
        var buffer = ArrayPool<byte>.Shared.Rent(ConvertLength * size);
        try
        {
            for (var done = 0L; done < tensor.Count; done += ConvertLength)
            {
                var count = (int)Math.Min(ConvertLength, tensor.Count - done);
                var bytes = buffer.AsSpan(0, count * size);
                ReadExactly(FileName, _handle, bytes, _dataStart + tensor.Start + (done * size));
                Convert(tensor.Type, bytes, new Span<float>(destination + done, count));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static void Convert(string type, ReadOnlySpan<byte> bytes, Span<float> values)
    {
        switch (type)
        {
            case SafetensorsTypes.Float64:
                var doubles = MemoryMarshal.Cast<byte, double>(bytes);
                for (var i = 0; i < values.Length; i++) values[i] = (float)doubles[i];
                break;
            case SafetensorsTypes.Float16:
                var halves = MemoryMarshal.Cast<byte, Half>(bytes);
                for (var i = 0; i < values.Length; i++) values[i] = (float)halves[i];
                break;
            default:
                // A bfloat16 is the upper half of the float32 of the same value.
                var upper = MemoryMarshal.Cast<byte, ushort>(bytes);
                for (var i = 0; i < values.Length; i++) values[i] = BitConverter.UInt32BitsToSingle((uint)upper[i] << 16);
                break;
        }
    }

    private static void ReadExactly(string file, SafeFileHandle handle, Span<byte> destination, long offset)
    {
        while (!destination.IsEmpty)
        {
            var count = RandomAccess.Read(handle, destination, offset);
            if (count == 0)
                throw new SafetensorsFormatException(file, null, $"It ends at byte {offset}, before its header's last tensor does.", "It was cut short while it was read; copy or save it again.");
            destination = destination[count..];
            offset += count;
        }
    }
}
