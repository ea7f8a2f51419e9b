namespace AdaptiveSoftmax.Gpu.Tests.Emulation;

/// <summary>A register of a warp.</summary>
/// <param name="Bits">1 for a predicate, 32 (narrower ones too), or 64.</param>
/// <param name="Place">The first byte of its 32 lanes; of a predicate, whose lanes are the bits of one number, its number.</param>
internal readonly record struct PtxRegister(int Bits, int Place);

/// <summary>
/// Where the registers of a warp are, lane beside lane, so that an instruction works on all lanes at once. Constants and
/// the registers of the hardware have their places there like any other.
/// </summary>
internal sealed class RegisterLayout
{
    private readonly Dictionary<string, PtxRegister> _named = new(StringComparer.Ordinal);
    private readonly Dictionary<(int Bits, ulong Value), PtxRegister> _constants = [];
    private readonly Dictionary<string, PtxRegister> _specials = new(StringComparer.Ordinal);

    /// <summary>The bytes of the registers but predicates.</summary>
    public int Bytes { get; private set; }

    /// <summary>The number of predicates.</summary>
    public int Predicates { get; private set; }

    /// <summary>The constants by bits and value.</summary>
    public IEnumerable<((int Bits, ulong Value) Constant, PtxRegister Register)> Constants => _constants.Select(pair => (pair.Key, pair.Value));

    /// <summary>The registers of the hardware that are read, by name.</summary>
    public IEnumerable<(string Name, PtxRegister Register)> Specials => _specials.Select(pair => (pair.Key, pair.Value));

    /// <summary>Adds a register.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="type">Its type, without the point.</param>
    /// <exception cref="PtxException">There is one of that name, or no such type.</exception>
    public void Declare(string name, string type)
    {
        var bits = type switch
        {
            "pred" => 1,
            "b8" or "u8" or "s8" or "b16" or "u16" or "s16" or "b32" or "u32" or "s32" or "f32" => 32,
            "b64" or "u64" or "s64" or "f64" => 64,
            _ => throw new PtxException($"Unknown type of registers '{type}'."),
        };
        if (!_named.TryAdd(name, Add(bits))) throw new PtxException($"The register {name} is declared twice.");
    }

    /// <summary>Finds a register, or one of the hardware.</summary>
    public PtxRegister? Find(string name)
    {
        if (_named.TryGetValue(name, out var register)) return register;
        if (name[0] != '%') return null;
        if (!ThreadGroup.IsSpecial(name)) throw new PtxException($"Unknown register {name}.");
        if (!_specials.TryGetValue(name, out register)) _specials.Add(name, register = Add(32));
        return register;
    }

    /// <summary>A register that holds a constant in all lanes.</summary>
    public PtxRegister Constant(int bits, ulong value)
    {
        if (bits == 32) value = (uint)value;
        if (!_constants.TryGetValue((bits, value), out var register)) _constants.Add((bits, value), register = Add(bits));
        return register;
    }

    private PtxRegister Add(int bits)
    {
        if (bits == 1) return new(1, Predicates++);
        var place = Bytes;
        Bytes += Warp.Size * bits / 8;
        return new(bits, place);
    }
}
