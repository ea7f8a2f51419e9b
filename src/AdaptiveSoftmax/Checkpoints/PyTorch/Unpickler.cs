using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// Reads the pickle of a state dict. It calls nothing: a handful of names is understood, and any other is a fault, which is
/// reported after the rest is read, so that the way out can be named.
/// </summary>
internal sealed class Unpickler(byte[] bytes, Func<string, string, Exception> createFault)
{
    /// <summary>The longest pickle that is read.</summary>
    public const int MaxLength = 64 << 20;

    /// <summary>The deepest nesting of containers.</summary>
    public const int MaxDepth = 64;

    private const int MaxOperations = 4_000_000;
    private const string Damaged = "The file is damaged; copy or save it again.";

    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly List<object?> _stack = [];
    private readonly List<int> _marks = [];
    private readonly List<object?> _memo = [];
    private int _position;
    private string? _refused;

    /// <summary>Reads the one object of the pickle.</summary>
    public object? Read()
    {
        object? root = null;
        try
        {
            root = ReadRoot();
        }
        catch (Exception) when (_refused is not null)
        {
            // What comes after a stranger may be strange as well; the stranger is what to name.
        }

        return _refused is null ? root : throw createFault($"It holds a Python object of '{Excerpt.Name(_refused)}', which is no part of a state dict.", PickleRemedy.Find(root));
    }

    private object? ReadRoot()
    {
        for (var operations = 0; ; operations++)
        {
            if (operations == MaxOperations)
                throw createFault($"Its pickle has more than {MaxOperations} operations.", PickleRemedy.Find(null));
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
                // Attributes: PyTorch keeps module versions at an ordered dict, and users what they like at tensors.
                Pop(1);
                if (_stack.Count <= Floor || _stack[^1] is not (PickleDict or PickleTensor or PickleObject)) throw Fault("sets attributes of something else than an object");
                break;
            case (byte)'0': Pop(1); break;
            case (byte)'1': PopMarked(); break;
            case (byte)'2': Push(Top<object>("repeats an object that is not there")); break;
            case 0x81: Create(Pop(2)[0]); break;
            case 0x92: Create(Pop(3)[0]); break;
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
        0x8D => TakeString(TakeLength()),
        (byte)'C' => SkipBytes(Take(1)[0]),
        (byte)'B' => SkipBytes(TakeUInt32()),
        0x8E or 0x96 => SkipBytes(TakeLength()),
        (byte)'U' => Encoding.Latin1.GetString(Take(Take(1)[0])),
        (byte)'T' => Encoding.Latin1.GetString(Take(TakeUInt32())),
        _ => throw createFault(FormattableString.Invariant($"Its pickle has the operation 0x{code:X2} at byte {_position - 1}, which no state dict needs."), PickleRemedy.Find(null)),
    });

    private void PushGlobal(string module, string name)
    {
        var full = $"{module}.{name}";
        if (PickleNames.IsKnown(full))
        {
            Push(new PickleGlobal(full));
            return;
        }

        _refused ??= full;
        Push(PickleObject.Instance);
    }

    private PickleStorage CreateStorage(object? id)
    {
        if (id is not object?[] parts
            || parts is not ["storage", PickleGlobal global, string key, string location, long count, ..] || count < 0)
            throw Fault("describes a storage otherwise than torch.save does");

        // A storage without a type counts bytes.
        var isUntyped = PyTorchTypes.IsUntypedStorage(global.Name);
        var type = isUntyped ? SafetensorsTypes.Byte : PyTorchTypes.FindStorage(global.Name) ?? throw Fault("describes a storage otherwise than torch.save does");
        return new PickleStorage(type, key, count) { IsUntyped = isUntyped, IsMeta = location == "meta" };
    }

    // An object of a class: of those that are known, a plain tensor is none of the state dict's.
    private void Create(object? type)
    {
        if (type is not (PickleGlobal or PickleObject)) throw Fault("makes an object of something else than a class");
        Push(PickleObject.Instance);
    }

    private object? Rebuild(object?[] call)
    {
        if (call is [PickleObject, object?[]]) return PickleObject.Instance;
        if (call is not [PickleGlobal global, object?[] arguments]) throw Fault("calls something else than a name");
        switch (global.Name)
        {
            case PickleNames.OrderedDict when arguments.Length == 0: return new PickleDict();
            case PickleNames.OrderedDict or PickleNames.Counter when arguments is [PickleDict dict]: return dict;
            case PickleNames.OrderedDict when arguments is [object?[] or List<object?>] && ToDict((IEnumerable<object?>)arguments[0]!) is { } made: return made;
            case PickleNames.Size when arguments is [object?[] sizes] && sizes.All(value => value is long): return sizes;
            case var set when PickleNames.IsSet(set) && arguments is [List<object?> items]: return items;
            case var set when PickleNames.IsSet(set) && arguments.Length == 0: return new List<object?>();
            case var plain when PickleNames.IsPassedOver(plain) && arguments.All(value => value is null or string or long or double or bool or BigInteger or PickleObject or List<object?>):
                return PickleObject.Instance;
            default:
                return PickleTensors.Find(global.Name, arguments) ?? throw Fault($"calls '{Excerpt.Name(global.Name)}' with other arguments than torch.save does");
        }
    }

    private static PickleDict? ToDict(IEnumerable<object?> pairs)
    {
        var dict = new PickleDict();
        foreach (var pair in pairs)
        {
            if (pair is List<object?> { Count: 2 } list) dict.Pairs.Add((list[0], list[1]));
            else if (pair is object?[] { Length: 2 } tuple) dict.Pairs.Add((tuple[0], tuple[1]));
            else return null;
        }

        return dict;
    }

    private void AppendTo(object?[] items)
    {
        if (Top<object>("appends to nothing") is PickleObject) return;
        Top<List<object?>>("appends to something else than a list").AddRange(items);
    }

    private void SetItems(object?[] items)
    {
        if (items.Length % 2 != 0) throw Fault("has a key without a value");
        if (Top<object>("sets items of nothing") is PickleObject) return;
        var pairs = Top<PickleDict>("sets items of something else than a dict").Pairs;
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

    private PickleObject SkipBytes(uint length)
    {
        Take(length);
        return PickleObject.Instance;
    }

    private uint TakeLength() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8)) is <= uint.MaxValue and var length ? (uint)length : throw Fault("is cut short");

    private Exception TooDeep() => createFault($"Its pickle nests containers more than {MaxDepth} deep.", PickleRemedy.Find(null));

    private Exception Fault(string what) => createFault(FormattableString.Invariant($"Its pickle {what}, at byte {_position}."), Damaged);
}
