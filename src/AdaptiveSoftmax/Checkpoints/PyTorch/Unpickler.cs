using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace AdaptiveSoftmax;

/// <summary>
/// Reads the pickle of a state dict. It calls nothing: a handful of names is understood, and any other is a fault.
/// </summary>
internal sealed class Unpickler(byte[] bytes, Func<string, string, Exception> createFault)
{
    /// <summary>The longest pickle that is read.</summary>
    public const int MaxLength = 64 << 20;

    /// <summary>The deepest nesting of containers.</summary>
    public const int MaxDepth = 64;

    private const int MaxOperations = 4_000_000;
    private const string Damaged = "The file is damaged; copy or save it again.";
    private const string SavePlain = "Nothing of it was run. Save only the tensors, in Python: torch.save(model.state_dict(), 'weights.pt'), or for a checkpoint, torch.save(torch.load('checkpoint.pt', weights_only=False)['model'], 'weights.pt') if you trust where it came from.";

    private const string OrderedDict = "collections.OrderedDict";
    private const string RebuildTensor = "torch._utils._rebuild_tensor_v2";
    private const string RebuildTypedTensor = "torch._utils._rebuild_tensor_v3";
    private const string RebuildParameter = "torch._utils._rebuild_parameter";
    private const string RebuildParameterWithState = "torch._utils._rebuild_parameter_with_state";

    // Values that stand beside tensors in a checkpoint: they are read over.
    private const string Size = "torch.Size";
    private const string Device = "torch.device";
    private static readonly string[] s_sets = ["__builtin__.set", "__builtin__.frozenset", "builtins.set", "builtins.frozenset"];

    private static readonly HashSet<string> s_functions =
        [OrderedDict, RebuildTensor, RebuildTypedTensor, RebuildParameter, RebuildParameterWithState, Size, Device, PyTorchTypes.UntypedStorage, .. s_sets];

    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly List<object?> _stack = [];
    private readonly List<int> _marks = [];
    private readonly List<object?> _memo = [];
    private int _position;

    /// <summary>Reads the one object of the pickle.</summary>
    public object? Read()
    {
        for (var operations = 0; ; operations++)
        {
            if (operations == MaxOperations)
                throw createFault($"Its pickle has more than {MaxOperations} operations.", SavePlain);
            var code = Take(1)[0];
            if (code == '.')
            {
                if (_stack.Count != 1 || _marks.Count != 0) throw Fault("ends with other than one object");
                return _stack[0];
            }

            Execute(code);
        }
    }

    private void Execute(byte code)
    {
        switch (code)
        {
            case 0x80:
                if (Take(1)[0] is var version and (< 2 or > 5)) throw Fault($"has protocol {version}");
                break;
            case 0x95: Take(8); break;
            case (byte)'(':
                if (_marks.Count == MaxDepth) throw TooDeep();
                _marks.Add(_stack.Count);
                break;
            case (byte)'}': Push(new PickleDict()); break;
            case (byte)']' or 0x8F: Push(new List<object?>()); break;
            case (byte)')': Push(Array.Empty<object?>()); break;
            case (byte)'t': Push(PopMarked()); break;
            case 0x85 or 0x86 or 0x87: Push(Pop(code - 0x84)); break;
            case (byte)'a': AppendTo(Pop(1)); break;
            case (byte)'e' or 0x90: AppendTo(PopMarked()); break;
            case 0x91: Push(PopMarked().ToList()); break;
            case (byte)'s': SetItems(Pop(2)); break;
            case (byte)'u': SetItems(PopMarked()); break;
            case (byte)'b':
                // An ordered dict's attributes: PyTorch keeps module versions there.
                Pop(1);
                Top<PickleDict>("sets attributes of something else than a dict");
                break;
            case (byte)'c': PushGlobal(TakeLine(), TakeLine()); break;
            case 0x93:
                var names = Pop(2);
                if (names is not [string module, string name]) throw Fault("names a global by something else than strings");
                PushGlobal(module, name);
                break;
            case (byte)'Q': Push(CreateStorage(Pop(1)[0])); break;
            case (byte)'R': Push(Rebuild(Pop(2))); break;
            case (byte)'q': Memorize(Take(1)[0]); break;
            case (byte)'r': Memorize(TakeUInt32()); break;
            case 0x94: Memorize((uint)_memo.Count); break;
            case (byte)'h': Push(Recall(Take(1)[0])); break;
            case (byte)'j': Push(Recall(TakeUInt32())); break;
            case 0x8A: PushNumber(Take(Take(1)[0])); break;
            case 0x8B: PushNumber(Take(TakeUInt32())); break;
            default: PushConstant(code); break;
        }
    }

    private void PushConstant(byte code) => Push(code switch
    {
        (byte)'N' => null,
        0x88 => true,
        0x89 => false,
        (byte)'J' => (long)BinaryPrimitives.ReadInt32LittleEndian(Take(4)),
        (byte)'K' => (long)Take(1)[0],
        (byte)'M' => (long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2)),
        (byte)'G' => BinaryPrimitives.ReadDoubleBigEndian(Take(8)),
        (byte)'X' => TakeString(TakeUInt32()),
        0x8C => TakeString(Take(1)[0]),
        (byte)'C' => SkipBytes(Take(1)[0]),
        (byte)'B' => SkipBytes(TakeUInt32()),
        _ => throw createFault($"Its pickle has the operation 0x{code:X2} at byte {_position - 1}, which no state dict needs.", SavePlain),
    });

    private void PushGlobal(string module, string name)
    {
        var full = $"{module}.{name}";
        if (!s_functions.Contains(full) && PyTorchTypes.FindStorage(full) is null && PyTorchTypes.FindType(full) is null && !PyTorchTypes.IsOtherType(full))
            throw createFault($"It holds a Python object of '{full}', which is no part of a state dict.", SavePlain);
        Push(new PickleGlobal(full));
    }

    private PickleStorage CreateStorage(object? id)
    {
        if (id is not object?[] parts
            || parts is not ["storage", PickleGlobal global, string key, string, long count] || count < 0)
            throw Fault("describes a storage otherwise than torch.save does");
        // A storage without a type counts bytes.
        if (global.Name == PyTorchTypes.UntypedStorage) return new PickleStorage(SafetensorsTypes.Byte, key, count) { IsUntyped = true };
        if (PyTorchTypes.FindStorage(global.Name) is not { } type) throw Fault("describes a storage otherwise than torch.save does");
        return new PickleStorage(type, key, count);
    }

    private object? Rebuild(object?[] call)
    {
        if (call is not [PickleGlobal global, object?[] arguments]) throw Fault("calls something else than a name");
        switch (global.Name)
        {
            case OrderedDict when arguments.Length == 0:
                return new PickleDict();
            case RebuildParameter or RebuildParameterWithState when arguments is [PickleTensor tensor, ..]:
                return tensor;
            case RebuildTensor when arguments is [PickleStorage { IsUntyped: false } storage, long offset, object?[] shape, object?[] strides, ..]:
                if (CreateTensor(storage, offset, shape, strides) is { } typed) return typed;
                break;
            case RebuildTypedTensor when arguments is [PickleStorage { IsUntyped: true } storage, long offset, object?[] shape, object?[] strides, _, _, PickleGlobal type, ..]:
                if (PyTorchTypes.FindType(type.Name) is not { } name)
                    throw createFault($"It holds a tensor of '{type.Name}', which is not read.", "Convert it in Python, or leave it out, and save again.");
                var size = SafetensorsTypes.FindBits(name) / 8;
                if (storage.Count % size != 0) break;
                if (CreateTensor(new PickleStorage(name, storage.Key, storage.Count / size), offset, shape, strides) is { } untyped) return untyped;
                break;
            case Size when arguments is [object?[] sizes] && sizes.All(value => value is long):
                return sizes;
            case Device when arguments.All(value => value is string or long):
                return null;
            case var set when s_sets.Contains(set) && arguments is [List<object?> items]:
                return items;
        }

        throw Fault($"calls '{global.Name}' with other arguments than torch.save does");
    }

    private static PickleTensor? CreateTensor(PickleStorage storage, long offset, object?[] shape, object?[] strides)
    {
        if (shape.Length != strides.Length || shape.Length > MaxDepth || offset < 0) return null;
        if (!shape.Concat(strides).All(value => value is long and >= 0)) return null;
        return new PickleTensor(storage, offset, [.. shape.Cast<long>()], [.. strides.Cast<long>()]);
    }

    private void AppendTo(object?[] items) => Top<List<object?>>("appends to something else than a list").AddRange(items);

    private void SetItems(object?[] items)
    {
        var pairs = Top<PickleDict>("sets items of something else than a dict").Pairs;
        if (items.Length % 2 != 0) throw Fault("has a key without a value");
        for (var i = 0; i < items.Length; i += 2) pairs.Add((items[i], items[i + 1]));
    }

    // Python numbers what it remembers in order, so a list does and a file cannot ask for a large one.
    private void Memorize(uint index)
    {
        if (_stack.Count == 0 || index > _memo.Count) throw Fault("remembers an object out of order");
        if (index == _memo.Count) _memo.Add(_stack[^1]);
        else _memo[(int)index] = _stack[^1];
    }

    private object? Recall(uint index) => index < _memo.Count ? _memo[(int)index] : throw Fault("recalls an object that it did not remember");

    private void Push(object? value) => _stack.Add(value);

    private T Top<T>(string fault)
        where T : class => _stack.Count > Floor && _stack[^1] is T value ? value : throw Fault(fault);

    private int Floor => _marks.Count == 0 ? 0 : _marks[^1];

    private object?[] Pop(int count)
    {
        if (_stack.Count - count < Floor) throw Fault("takes more objects than it made");
        var values = _stack.GetRange(_stack.Count - count, count).ToArray();
        _stack.RemoveRange(_stack.Count - count, count);
        return values;
    }

    private object?[] PopMarked()
    {
        if (_marks.Count == 0) throw Fault("ends a group that it did not begin");
        var values = Pop(_stack.Count - _marks[^1]);
        _marks.RemoveAt(_marks.Count - 1);
        return values;
    }

    private ReadOnlySpan<byte> Take(uint count)
    {
        if (count > bytes.Length - _position) throw Fault("is cut short");
        var span = bytes.AsSpan(_position, (int)count);
        _position += (int)count;
        return span;
    }

    private uint TakeUInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    private string TakeString(uint length)
    {
        try
        {
            return s_utf8.GetString(Take(length));
        }
        catch (DecoderFallbackException)
        {
            throw Fault("has a string that is not UTF-8");
        }
    }

    private string TakeLine()
    {
        var length = bytes.AsSpan(_position).IndexOf((byte)'\n');
        if (length < 0) throw Fault("is cut short");
        var line = TakeString((uint)length);
        _position++;
        return line;
    }

    // Little-endian in two's complement. What 64 bits cannot hold is no size, and is kept as what it is.
    private void PushNumber(ReadOnlySpan<byte> digits)
    {
        var value = new BigInteger(digits);
        if (value >= long.MinValue && value <= long.MaxValue) Push((long)value);
        else Push(value);
    }

    private object? SkipBytes(uint length)
    {
        Take(length);
        return null;
    }

    private Exception TooDeep() => createFault($"Its pickle nests containers more than {MaxDepth} deep.", SavePlain);

    private Exception Fault(string what) => createFault($"Its pickle {what}, at byte {_position}.", Damaged);
}
