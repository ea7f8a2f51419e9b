using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace AdaptiveSoftmax;

/// <summary>Writes the pickle of a state dict, or of one tensor, of protocol 2 as <c>torch.save</c> does.</summary>
internal sealed class PickleWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    /// <summary>Begins an ordered dict.</summary>
    public void BeginStateDict() => Append([0x80, 2, .. "ccollections\nOrderedDict\n)R("u8]);

    /// <summary>Adds a tensor in row-major order.</summary>
    /// <param name="tensor">The tensor.</param>
    /// <param name="key">Its storage's record, <c>data/{key}</c>.</param>
    public void AddTensor(WeightsContent.Entry tensor, string key)
    {
        AppendText(tensor.Name);
        AppendTensor(tensor, key);
    }

    /// <summary>Ends the dict and the pickle.</summary>
    public ReadOnlySpan<byte> End()
    {
        Append("u."u8);
        return _bytes.WrittenSpan;
    }

    /// <summary>Writes a pickle that is one tensor.</summary>
    /// <param name="tensor">The tensor.</param>
    /// <param name="key">Its storage's record.</param>
    public ReadOnlySpan<byte> WriteTensor(WeightsContent.Entry tensor, string key)
    {
        Append([0x80, 2]);
        AppendTensor(tensor, key);
        Append("."u8);
        return _bytes.WrittenSpan;
    }

    private void AppendTensor(WeightsContent.Entry tensor, string key)
    {
        Append("ctorch._utils\n_rebuild_tensor_v2\n(("u8);
        AppendText("storage");
        Append(Encoding.ASCII.GetBytes($"ctorch\n{PyTorchTypes.StorageOf(tensor.Type)}\n"));
        AppendText(key);
        AppendText("cpu");
        AppendNumber(tensor.Count);
        // The storage is complete; the view starts at value 0.
        Append("tQK\0"u8);
        AppendNumbers(tensor.Shape);
        var strides = new long[tensor.Shape.Count];
        var stride = 1L;
        for (var i = strides.Length - 1; i >= 0; i--)
        {
            strides[i] = stride;
            stride *= Math.Max(1, tensor.Shape[i]);
        }

        AppendNumbers(strides);
        // No gradient is wanted, and there are no hooks.
        Append([0x89, .. "ccollections\nOrderedDict\n)RtR"u8]);
    }

    private void AppendNumbers(IReadOnlyList<long> numbers)
    {
        Append("("u8);
        foreach (var number in numbers) AppendNumber(number);
        Append("t"u8);
    }

    private void AppendNumber(long number)
    {
        if (number <= int.MaxValue)
        {
            Append("J"u8);
            BinaryPrimitives.WriteInt32LittleEndian(_bytes.GetSpan(sizeof(int)), (int)number);
            _bytes.Advance(sizeof(int));
        }
        else
        {
            Append([0x8A, sizeof(long)]);
            BinaryPrimitives.WriteInt64LittleEndian(_bytes.GetSpan(sizeof(long)), number);
            _bytes.Advance(sizeof(long));
        }
    }

    private void AppendText(string text)
    {
        Append("X"u8);
        BinaryPrimitives.WriteInt32LittleEndian(_bytes.GetSpan(sizeof(int)), Encoding.UTF8.GetByteCount(text));
        _bytes.Advance(sizeof(int));
        Encoding.UTF8.GetBytes(text, _bytes);
    }

    private void Append(ReadOnlySpan<byte> bytes) => _bytes.Write(bytes);
}
