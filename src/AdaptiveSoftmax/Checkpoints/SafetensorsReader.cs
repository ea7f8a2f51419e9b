using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace AdaptiveSoftmax;

/// <summary>
/// Reads a safetensors file of any size: checks the whole header when it opens, then reads tensor after tensor straight
/// into the memory they are for.
/// </summary>
public sealed unsafe class SafetensorsReader : WeightsFile
{
    private const int ReadLength = 1 << 24;
    private const int ConvertLength = 1 << 16;

    private readonly WeightsBytes _bytes;
    private readonly SafetensorsHeader _header;

    private SafetensorsReader(WeightsBytes bytes)
        : base(bytes.Name)
    {
        _bytes = bytes;
        _header = SafetensorsHeader.Read(bytes);
    }

    /// <inheritdoc/>
    public override string Format => "safetensors";

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>The tensors in the order of their data.</summary>
    public override IReadOnlyList<WeightsTensor> Tensors => _header.Ordered;

    /// <summary>Opens a file and checks its header.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="SafetensorsFormatException">The file is not a sound safetensors file.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static new SafetensorsReader Open(string path)
    {
        var bytes = WeightsBytes.Open(path);
        try
        {
            return Open(bytes);
        }
        catch
        {
            bytes.Dispose();
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
    public override void Dispose() => _bytes.Dispose();

    /// <summary>Reads bytes that the reader then closes.</summary>
    internal static SafetensorsReader Open(WeightsBytes bytes) => new(bytes);

    internal override void Read(WeightsTensor tensor, float* destination) => Read(tensor, 0, tensor.Count, destination);

    internal override void Read(WeightsTensor tensor, long first, long count, float* destination)
    {
        var own = (SafetensorsTensor)tensor;
        if (own.Type == SafetensorsTypes.Float32) ReadBytes(own.Start + (first * sizeof(float)), count * sizeof(float), (byte*)destination);
        else ReadConverted(own, first, count, destination);
    }

    internal override WeightsFormatException CreateFault(string? tensorName, string problem, string remedy, Exception? innerException = null) =>
        new SafetensorsFormatException(FileName, tensorName, problem, remedy, innerException);

    internal override NativeFloats Map(WeightsTensor tensor)
    {
        var own = (SafetensorsTensor)tensor;
        return new NativeFloats(_bytes.Map!, _bytes.Map!.Pointer + _header.DataStart + own.Start, (own.End - own.Start) / sizeof(float));
    }

    internal override bool CanCopyBytes(WeightsTensor tensor) => SafetensorsTypes.FindBits(tensor.Type) > 0;

    internal override void CopyBytes(WeightsTensor tensor, WeightsContent.TakeChunk take, CancellationToken cancellationToken)
    {
        var own = (SafetensorsTensor)tensor;
        var buffer = ArrayPool<byte>.Shared.Rent(1 << 20);
        try
        {
            for (var at = own.Start; at < own.End;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var chunk = buffer.AsSpan(0, (int)Math.Min(buffer.Length, own.End - at));
                ReadExactly(chunk, at);
                take(chunk);
                at += chunk.Length;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Reads bytes of a tensor that begin at an offset of its own.</summary>
    internal void ReadBytes(WeightsTensor tensor, long offset, Span<byte> destination) =>
        ReadExactly(destination, ((SafetensorsTensor)tensor).Start + offset);

    private void ReadBytes(long start, long length, byte* destination)
    {
        for (var done = 0L; done < length; done += ReadLength)
        {
            var part = new Span<byte>(destination + done, (int)Math.Min(ReadLength, length - done));
            ReadExactly(part, start + done);
        }
    }

    private void ReadConverted(SafetensorsTensor tensor, long first, long valueCount, float* destination)
    {
        var size = FloatConversion.GetSize(tensor.Type);
        if (size == 0) throw FloatConversion.UnknownType(this, tensor);
        var buffer = ArrayPool<byte>.Shared.Rent(ConvertLength * size);
        try
        {
            for (var done = 0L; done < valueCount; done += ConvertLength)
            {
                var count = (int)Math.Min(ConvertLength, valueCount - done);
                var bytes = buffer.AsSpan(0, count * size);
                ReadExactly(bytes, tensor.Start + ((first + done) * size));
                FloatConversion.Convert(this, tensor, bytes, new Span<float>(destination + done, count));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void ReadExactly(Span<byte> destination, long offset)
    {
        if (_bytes.ReadAtLeast(destination, _header.DataStart + offset) < destination.Length)
            throw CreateFault(null, FormattableString.Invariant($"It ends before byte {_header.DataStart + offset + destination.Length}, which its header's last tensor reaches to."), "It was cut short while it was read; copy or save it again.");
    }
}
