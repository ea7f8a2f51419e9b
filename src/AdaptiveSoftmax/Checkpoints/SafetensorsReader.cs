using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;

namespace AdaptiveSoftmax;

/// <summary>
/// Reads a safetensors file of any size: checks the whole header when it opens, then reads tensor after tensor straight
/// into the memory they are for.
/// </summary>
public sealed unsafe class SafetensorsReader : WeightsFile
{
    private const int ReadLength = 1 << 24;
    private const int ConvertLength = 1 << 16;

    private readonly SafeFileHandle _handle;
    private readonly SafetensorsHeader _header;
    private readonly long _dataStart;

    private SafetensorsReader(string fileName, SafeFileHandle handle, SafetensorsHeader header, long dataStart)
        : base(fileName)
    {
        _handle = handle;
        _header = header;
        _dataStart = dataStart;
        Tensors = [.. header.Tensors.Values.OrderBy(tensor => tensor.Start).ThenBy(tensor => tensor.End)];
    }

    /// <inheritdoc/>
    public override string Format => "safetensors";

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>The tensors in the order of their data.</summary>
    public override IReadOnlyList<WeightsTensor> Tensors { get; }

    /// <summary>Opens a file and checks its header.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="SafetensorsFormatException">The file is not a sound safetensors file.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static new SafetensorsReader Open(string path)
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

    /// <inheritdoc/>
    public override bool TryGetTensor(string name, [NotNullWhen(true)] out WeightsTensor? tensor)
    {
        var found = _header.Tensors.TryGetValue(name, out var own);
        tensor = own;
        return found;
    }

    /// <inheritdoc/>
    public override void Dispose() => _handle.Dispose();

    internal override void Read(WeightsTensor tensor, float* destination)
    {
        var own = (SafetensorsTensor)tensor;
        if (own.Type == SafetensorsTypes.Float32) ReadBytes(own, destination);
        else ReadConverted(own, destination);
    }

    internal override WeightsFormatException CreateFault(string? tensorName, string problem, string remedy, Exception? innerException = null) =>
        new SafetensorsFormatException(FileName, tensorName, problem, remedy, innerException);

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
        var size = FloatConversion.GetSize(tensor.Type);
        if (size == 0) throw FloatConversion.UnknownType(this, tensor);
        var buffer = ArrayPool<byte>.Shared.Rent(ConvertLength * size);
        try
        {
            for (var done = 0L; done < tensor.Count; done += ConvertLength)
            {
                var count = (int)Math.Min(ConvertLength, tensor.Count - done);
                var bytes = buffer.AsSpan(0, count * size);
                ReadExactly(FileName, _handle, bytes, _dataStart + tensor.Start + (done * size));
                FloatConversion.Convert(this, tensor, bytes, new Span<float>(destination + done, count));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
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
